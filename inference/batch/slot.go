package batch

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// slot is the right to run, with memory for it. Who has taken it, or got it in call.slot, owns it.
type slot[T any] struct {
	items  []T
	waited []time.Duration // of items; zeros unless Options.Ran asks
	parts  int             // of items, that others follow
	took   time.Duration   // of the last run; zero unless Options.Ran asks
}

// PanicError is the error of an item whose run panicked.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // where, as debug.Stack formats it
}

// Error names the value; the stack is for logs.
func (e *PanicError) Error() string { return fmt.Sprintf("run panicked: %v", e.Value) }

// errNoReturn is for the others in a batch whose leader's goroutine ended in the run function, or
// panicked in Options.Ran.
var errNoReturn = errors.New("run did not return")

// errLeft tells a call that it was not run, because its ctx had ended.
var errLeft = errors.New("left")

// take takes a free slot. Requires b.mu.
func (b *Batcher[K, T]) take() *slot[T] {
	last := len(b.free) - 1
	s := b.free[last]
	b.free = b.free[:last]
	return s
}

// give gives s up, to a waiting call if there is one.
func (b *Batcher[K, T]) give(s *slot[T]) {
	b.mu.Lock()
	b.pace.learn(s.took)
	s.took = 0
	b.free = append(b.free, s)
	b.dispatch()
	b.mu.Unlock()
}

// dispatch hands free slots, with batches, to waiting calls. It is the only place that does. Between
// two holders of b.mu no slot is free while a call waits that need not. Requires b.mu.
func (b *Batcher[K, T]) dispatch() {
	for len(b.free) > 0 {
		c := b.next()
		if c == nil {
			break
		}
		b.dequeue(c)
		b.cut(c)
		b.fill(c.key)
		c.slot = b.take()
		c.ready <- struct{}{}
	}
	if b.closed && len(b.free) == cap(b.free) {
		close(b.drained) // no slot will be taken again
	}
}

// runAlone runs an item that found all slots free.
func (b *Batcher[K, T]) runAlone(s *slot[T], part Part, rows int, item T) error {
	defer b.give(s)
	s.parts = min(part.After, 1)
	s.items, s.waited = append(s.items[:0], item), append(s.waited[:0], 0)
	return b.execute(s, rows, FreeSlot, b.now())
}

// lead runs the batch of c on c's slot, gives the slot up, and answers the others.
func (b *Batcher[K, T]) lead(c *call[K, T]) (err error) {
	s, batch := c.slot, &c.batch
	err = errNoReturn
	defer func() {
		b.give(s) // first of all: the next leader need not wait until these have been woken
		for w := batch.head; w != nil; {
			next := w.next
			if w != c {
				w.answer(err)
			}
			w = next
		}
	}()
	for {
		if over := c.ctx.Err(); over != nil {
			b.requeue(c, false)
			return b.reject(over, c.since)
		}
		now := b.load(s, c)
		if err = b.execute(s, batch.rows, c.release, now); err == nil || batch.items == 1 {
			return err
		}
		// One bad item must not fail the others. Each runs alone now: c on this slot at once, the
		// others in their turn on whichever is free, so that none of them is c's burden.
		b.requeue(c, true)
	}
}

// now is the time, or zero where nobody asks for it.
func (b *Batcher[K, T]) now() (now time.Time) {
	if b.options.Ran != nil {
		now = time.Now()
	}
	return now
}

// load puts the items of c's batch into s, and sends those away whose ctx has ended. It returns when
// that was.
func (b *Batcher[K, T]) load(s *slot[T], c *call[K, T]) (now time.Time) {
	now = b.now()
	s.items, s.waited, s.parts = s.items[:0], s.waited[:0], 0
	for w := c.batch.head; w != nil; {
		next := w.next
		if w != c && w.ctx.Err() != nil {
			c.batch.remove(w)
			w.answer(errLeft)
		} else {
			if w.after > 0 {
				s.parts++
			}
			s.items = append(s.items, w.item)
			s.waited = append(s.waited, now.Sub(w.since))
		}
		w = next
	}
	return now
}

// execute runs the items in s.
func (b *Batcher[K, T]) execute(s *slot[T], rows int, release Release, began time.Time) error {
	err := b.recovered(s.items)
	if b.options.Ran != nil {
		s.took = time.Since(began)
		b.options.Ran(Run{
			Items: len(s.items), Rows: rows, Parts: s.parts, Waited: s.waited,
			Began: began, Took: s.took, Release: release, Err: err,
		})
	}
	clear(s.items)
	return err
}

func (b *Batcher[K, T]) recovered(items []T) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return b.run(items)
}
