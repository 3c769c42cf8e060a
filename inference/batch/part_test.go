package batch

import (
	"context"
	"testing"
	"time"
)

// over returns a context that ends after d.
func over(p *puppet, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(p.Context(), d)
	p.Cleanup(cancel)
	return ctx
}

// inParts brings three parts of four rows, and returns what came of it.
func inParts(ctx context.Context, p *puppet, items ...string) *outcome {
	o := &outcome{err: make(chan error, 1)}
	go func() {
		for i, item := range items {
			if err := p.DoPart(ctx, 0, Part{4 * i, 4 * (len(items) - 1 - i)}, "k", 4, item); err != nil {
				o.err <- err
				return
			}
		}
		o.err <- nil
	}()
	p.runsNothing()
	return o
}

// Who has many rows takes turns with the others, and is told apart from who has few.
func TestPartsTakeTurns(t *testing.T) {
	drive(t, 1, Options{MaxRows: 4}, func(p *puppet) {
		first := p.do(p.Context(), "k", 1, "first")
		r := p.runs("first")
		many := inParts(p.Context(), p, "1/3", "2/3", "3/3")
		a := p.do(p.Context(), "k", 1, "a")
		b := p.do(p.Context(), "k", 4, "b")
		r.ends(nil)
		p.returned(first, nil)
		r = p.runs("1/3")
		p.passes(time.Millisecond)
		r.ends(nil)
		r = p.runs("a") // 2/3 came after it
		r.ends(nil)
		p.returned(a, nil)
		r = p.runs("b")
		c := p.do(p.Context(), "k", 1, "c")
		r.ends(nil)
		p.returned(b, nil)
		p.runs("2/3").ends(nil)
		p.waits(many)
		p.runs("c").ends(nil)
		p.returned(c, nil)
		p.runs("3/3").ends(nil)
		p.returned(many, nil)
		p.tells("1 items 1 rows [0s] free_slot <nil>", "1 items 4 rows [0s] row_cap <nil> 1 parts",
			"1 items 1 rows [1ms] row_cap <nil>", "1 items 4 rows [1ms] row_cap <nil>", "1 items 4 rows [0s] row_cap <nil> 1 parts",
			"1 items 1 rows [0s] free_slot <nil>", "1 items 4 rows [0s] row_cap <nil>")
	})
}

func TestPartsAreRunAtOnceWhereNobodyWaits(t *testing.T) {
	drive(t, 2, Options{MaxRows: 4}, func(p *puppet) {
		o := &outcome{err: make(chan error, 1)}
		go func() { o.err <- p.DoPart(p.Context(), 0, Part{After: 4}, "k", 4, "1/2") }()
		p.runs("1/2").ends(nil)
		p.returned(o, nil)
		p.tells("1 items 4 rows [0s] free_slot <nil> 1 parts")
	})
}

// A request is accepted or not as a whole; it counts as one item.
func TestPartsAndTheBounds(t *testing.T) {
	drive(t, 1, Options{MaxRows: 4, QueueRows: 12}, func(p *puppet) {
		first := p.do(p.Context(), "k", 1, "first")
		r := p.runs("first")
		a := p.do(p.Context(), "k", 1, "a")
		p.returned(p.doPart(p.Context(), 0, Part{After: 8}, "k", 4, "too many rows"), ErrQueueFull)
		many := inParts(p.Context(), p, "1/2", "2/2")
		p.waiting(2, 9)
		p.returned(p.do(p.Context(), "k", 4, "no room for four"), ErrQueueFull)
		r.ends(nil)
		p.returned(first, nil)
		r = p.runs("a")
		r.ends(nil)
		p.returned(a, nil)
		r = p.runs("1/2")
		b, c := p.do(p.Context(), "l", 1, "b"), p.do(p.Context(), "m", 11, "c")
		r.ends(nil)
		r = p.runs("b")
		p.waiting(2, 15) // 2/2 has been let in, though there were rows enough
		p.returned(p.do(p.Context(), "k", 1, "no room"), ErrQueueFull)
		r.ends(nil)
		p.returned(b, nil)
		p.runs("c").ends(nil)
		p.returned(c, nil)
		p.runs("2/2").ends(nil)
		p.returned(many, nil)
	})
}

func TestWhoLeavesBetweenPartsIsNotRun(t *testing.T) {
	drive(t, 1, Options{MaxRows: 4}, func(p *puppet) {
		ctx, cancel := context.WithCancel(p.Context())
		first := p.do(p.Context(), "k", 1, "first")
		r := p.runs("first")
		many := inParts(ctx, p, "1/3", "2/3", "3/3")
		r.ends(nil)
		p.returned(first, nil)
		r = p.runs("1/3")
		cancel()
		p.waits(many)
		r.ends(nil)
		p.returned(many, context.Canceled)
		p.runsNothing()
		p.tells("1 items 1 rows [0s] free_slot <nil>", "1 items 4 rows [0s] row_cap <nil> 1 parts", "context canceled after 0s")
	})
}

func TestAloneNothingIsGathered(t *testing.T) {
	drive(t, 1, Options{MaxRows: 4, Alone: true}, func(p *puppet) {
		first := p.do(p.Context(), "k", 1, "first")
		r := p.runs("first")
		a, b := p.do(p.Context(), "k", 1, "a"), p.do(p.Context(), "k", 1, "b")
		r.ends(nil)
		p.returned(first, nil)
		p.runs("a").ends(nil)
		p.returned(a, nil)
		p.runs("b").ends(nil)
		p.returned(b, nil)
		p.tells("1 items 1 rows [0s] free_slot <nil>", "1 items 1 rows [0s] free_slot <nil>", "1 items 1 rows [0s] free_slot <nil>")
	})
}
