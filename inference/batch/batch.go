// Package batch lets concurrent callers share runs of something that does several items at once for
// little more than one, such as a model. It knows nothing of what is run.
//
// There are as many slots as runs may proceed at once. A caller who finds a slot free runs its item
// there and then. While all slots are busy items gather, and whoever gives a slot up hands it to the
// caller of the highest priority who has waited longest, with as many of the others' items as fit. So
// batches grow with the load, nobody waits for company while a slot is idle, every run is on the
// goroutine of a caller whose own item is in it, and no goroutine is ever started. Nobody is kept by
// the others' items once the run with its own has ended, and nobody is overtaken for ever.
package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Errors of Do, besides those of its context and of the run function. The item was not run.
var (
	// ErrQueueFull: all slots are busy, and as much is waiting as may wait.
	ErrQueueFull = errors.New("queue full")
	// ErrDeadlineUnmeetable: all slots are busy, and so much is waiting that the item's turn would come
	// after its deadline. For somebody in such haste the queue is full: it is an ErrQueueFull too. The
	// error returned is a *DeadlineError.
	ErrDeadlineUnmeetable = fmt.Errorf("%w for that deadline", ErrQueueFull)
	// ErrClosed: the Batcher no longer accepts items.
	ErrClosed = errors.New("batcher closed")
)

// Batcher runs items of type T, and in one batch only such as have equal keys. It is safe for
// concurrent use.
type Batcher[K comparable, T any] struct {
	run     func(items []T) error
	options Options
	calls   sync.Pool     // of *call[K, T]
	drained chan struct{} // closed when the Batcher is closed and all slots are free

	// mu guards what follows, and in every call what says so. It is held for a few instructions, and
	// never while anything is run or told or might block.
	mu      sync.Mutex
	free    []*slot[T] // taken from its end; its capacity is the number of slots
	waiting queue[K, T]
	levels  []level[K, T] // of what waits, highest first
	after   int           // rows that are to follow what waits
	arrived uint64        // items that have ever waited
	// overtaken is how many batches in a row were not led by the call that had waited longest.
	overtaken int
	pace      pace
	closed    bool
}

// New returns a Batcher that calls run, at most slots times at once, with one item or with several
// of one key that make up at most Options.MaxRows rows. The slice is valid during the call only. If
// a run of several items fails or panics they are run again one by one, so run must be harmless to
// repeat.
func New[K comparable, T any](slots int, run func(items []T) error, o Options) (*Batcher[K, T], error) {
	o, err := o.withDefaults(slots)
	if err != nil {
		return nil, err
	}
	b := &Batcher[K, T]{
		run: run, options: o, drained: make(chan struct{}),
		free: make([]*slot[T], slots), levels: make([]level[K, T], o.PriorityLevels),
	}
	for i := range b.free {
		b.free[i] = new(slot[T])
	}
	b.calls.New = func() any { return &call[K, T]{ready: make(chan struct{}, 1)} }
	return b, nil
}

// Do runs item, which has that many rows, alone or with others of that key, and returns the error of
// its run. The run function may use item, and what it points to, until Do returns and no longer.
//
// While item waits for a slot, Do returns as soon as ctx ends, with ctx's error, and item is not
// run; only if it was in a batch that failed has the run function seen it. Once a run of it has
// begun, Do waits for the end, whatever becomes of ctx: its memory is in use.
func (b *Batcher[K, T]) Do(ctx context.Context, key K, rows int, item T) error {
	return b.DoPart(ctx, 0, Part{}, key, rows, item)
}

// Part is the place of an item that is a part of something larger, in rows of the same caller's that
// were run Before it and are to be run After it. What is no part has neither.
//
// Who has more rows than a batch may have brings them part by part, and each part waits its turn
// behind those that have come meanwhile. The whole is accepted or not, as one item: its first part is
// rejected where there is no room for all of it, and later ones find no queue full.
type Part struct{ Before, After int }

