package batch

import (
	"context"
	"errors"
	"testing"
	"time"
)

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
