package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
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

	mu   sync.Mutex
	told []string // what Options.Ran and Options.Rejected were
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
			told := fmt.Sprintf("%d items %d rows %v %v %v", r.Items, r.Rows, r.Waited, r.Release, r.Err)
			if r.Parts > 0 {
				told += fmt.Sprintf(" %d parts", r.Parts)
			}
			p.note(told)
			if ended := r.Began.Add(r.Took); !ended.Equal(time.Now()) {
				t.Errorf("a run from %v for %v is said to end at %v", r.Began, r.Took, time.Now())
			}
		}
		o.Rejected = func(reason error, waited time.Duration) {
			p.note(fmt.Sprintf("%v after %v", reason, waited))
		}
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

func (p *puppet) note(told string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, told)
}

func (p *puppet) run(items []string) error {
	r := &began{items: slices.Clone(items), on: goroutine(), end: make(chan func() error)}
	p.began <- r
	return (<-r.end)()
}

// do calls Do on a goroutine of its own and returns once it waits.
func (p *puppet) do(ctx context.Context, key string, rows int, item string) *outcome {
	p.Helper()
	return p.doPart(ctx, 0, Part{}, key, rows, item)
}

// doPart does as do, by DoPart.
func (p *puppet) doPart(ctx context.Context, priority uint32, part Part, key string, rows int, item string) *outcome {
	p.Helper()
	o := &outcome{err: make(chan error, 1)}
	go func() {
		o.on = goroutine()
		o.err <- p.DoPart(ctx, priority, part, key, rows, item)
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