// DoPart is Do for an item of that priority, see Options.PriorityLevels, and for a part.
func (b *Batcher[K, T]) DoPart(ctx context.Context, priority uint32, part Part, key K, rows int, item T) error {
	if rows < 1 {
		return fmt.Errorf("rows: expected at least 1, got %d", rows)
	}
	if err := ctx.Err(); err != nil {
		return b.reject(err, time.Time{})
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return b.reject(ErrClosed, time.Time{})
	}
	idle := len(b.free) == cap(b.free)
	if idle && b.options.Delay == 0 {
		s := b.take()
		b.mu.Unlock()
		return b.runAlone(s, part, rows, item)
	}
	return b.join(ctx, priority, part, key, rows, item)
}

// join has an item gather with others, unless there is no room for it. Requires b.mu, and releases it.
func (b *Batcher[K, T]) join(ctx context.Context, priority uint32, part Part, key K, rows int, item T) error {
	level := b.level(priority)
	if part.Before == 0 {
		if b.full(rows, part.After) {
			b.mu.Unlock()
			return b.reject(ErrQueueFull, time.Time{})
		}
		if late := b.late(ctx, level, rows); late != nil {
			b.mu.Unlock()
			return b.reject(late, time.Time{})
		}
	}
	c := b.calls.Get().(*call[K, T])
	c.ctx, c.key, c.rows, c.item, c.level, c.after = ctx, key, rows, item, level, part.After
	if b.options.Ran != nil || b.options.Rejected != nil {
		c.since = time.Now()
	}
	if len(b.free) > 0 && b.options.Delay == 0 {
		// Others are running. Where they have all CPUs, callers who would be waiting have not come
		// to it yet: whoever is ready to run is let past once, and then taken along.
		c.slot = b.take()
		b.mu.Unlock()
		runtime.Gosched()
		b.mu.Lock()
		b.cut(c)
		b.mu.Unlock()
		return b.done(c, b.lead(c))
	}
	b.enqueue(c)
	b.mu.Unlock()
	return b.done(c, b.wait(c))
}

// Waiting returns how much is waiting for a slot, parts with the rows that are to follow them.
func (b *Batcher[K, T]) Waiting() (items, rows int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting.items, b.waiting.rows + b.after
}

// Close has every later Do return ErrClosed, and what waits run without further delay. It returns
// when the last run has ended, or with an error when ctx ends before; then runs go on. It may be
// called more than once.
func (b *Batcher[K, T]) Close(ctx context.Context) error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		b.dispatch()
	}
	b.mu.Unlock()
	select {
	case <-b.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("drain batcher: %w", ctx.Err())
	}
}

// wait waits until c has been run by another caller, or its ctx ends, or it gets a slot and runs c
// and its batch.
func (b *Batcher[K, T]) wait(c *call[K, T]) error {
	var delay <-chan time.Time
	if b.options.Delay > 0 {
		t := time.NewTimer(b.options.Delay)
		defer t.Stop()
		delay = t.C
	}
	over := c.ctx.Done()
	for {
		select {
		case <-c.ready:
			if c.slot != nil {
				return b.lead(c)
			}
			if errors.Is(c.err, errLeft) {
				return b.reject(c.ctx.Err(), c.since)
			}
			return c.err
		case <-over:
			if b.leave(c) {
				return b.reject(c.ctx.Err(), c.since)
			}
			over = nil // it is in a batch now: somebody will make it ready
		case <-delay:
			b.elapse(c)
		}
	}
}

// done returns c to the pool, and err as it is.
func (b *Batcher[K, T]) done(c *call[K, T], err error) error {
	ready := c.ready
	*c = call[K, T]{ready: ready}
	b.calls.Put(c)
	return err
}

// reject gives an item back that has waited since then; zero: not at all.
func (b *Batcher[K, T]) reject(reason error, since time.Time) error {
	if b.options.Rejected == nil {
		return reason
	}
	var waited time.Duration
	if !since.IsZero() {
		waited = time.Since(since)
	}
	b.options.Rejected(reason, waited)
	return reason
}
