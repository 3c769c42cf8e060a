package batch

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunsAtOnceOnTheCallersGoroutine(t *testing.T) {
	drive(t, 2, Options{}, func(p *puppet) {
		a := p.do(p.Context(), "k", 1, "a")
		b := p.do(p.Context(), "k", 1, "b")
		ra, rb := p.runs("a"), p.runs("b")
		if ra.on != a.on || rb.on != b.on {
			p.Errorf("ran on goroutines %s and %s, called on %s and %s", ra.on, rb.on, a.on, b.on)
		}
		rb.ends(nil)
		p.returned(b, nil)
		failed := errors.New("failed")
		ra.ends(failed)
		p.returned(a, failed)
		p.tells("1 items 1 rows [0s] free_slot <nil>", "1 items 1 rows [0s] free_slot failed")
	})
}

func TestGathersWhileAllSlotsAreBusy(t *testing.T) {
	drive(t, 2, Options{}, func(p *puppet) {
		a, b := p.do(p.Context(), "k", 1, "a"), p.do(p.Context(), "k", 1, "b")
		ra, rb := p.runs("a"), p.runs("b")
		c := p.do(p.Context(), "k", 2, "c")
		p.passes(time.Millisecond)
		d, e := p.do(p.Context(), "k", 3, "d"), p.do(p.Context(), "k", 4, "e")
		p.runsNothing()
		p.waiting(3, 9)
		p.passes(time.Millisecond)
		ra.ends(nil)
		p.returned(a, nil) // though others wait: they are not its burden
		rc := p.runs("c d e")
		if rc.on != c.on {
			p.Errorf("ran on goroutine %s, expected that of the one who waited longest, %s", rc.on, c.on)
		}
		f := p.do(p.Context(), "k", 1, "f")
		rc.ends(nil)
		for _, o := range []*outcome{c, d, e} {
			p.returned(o, nil)
		}
		p.waits(b)
		p.runs("f").ends(nil)
		p.returned(f, nil)
		rb.ends(nil)
		p.returned(b, nil)
		p.tells("1 items 1 rows [0s] free_slot <nil>", "3 items 9 rows [2ms 1ms 1ms] free_slot <nil>",
			"1 items 1 rows [0s] free_slot <nil>", "1 items 1 rows [0s] free_slot <nil>")
	})
}

var waits = regexp.MustCompile(` \[.*?\]`)

// On one CPU nobody could come to wait while others run, if who finds a slot free let nobody past.
func TestBatchesFormOnOneCPU(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range 100 { // once in a while the scheduler lets nobody past
		together := false
		drive(t, 2, Options{}, func(p *puppet) {
			a := p.do(p.Context(), "k", 1, "a")
			r := p.runs("a")
			both := make(chan error, 2)
			for _, item := range []string{"b", "c"} {
				go func() { both <- p.Do(p.Context(), "k", 1, item) }()
			}
			synctest.Wait()
			joined := <-p.began
			together = len(joined.items) == 2
			joined.ends(nil)
			r.ends(nil)
			p.returned(a, nil)
			if !together {
				(<-p.began).ends(nil)
			}
			if err := errors.Join(<-both, <-both); err != nil {
				p.Error(err)
			}
		})
		if together {
			return
		}
	}
	t.Error("no two items were ever run together")
}

// What waits while the only slot is busy, and in which batches it is run.
func TestBatches(t *testing.T) {
	type item struct {
		name, key string
		rows      int
	}
	for _, test := range []struct {
		name    string
		maxRows int
		items   []item
		want    []string
		tells   []string
	}{
		{
			"the cap counts rows", 8,
			[]item{{"a", "k", 3}, {"b", "k", 3}, {"c", "k", 3}, {"d", "k", 1}},
			[]string{"a b", "c d"},
			[]string{"2 items 6 rows row_cap", "2 items 4 rows free_slot"},
		},
		{
			"just full", 8,
			[]item{{"a", "k", 4}, {"b", "k", 4}, {"c", "k", 8}, {"d", "k", 1}},
			[]string{"a b", "c", "d"},
			[]string{"2 items 8 rows row_cap", "1 items 8 rows row_cap", "1 items 1 rows free_slot"},
		},
		{
			"what is larger than the cap runs alone", 8,
			[]item{{"a", "k", 1}, {"b", "k", 100}, {"c", "k", 1}, {"d", "k", 1}},
			[]string{"a", "b", "c d"},
			[]string{"1 items 1 rows row_cap", "1 items 100 rows row_cap", "2 items 2 rows free_slot"},
		},
		{
			"nobody of a key overtakes", 8,
			[]item{{"a", "k", 5}, {"b", "k", 4}, {"c", "k", 3}},
			[]string{"a", "b c"},
			[]string{"1 items 5 rows row_cap", "2 items 7 rows free_slot"},
		},
		{
			"keys do not mix", 8,
			[]item{{"a", "k", 1}, {"b", "l", 1}, {"c", "k", 1}, {"d", "m", 1}, {"e", "l", 1}},
			[]string{"a c", "b e", "d"},
			[]string{"2 items 2 rows free_slot", "2 items 2 rows free_slot", "1 items 1 rows free_slot"},
		},
		{
			"a cap of one row", 1,
			[]item{{"a", "k", 1}, {"b", "k", 1}},
			[]string{"a", "b"},
			[]string{"1 items 1 rows row_cap", "1 items 1 rows row_cap"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			drive(t, 1, Options{MaxRows: test.maxRows}, func(p *puppet) {
				outcomes := []*outcome{p.do(p.Context(), "k", 1, "first")}
				r := p.runs("first")
				for _, i := range test.items {
					outcomes = append(outcomes, p.do(p.Context(), i.key, i.rows, i.name))
				}
				r.ends(nil)
				for _, batch := range test.want {
					p.runs(batch).ends(nil)
				}
				for _, o := range outcomes {
					p.returned(o, nil)
				}
				var tells []string
				for _, told := range p.told[1:] {
					f := strings.Fields(waits.ReplaceAllString(told, ""))
					tells = append(tells, strings.Join(f[:5], " "))
				}
				if !slices.Equal(tells, test.tells) {
					p.Errorf("told %q, expected %q", tells, test.tells)
				}
				p.told = nil
			})
		})
	}
}

