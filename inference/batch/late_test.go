package batch

import (
	"context"
	"errors"
	"testing"
	"time"
)

const ms = time.Millisecond

// warmed runs an item for as long as that, a few times, and then has one that is not over.
func warmed(p *puppet, took time.Duration) (busy *began, end func()) {
	p.Helper()
	for range 4 {
		o := p.do(p.Context(), "k", 1, "warm")
		r := p.runs("warm")
		p.passes(took)
		r.ends(nil)
		p.returned(o, nil)
	}
	o := p.do(p.Context(), "k", 1, "busy")
	r := p.runs("busy")
	p.told = nil
	return r, func() {
		p.Helper()
		r.ends(nil)
		p.returned(o, nil)
	}
}

func TestUnmeetableDeadlinesAreRejectedAtOnce(t *testing.T) {
	drive(t, 1, Options{MaxRows: 4}, func(p *puppet) {
		_, end := warmed(p, 10*ms)
		rejected := func(o *outcome, want DeadlineError) {
			p.Helper()
			err := <-o.err
			var got *DeadlineError
			if !errors.As(err, &got) || *got != want || !errors.Is(err, ErrDeadlineUnmeetable) || !errors.Is(err, ErrQueueFull) {
				p.Errorf("Do returned %v, expected %v", err, &want)
			}
		}
		// The run under way may end at any time.
		a := p.do(over(p, 1), "k", 1, "a")
		b := p.do(over(p, ms), "k", 3, "b")
		// There is no more room in their batch.
		rejected(p.do(over(p, 10*ms-1), "k", 1, "hasty"), DeadlineError{Wait: 10 * ms, Left: 10*ms - 1})
		c := p.do(over(p, 10*ms), "k", 2, "c")
		d := p.do(over(p, 10*ms), "k", 2, "d")
		rejected(p.do(over(p, 19*ms), "k", 4, "later"), DeadlineError{Wait: 20 * ms, Left: 19 * ms})
		e := p.do(p.Context(), "k", 4, "e") // there is no deadline
		p.tells("queue full for that deadline: expected to wait 10ms, 9.999999ms are left after 0s",
			"queue full for that deadline: expected to wait 20ms, 19ms are left after 0s")
		end()
		p.runs("a b").ends(nil)
		p.runs("c d").ends(nil)
		p.runs("e").ends(nil)
		for _, o := range []*outcome{a, b, c, d, e} {
			p.returned(o, nil)
		}
		p.told = nil
	})
}

func TestExpectedWait(t *testing.T) {
	type wait struct {
		level, rows int
		want        time.Duration
	}
	for _, test := range []struct {
		name  string
		slots int
		Options
		waiting [][2]int // level, rows
		want    []wait
	}{
		{"nobody waits", 1, Options{}, nil, []wait{{0, 1, 0}, {0, 1000, 0}}},
		{"two slots", 2, Options{MaxRows: 4}, [][2]int{{0, 4}}, []wait{{0, 1, 5 * ms}}},
		{"those of lower levels do not count", 1, Options{MaxRows: 4, PriorityLevels: 3}, [][2]int{{0, 1}, {1, 4}, {2, 8}},
			[]wait{{0, 1, 0}, {0, 4, 10 * ms}, {1, 1, 10 * ms}, {1, 4, 20 * ms}, {2, 1, 30 * ms}}},
		{"alone, each item is a batch", 1, Options{MaxRows: 4, Alone: true, PriorityLevels: 2}, [][2]int{{0, 1}, {0, 2}, {1, 8}},
			[]wait{{0, 1, 20 * ms}, {1, 1, 30 * ms}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, err := New[string](test.slots, func([]string) error { return nil }, test.Options)
			if err != nil {
				t.Fatal(err)
			}
			b.pace = pace(10 * ms)
			for _, w := range test.waiting {
				b.insert(&call[string, string]{level: w[0], rows: w[1]}, false)
			}
			for _, w := range test.want {
				if got := b.expected(w.level, w.rows); got != w.want {
					t.Errorf("level %d, %d rows: %v, expected %v", w.level, w.rows, got, w.want)
				}
			}
		})
	}
}

// One slow run, be it the first of all, must not have people sent away who could be answered.
func TestOneSlowRunShedsNobody(t *testing.T) {
	drive(t, 1, Options{MaxRows: 1}, func(p *puppet) {
		run := func(took time.Duration) {
			o := p.do(p.Context(), "k", 1, "run")
			r := p.runs("run")
			p.passes(took)
			r.ends(nil)
			p.returned(o, nil)
		}
		// hasty comes while one runs and another waits.
		hasty := func(want error) {
			p.Helper()
			busy := p.do(p.Context(), "k", 1, "busy")
			r := p.runs("busy")
			next := p.do(p.Context(), "k", 1, "next")
			o := p.do(over(p, 10*ms), "k", 1, "hasty")
			r.ends(nil)
			p.runs("next").ends(nil)
			if want == nil {
				p.runs("hasty").ends(nil)
			}
			for _, o := range []*outcome{busy, next} {
				p.returned(o, nil)
			}
			p.returned(o, want)
		}
		run(ms)
		run(time.Hour)
		hasty(nil)

		p.pace = 0
		run(time.Hour) // all that is known
		hasty(ErrDeadlineUnmeetable)
		for range 20 { // whoever finds the slot free is run, and sets it right
			run(ms)
		}
		hasty(nil)

		// Runs that have become slow are believed in the end.
		for range 40 {
			run(100 * ms)
		}
		hasty(ErrDeadlineUnmeetable)
		p.told = nil
	})
}

func TestWithoutRanNobodyIsShed(t *testing.T) {
	b, err := New[string](1, func([]string) error { return nil }, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := b.Do(t.Context(), "k", 1, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if b.pace != 0 {
		t.Errorf("runs are said to take %v, though none was timed", time.Duration(b.pace))
	}
}

// A deadline that has passed is told as such, also before its context has noticed.
func TestDeadlinesThatHavePassed(t *testing.T) {
	drive(t, 1, Options{MaxRows: 4}, func(p *puppet) {
		_, end := warmed(p, 10*ms)
		running := p.do(p.Context(), "k", 4, "running")
		late := p.do(unnoticed{p.Context()}, "k", 1, "late")
		p.returned(late, context.DeadlineExceeded)
		end()
		p.runs("running").ends(nil)
		p.returned(running, nil)
		p.told = nil
	})
}

// unnoticed has a deadline that has passed, and is not done.
type unnoticed struct{ context.Context }

func (unnoticed) Deadline() (time.Time, bool) { return time.Now().Add(-ms), true }
