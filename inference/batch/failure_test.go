package batch

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
)

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
			"context canceled after 0s", "1 items 1 rows [0s] retry <nil>", "context canceled after 0s",
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