func TestEndedContextsAreNotRun(t *testing.T) {
	drive(t, 1, Options{}, func(p *puppet) {
		over, cancel := context.WithCancel(p.Context())
		cancel()
		p.returned(p.do(over, "k", 1, "over"), context.Canceled) // with a slot free
		a := p.do(p.Context(), "k", 1, "a")
		ra := p.runs("a")
		p.returned(p.do(over, "k", 1, "over"), context.Canceled) // with none free
		p.tells("context canceled after 0s", "context canceled after 0s")

		// Each leaves when its own context ends, while the others wait on and the slot is busy.
		start := time.Now()
		deadline := func(d time.Duration) context.Context {
			ctx, cancel := context.WithDeadline(p.Context(), start.Add(d))
			p.Cleanup(cancel)
			return ctx
		}
		cancelled, cancel := context.WithCancel(p.Context())
		b := p.do(deadline(30*time.Millisecond), "k", 1, "b")
		c := p.do(deadline(10*time.Millisecond), "k", 2, "c")
		d := p.do(deadline(time.Hour), "k", 4, "d")
		e := p.do(cancelled, "k", 8, "e")
		p.waiting(4, 15)
		p.passes(10 * time.Millisecond)
		p.returned(c, context.DeadlineExceeded)
		p.waiting(3, 13)
		cancel()
		p.returned(e, context.Canceled)
		p.waiting(2, 5)
		p.passes(19 * time.Millisecond)
		p.waits(b)
		p.passes(time.Millisecond)
		p.returned(b, context.DeadlineExceeded)
		p.waits(d)
		p.waiting(1, 4)
		ra.ends(nil)
		p.returned(a, nil)
		p.runs("d").ends(nil)
		p.returned(d, nil)
		p.tells("context deadline exceeded after 10ms", "context canceled after 10ms", "context deadline exceeded after 30ms",
			"1 items 1 rows [0s] free_slot <nil>", "1 items 4 rows [30ms] free_slot <nil>")
	})
}

func TestLateContextsAreDroppedFromTheBatch(t *testing.T) {
	drive(t, 1, Options{}, func(p *puppet) {
		first := p.do(p.Context(), "k", 1, "first")
		r := p.runs("first")
		leader, mate := &late{Context: p.Context()}, &late{Context: p.Context()}
		a := p.do(leader, "k", 1, "a") // will be handed the slot
		b := p.do(p.Context(), "k", 2, "b")
		c := p.do(mate, "k", 4, "c")
		d := p.do(p.Context(), "k", 8, "d")
		e := p.do(p.Context(), "l", 1, "e")
		leader.end(context.DeadlineExceeded)
		mate.end(context.Canceled)
		r.ends(nil)
		p.returned(first, nil)
		p.returned(a, context.DeadlineExceeded)
		p.returned(c, context.Canceled)
		p.runs("b d").ends(nil)
		p.returned(b, nil)
		p.returned(d, nil)
		p.runs("e").ends(nil)
		p.returned(e, nil)
		p.tells("1 items 1 rows [0s] free_slot <nil>", "context deadline exceeded after 0s", "context canceled after 0s",
			"2 items 10 rows [0s 0s] free_slot <nil>", "1 items 1 rows [0s] free_slot <nil>")
	})
}

func TestARunThatHasBegunIsWaitedFor(t *testing.T) {
	drive(t, 1, Options{}, func(p *puppet) {
		ctx, cancel := context.WithCancel(p.Context())
		a := p.do(ctx, "k", 1, "a")
		r := p.runs("a")
		b, c := p.do(ctx, "k", 1, "b"), p.do(ctx, "k", 1, "c")
		r.ends(nil)
		p.returned(a, nil)
		r = p.runs("b c")
		cancel()
		p.waits(b)
		p.waits(c)
		r.ends(nil)
		p.returned(b, nil)
		p.returned(c, nil)
	})
}

