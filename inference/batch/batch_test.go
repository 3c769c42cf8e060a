package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// puppet is a Batcher whose runs begin and end when the test says so. Its items are names.
type puppet struct {
	*testing.T
	*Batcher[string, string]
	began chan *began
	told  []string // what Options.Ran and Options.Rejected were
}

// began is a run that has begun.
type began struct {
	items []string
	on    string // the goroutine that runs it
	end   chan func() error
}

// outcome is a Do under way.
type outcome struct {
	on  string
	err chan error
}

// drive runs a test with a puppet, in a bubble: its time passes only where everybody waits.
func drive(t *testing.T, slots int, o Options, test func(p *puppet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &puppet{T: t, began: make(chan *began)}
		o.Ran = func(r Run) {
			p.told = append(p.told, fmt.Sprintf("%d items %d rows %v %v %v", r.Items, r.Rows, r.Waited, r.Release, r.Err))
		}
		o.Rejected = func(reason error) { p.told = append(p.told, reason.Error()) }
		b, err := New[string](slots, p.run, o)
		if err != nil {
			t.Fatal(err)
		}
		p.Batcher = b
		test(p)
		synctest.Wait()
		if items, rows := b.Waiting(); items != 0 || rows != 0 {
			t.Errorf("at the end: %d items, %d rows still wait", items, rows)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func (p *puppet) run(items []string) error {
	r := &began{items: slices.Clone(items), on: goroutine(), end: make(chan func() error)}
	p.began <- r
	return (<-r.end)()
}

// do calls Do on a goroutine of its own and returns once it waits.
func (p *puppet) do(ctx context.Context, key string, rows int, item string) *outcome {
	p.Helper()
	o := &outcome{err: make(chan error, 1)}
	go func() {
		o.on = goroutine()
		o.err <- p.Do(ctx, key, rows, item)
	}()
	synctest.Wait()
	return o
}

// runs expects that a run of just these items has begun.
func (p *puppet) runs(items string) *began {
	p.Helper()
	synctest.Wait()
	select {
	case r := <-p.began:
		if got := strings.Join(r.items, " "); got != items {
			p.Fatalf("runs %q, expected %q", got, items)
		}
		return r
	default:
		p.Fatalf("nothing runs, expected %q", items)
		return nil
	}
}

func (p *puppet) runsNothing() {
	p.Helper()
	synctest.Wait()
	select {
	case r := <-p.began:
		p.Fatalf("runs %q, expected nothing", r.items)
	default:
	}
}

// ends ends the run with that error.
func (r *began) ends(err error) { r.does(func() error { return err }) }

// does ends the run by what f does.
func (r *began) does(f func() error) {
	r.end <- f
	synctest.Wait()
}

// returned expects that Do has returned want.
func (p *puppet) returned(o *outcome, want error) {
	p.Helper()
	synctest.Wait()
	select {
	case err := <-o.err:
		if !errors.Is(err, want) {
			p.Errorf("Do returned %v, expected %v", err, want)
		}
	default:
		p.Errorf("Do has not returned, expected %v", want)
	}
}

func (p *puppet) waits(o *outcome) {
	p.Helper()
	synctest.Wait()
	select {
	case err := <-o.err:
		p.Errorf("Do returned %v, expected it to wait", err)
	default:
	}
}

func (p *puppet) waiting(items, rows int) {
	p.Helper()
	synctest.Wait()
	if i, r := p.Waiting(); i != items || r != rows {
		p.Errorf("%d items, %d rows wait, expected %d, %d", i, r, items, rows)
	}
}

// passes lets d pass.
func (p *puppet) passes(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// tells expects what Ran and Rejected have been told since the last call of tells.
func (p *puppet) tells(want ...string) {
	p.Helper()
	synctest.Wait()
	if !slices.Equal(p.told, want) {
		p.Errorf("told\n\t%s\nexpected\n\t%s", strings.Join(p.told, "\n\t"), strings.Join(want, "\n\t"))
	}
	p.told = nil
}

// goroutine returns the number of the calling goroutine, as stacks show it.
func goroutine() string {
	stack := make([]byte, 64)
	return string(bytes.Fields(stack[:runtime.Stack(stack, false)])[1])
}

// late is a context that has ended, though its Done has not been closed yet: what the Batcher sees
// when its timer is late, or its goroutine has not been woken so far.
type late struct {
	context.Context
	err  atomic.Pointer[error]
	gate chan struct{} // if not nil, Err waits for it to be closed
}

func (l *late) end(err error) { l.err.Store(&err) }

func (l *late) Err() error {
	if l.gate != nil {
		<-l.gate
	}
	if err := l.err.Load(); err != nil {
		return *err
	}
	return nil
}

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
		p.tells("context canceled", "context canceled")

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
		p.tells("1 items 1 rows [0s] free_slot <nil>", "context deadline exceeded", "context canceled",
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
		p.tells("queue full", "queue full")
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

func TestABadItemFailsAlone(t *testing.T) {
	bad := errors.New("bad")
	drive(t, 1, Options{}, func(p *puppet) {
		first := p.do(p.Context(), "k", 1, "first")
		r := p.runs("first")
		leaving, leave := context.WithCancel(p.Context())
		ending, end := context.WithCancel(p.Context())
		a, b := p.do(p.Context(), "k", 1, "a"), p.do(p.Context(), "k", 2, "b")
		c, d := p.do(leaving, "k", 3, "c"), p.do(ending, "k", 4, "d")
		e := p.do(p.Context(), "k", 5, "e")
		r.ends(nil)
		p.returned(first, nil)
		r = p.runs("a b c d e")
		f := p.do(p.Context(), "k", 6, "f")
		end()
		p.waits(d) // its memory is in use
		r.ends(bad)
		p.returned(d, context.Canceled) // now it is not, and need not be again
		r = p.runs("a")
		p.waiting(4, 16)
		r.ends(nil)
		p.returned(a, nil)
		r = p.runs("b")
		leave()
		p.returned(c, context.Canceled)
		r.ends(bad)
		p.returned(b, bad)
		p.runs("e").ends(nil)
		p.returned(e, nil)
		p.runs("f").ends(nil)
		p.returned(f, nil)
		p.tells("1 items 1 rows [0s] free_slot <nil>", "5 items 15 rows [0s 0s 0s 0s 0s] free_slot bad",
			"context canceled", "1 items 1 rows [0s] retry <nil>", "context canceled",
			"1 items 2 rows [0s] retry bad", "1 items 5 rows [0s] retry <nil>", "1 items 6 rows [0s] free_slot <nil>")
	})
}

func TestRetriesUseAllSlots(t *testing.T) {
	drive(t, 2, Options{}, func(p *puppet) {
		first, second := p.do(p.Context(), "k", 1, "first"), p.do(p.Context(), "k", 1, "second")
		r1, r2 := p.runs("first"), p.runs("second")
		a, b := p.do(p.Context(), "k", 1, "a"), p.do(p.Context(), "k", 1, "b")
		r1.ends(nil)
		p.returned(first, nil)
		r1 = p.runs("a b")
		r2.ends(nil)
		p.returned(second, nil)
		r1.ends(errors.New("bad"))
		x, y := <-p.began, <-p.began
		if items := slices.Sorted(slices.Values(slices.Concat(x.items, y.items))); !slices.Equal(items, []string{"a", "b"}) {
			p.Errorf("runs %q", items)
		}
		x.ends(nil)
		y.ends(nil)
		p.returned(a, nil)
		p.returned(b, nil)
	})
}

func TestRetriesAreTakenAlongByNobody(t *testing.T) {
	drive(t, 2, Options{}, func(p *puppet) {
		first, second := p.do(p.Context(), "k", 1, "first"), p.do(p.Context(), "k", 1, "second")
		r1, r2 := p.runs("first"), p.runs("second")
		a, b := p.do(p.Context(), "k", 1, "a"), p.do(p.Context(), "k", 1, "b")
		r1.ends(nil)
		p.returned(first, nil)
		r1 = p.runs("a b")
		// c is given the other slot, and d along with it, and leaves after b has come to be retried:
		// then d stands before b.
		leader := &late{Context: p.Context()}
		c, d := p.do(leader, "k", 1, "c"), p.do(p.Context(), "k", 1, "d")
		leader.end(context.Canceled)
		leader.gate = make(chan struct{})
		r2.ends(nil)
		p.returned(second, nil)
		r1.ends(errors.New("bad"))
		r1 = p.runs("a")
		close(leader.gate)
		p.returned(c, context.Canceled)
		p.runs("d").ends(nil)
		p.returned(d, nil)
		p.runs("b").ends(nil)
		p.returned(b, nil)
		r1.ends(nil)
		p.returned(a, nil)
	})
}

func TestPanics(t *testing.T) {
	drive(t, 1, Options{}, func(p *puppet) {
		explode := func() error { panic("boom") }
		panicked := func(o *outcome) {
			p.Helper()
			synctest.Wait()
			var got *PanicError
			if err := <-o.err; !errors.As(err, &got) || err.Error() != "run panicked: boom" ||
				!bytes.Contains(got.Stack, []byte("TestPanics")) {
				p.Errorf("Do returned %v, expected a PanicError with its stack", err)
			}
		}
		first := p.do(p.Context(), "k", 1, "first")
		r := p.runs("first")
		a, b := p.do(p.Context(), "k", 1, "a"), p.do(p.Context(), "k", 1, "b")
		r.does(explode)
		panicked(first)
		p.runs("a b").does(explode)
		p.runs("a").ends(nil)
		p.returned(a, nil)
		p.runs("b").does(explode)
		panicked(b)
	})
}

func TestAGoroutineThatEndsInTheRunLosesNoSlot(t *testing.T) {
	drive(t, 1, Options{}, func(p *puppet) {
		exit := func() error { runtime.Goexit(); return nil }
		first := p.do(p.Context(), "k", 1, "first")
		r := p.runs("first")
		a, b := p.do(p.Context(), "k", 1, "a"), p.do(p.Context(), "k", 1, "b")
		r.does(exit)
		r = p.runs("a b")
		c := p.do(p.Context(), "k", 1, "c")
		r.does(exit)
		p.returned(b, errNoReturn)
		p.runs("c").ends(nil)
		p.returned(c, nil)
		p.waits(first) // it is no more
		p.waits(a)
	})
}

func TestDelay(t *testing.T) {
	drive(t, 2, Options{Delay: 10 * time.Millisecond, MaxRows: 8}, func(p *puppet) {
		// Others may come within the delay, though slots are free.
		a := p.do(p.Context(), "k", 1, "a")
		p.passes(4 * time.Millisecond)
		b := p.do(p.Context(), "k", 1, "b")
		c := p.do(p.Context(), "l", 1, "c") // of another key: its delay is its own
		p.passes(6*time.Millisecond - 1)
		p.runsNothing()
		p.passes(1)
		r := p.runs("a b")
		if r.on != a.on {
			p.Errorf("ran on goroutine %s, expected %s", r.on, a.on)
		}
		r.ends(nil)
		p.returned(a, nil)
		p.returned(b, nil)
		p.runsNothing()
		p.passes(4 * time.Millisecond)
		p.runs("c").ends(nil)
		p.returned(c, nil)
		p.tells("2 items 2 rows [10ms 6ms] delay_elapsed <nil>", "1 items 1 rows [10ms] delay_elapsed <nil>")

		// A full batch does not wait; what it leaves behind waits for others again.
		d, e := p.do(p.Context(), "k", 5, "d"), p.do(p.Context(), "l", 1, "e")
		p.passes(time.Millisecond)
		f := p.do(p.Context(), "k", 4, "f")
		p.runs("d").ends(nil)
		p.returned(d, nil)
		p.runsNothing()
		g := p.do(p.Context(), "k", 4, "g")
		p.runs("f g").ends(nil)
		p.returned(f, nil)
		p.returned(g, nil)
		h := p.do(p.Context(), "k", 9, "h")
		p.runs("h").ends(nil)
		p.returned(h, nil)
		p.passes(9 * time.Millisecond)
		p.runs("e").ends(nil)
		p.returned(e, nil)
		p.tells("1 items 5 rows [1ms] row_cap <nil>", "2 items 8 rows [0s 0s] row_cap <nil>",
			"1 items 9 rows [0s] row_cap <nil>", "1 items 1 rows [10ms] delay_elapsed <nil>")

		// A context may end before.
		ctx, cancel := context.WithTimeout(p.Context(), 5*time.Millisecond)
		defer cancel()
		i := p.do(ctx, "k", 1, "i")
		p.passes(5 * time.Millisecond)
		p.returned(i, context.DeadlineExceeded)
		p.passes(10 * time.Millisecond)
		p.runsNothing()
	})
}

func TestDelayWhileAllSlotsAreBusy(t *testing.T) {
	drive(t, 1, Options{Delay: 10 * time.Millisecond, MaxRows: 4}, func(p *puppet) {
		a := p.do(p.Context(), "k", 1, "a")
		p.passes(10 * time.Millisecond)
		r := p.runs("a")
		b := p.do(p.Context(), "k", 1, "b")
		p.passes(5 * time.Millisecond)
		c := p.do(p.Context(), "l", 1, "c")
		r.ends(nil)
		p.returned(a, nil)
		p.runsNothing() // half of b's delay is left
		p.passes(5 * time.Millisecond)
		r = p.runs("b")
		p.passes(5 * time.Millisecond) // now c need not wait any longer, but for a slot
		d, e := p.do(p.Context(), "k", 2, "d"), p.do(p.Context(), "k", 3, "e")
		f, g := p.do(p.Context(), "k", 1, "f"), p.do(p.Context(), "k", 1, "g")
		r.ends(nil)
		p.returned(b, nil)
		for _, batch := range []struct {
			items string
			of    []*outcome
		}{{"c", []*outcome{c}}, {"d", []*outcome{d}}, {"e f", []*outcome{e, f}}} {
			p.runs(batch.items).ends(nil)
			for _, o := range batch.of {
				p.returned(o, nil)
			}
		}
		p.runsNothing()
		p.passes(10 * time.Millisecond)
		p.runs("g").ends(nil)
		p.returned(g, nil)
		p.tells("1 items 1 rows [10ms] delay_elapsed <nil>", "1 items 1 rows [10ms] delay_elapsed <nil>",
			"1 items 1 rows [10ms] delay_elapsed <nil>", "1 items 2 rows [0s] row_cap <nil>",
			"2 items 4 rows [0s 0s] row_cap <nil>", "1 items 1 rows [10ms] delay_elapsed <nil>")
	})
}

func TestRetriesAreNotDelayed(t *testing.T) {
	drive(t, 1, Options{Delay: 10 * time.Millisecond}, func(p *puppet) {
		a := p.do(p.Context(), "k", 1, "a")
		p.passes(9 * time.Millisecond)
		b := p.do(p.Context(), "k", 1, "b")
		p.passes(time.Millisecond)
		p.runs("a b").ends(errors.New("bad"))
		p.runs("a").ends(nil)
		p.returned(a, nil)
		p.runs("b").ends(nil)
		p.returned(b, nil)
	})
}

func TestDelayOfThoseWhoseLeaderLeft(t *testing.T) {
	drive(t, 1, Options{Delay: 10 * time.Millisecond, MaxRows: 4}, func(p *puppet) {
		leader := &late{Context: p.Context()}
		a := p.do(leader, "k", 1, "a")
		p.passes(4 * time.Millisecond)
		b := p.do(p.Context(), "k", 1, "b")
		leader.end(context.Canceled)
		p.passes(6 * time.Millisecond)
		p.returned(a, context.Canceled)
		p.runsNothing()
		p.passes(4 * time.Millisecond)
		p.runs("b").ends(nil)
		p.returned(b, nil)

		// Those who are left may fill a batch with one for which there was no room.
		leader = &late{Context: p.Context(), gate: make(chan struct{})}
		close(leader.gate)
		c := p.do(leader, "k", 1, "c")
		leader.gate = make(chan struct{})
		d := p.do(p.Context(), "k", 3, "d")
		e := p.do(p.Context(), "k", 1, "e")
		leader.end(context.Canceled)
		close(leader.gate)
		p.returned(c, context.Canceled)
		p.runs("d e").ends(nil)
		p.returned(d, nil)
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
		p.tells("batcher closed")
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

func TestCloseEndsTheDelay(t *testing.T) {
	drive(t, 1, Options{Delay: time.Hour}, func(p *puppet) {
		a, b, c := p.do(p.Context(), "k", 1, "a"), p.do(p.Context(), "k", 1, "b"), p.do(p.Context(), "l", 1, "c")
		p.runsNothing()
		closed := make(chan error, 1)
		go func() { closed <- p.Close(p.Context()) }()
		p.runs("a b").ends(nil)
		p.returned(a, nil)
		p.returned(b, nil)
		p.runs("c").ends(nil)
		p.returned(c, nil)
		if err := <-closed; err != nil {
			p.Errorf("Close: %v", err)
		}
	})
}

func TestWhoIsToldMayPanic(t *testing.T) {
	boom := true
	b, err := New[string](1, func([]string) error { return nil }, Options{Ran: func(Run) {
		if boom {
			panic("boom")
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of Ran was lost")
			}
		}()
		t.Errorf("Do returned %v, expected it to panic", b.Do(t.Context(), "k", 1, "a"))
	}()
	boom = false
	if err := b.Do(t.Context(), "k", 1, "b"); err != nil {
		t.Error(err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
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
	for name, o := range map[string]Options{"unobserved": {}, "observed": {Ran: func(Run) {}, Rejected: func(error) {}}} {
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
