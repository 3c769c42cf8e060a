package batch

import (
	"context"
	"fmt"
	"time"
)

// DeadlineError is an ErrDeadlineUnmeetable.
type DeadlineError struct {
	Wait time.Duration // for a slot, as expected; another try is worth while after that
	Left time.Duration // until the deadline
}

// Error says how the two compare.
func (e *DeadlineError) Error() string {
	return fmt.Sprintf("%v: expected to wait %v, %v are left", ErrDeadlineUnmeetable, e.Wait, e.Left)
}

// Unwrap returns ErrDeadlineUnmeetable.
func (e *DeadlineError) Unwrap() error { return ErrDeadlineUnmeetable }

// pace is how long a run takes, to judge by those before. It is slow to believe that runs take long,
// and quick to believe that they do not: to run what comes too late costs a run, to send somebody away
// who could have been answered costs an answer. No run, however long, adds more than an eighth, and
// a few short ones make good any number of long ones.
type pace time.Duration

// learn takes note of a run.
func (p *pace) learn(took time.Duration) {
	known := time.Duration(*p)
	switch {
	case took <= 0: // it was not timed
	case known == 0:
		*p = pace(took)
	case took < known:
		*p = pace((known + took) / 2)
	default:
		*p = pace(known + (min(took, 2*known)-known+7)/8)
	}
}

// late returns an error if an item's turn is not to be expected before its deadline, or that has passed:
// where there is one, and no slot is free. Requires b.mu.
func (b *Batcher[K, T]) late(ctx context.Context, level, rows int) error {
	if b.pace == 0 || len(b.free) > 0 {
		return nil
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	wait, left := b.expected(level, rows), time.Until(deadline)
	switch {
	case left <= 0: // and ctx says so any moment
		return context.DeadlineExceeded
	case wait <= left:
		return nil
	}
	return &DeadlineError{Wait: wait, Left: left}
}

// expected is how long an item will wait for a slot while all are busy, if those ahead stay. Where it
// errs it is rather too short: the runs under way are taken to end at once, those ahead to fill their
// batches, and lower levels never to have their turn. Requires b.mu.
func (b *Batcher[K, T]) expected(level, rows int) time.Duration {
	items, ahead := 0, 0
	for _, l := range b.levels[:level+1] {
		items += l.items
		ahead += l.rows
	}
	batches := (ahead + min(rows, b.options.MaxRows) - 1) / b.options.MaxRows
	if b.options.Alone {
		batches = items
	}
	return time.Duration(b.pace) * time.Duration(batches) / time.Duration(cap(b.free))
}