func TestQueueIsBounded(t *testing.T) {
	drive(t, 1, Options{QueueItems: 2, QueueRows: 10}, func(p *puppet) {
		a := p.do(p.Context(), "k", 11, "a") // no bound for what finds a slot free
		r := p.runs("a")
		ctx, cancel := context.WithCancel(p.Context())
		b := p.do(ctx, "k", 9, "b")
		p.returned(p.do(p.Context(), "k", 2, "rows"), ErrQueueFull)
		c := p.do(p.Context(), "k", 1, "c")
		p.returned(p.do(p.Context(), "k", 1, "items"), ErrQueueFull)
		p.tells("queue full after 0s", "queue full after 0s")
		cancel()
		p.returned(b, context.Canceled)
		d := p.do(p.Context(), "l", 9, "d") // there is room again at once
		p.waiting(2, 10)
		r.ends(nil)
		p.returned(a, nil)
		r = p.runs("c")
		r.ends(nil)
		p.returned(c, nil)
		r = p.runs("d")
		// What exceeds the bound all by itself may wait, but nothing behind it.
		e := p.do(p.Context(), "k", 1<<62, "e")
		p.returned(p.do(p.Context(), "k", 1, "behind"), ErrQueueFull)
		p.returned(p.do(p.Context(), "k", 1<<62, "overflow"), ErrQueueFull)
		r.ends(nil)
		p.returned(d, nil)
		p.runs("e").ends(nil)
		p.returned(e, nil)
	})
}

func TestClose(t *testing.T) {
	drive(t, 1, Options{MaxRows: 2}, func(p *puppet) {
		a := p.do(p.Context(), "k", 1, "a")
		r := p.runs("a")
		b, c := p.do(p.Context(), "k", 2, "b"), p.do(p.Context(), "k", 1, "c")
		closed := make(chan error, 2)
		for range cap(closed) {
			go func() { closed <- p.Close(p.Context()) }()
		}
		synctest.Wait()
		p.returned(p.do(p.Context(), "k", 1, "d"), ErrClosed)
		p.tells("batcher closed after 0s")
		r.ends(nil)
		p.returned(a, nil)
		p.runs("b").ends(nil)
		p.returned(b, nil)
		r = p.runs("c")
		hasty, cancel := context.WithTimeout(p.Context(), time.Millisecond)
		defer cancel()
		if err := p.Close(hasty); !errors.Is(err, context.DeadlineExceeded) {
			p.Errorf("Close of a busy Batcher returned %v, expected %v", err, context.DeadlineExceeded)
		}
		if len(closed) != 0 {
			p.Error("Close has not waited")
		}
		r.ends(nil)
		p.returned(c, nil)
		for range cap(closed) {
			if err := <-closed; err != nil {
				p.Errorf("Close: %v", err)
			}
		}
		p.returned(p.do(p.Context(), "k", 1, "e"), ErrClosed)
	})
}

func TestArguments(t *testing.T) {
	for _, test := range []struct {
		slots int
		Options
		want string
	}{
		{0, Options{}, "slots: expected at least 1, got 0"},
		{1, Options{MaxRows: -1}, "MaxRows: expected at least 0, got -1"},
		{1, Options{Delay: -5}, "Delay: expected at least 0, got -5"},
		{1, Options{QueueItems: -2}, "QueueItems: expected at least 0, got -2"},
		{1, Options{QueueRows: -3}, "QueueRows: expected at least 0, got -3"},
		{1, Options{PriorityLevels: -1}, "PriorityLevels: expected at least 0, got -1"},
		{1, Options{PriorityLevels: 65}, "PriorityLevels: expected at most 64, got 65"},
		{1, Options{DefaultPriority: -1}, "DefaultPriority: expected at least 0, got -1"},
		{1, Options{DefaultPriority: 2}, "DefaultPriority: expected at most the 1 of PriorityLevels, got 2"},
		{1, Options{Alone: true, Delay: 1}, "Delay: expected 0, for items run alone, got 1ns"},
	} {
		if _, err := New[string](test.slots, func([]string) error { return nil }, test.Options); err == nil || err.Error() != test.want {
			t.Errorf("New: %v, expected %q", err, test.want)
		}
	}
	b, err := New[string](1, func([]string) error { return nil }, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range []int{0, -1} {
		if err, want := b.Do(t.Context(), "k", rows, "a"), fmt.Sprintf("rows: expected at least 1, got %d", rows); err == nil || err.Error() != want {
			t.Errorf("Do: %v, expected %q", err, want)
		}
	}
}

func TestDoAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for name, o := range map[string]Options{"unobserved": {}, "observed": {Ran: func(Run) {}, Rejected: func(error, time.Duration) {}}} {
		b, err := New[string](2, func(items []*int) error { *items[0]++; return nil }, o)
		if err != nil {
			t.Fatal(err)
		}
		n := new(int)
		if got := testing.AllocsPerRun(100, func() {
			if err := b.Do(ctx, "k", 1, n); err != nil {
				t.Error(err)
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations, expected none", name, got)
		}
	}
}
