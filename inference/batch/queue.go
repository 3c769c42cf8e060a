package batch

import (
	"context"
	"time"
)

// call is an item on its way. Its goroutine owns it; while it is in a batch of another call, that
// one's goroutine does, until it sends on ready.
type call[K comparable, T any] struct {
	ctx   context.Context
	key   K
	rows  int
	item  T
	since time.Time // when it came; zero unless somebody is told

	level int // its priority, 0 the highest
	after int // rows of the parts that follow this one

	// ready has room for the one message that says: slot is set, lead; or else err is, return.
	ready chan struct{}
	slot  *slot[T]
	batch queue[K, T] // where slot is set: this call, and those to be run with it
	err   error

	// Guarded by mu, also while the call is in a batch.
	release Release // why it is run, as far as that is known; with Retry it runs alone
	due     bool    // it need not wait for others any longer
	queued  bool    // it is in Batcher.waiting
	left    bool    // its ctx ended while it was in a batch
	turn    uint64  // how many had come to wait before it did

	prev, next *call[K, T] // in the queue that it is in
}

// queue is a list of calls, first come first.
type queue[K comparable, T any] struct {
	head, tail  *call[K, T]
	items, rows int
}

// insert puts c before next, at the end if that is nil.
func (q *queue[K, T]) insert(c, next *call[K, T]) {
	c.next, c.prev = next, q.tail
	if next != nil {
		c.prev = next.prev
	}
	q.link(c.prev, c)
	q.link(c, next)
	q.items++
	q.rows += c.rows
}

func (q *queue[K, T]) remove(c *call[K, T]) {
	q.link(c.prev, c.next)
	c.prev, c.next = nil, nil
	q.items--
	q.rows -= c.rows
}

// link makes next follow prev; nil stands for the end.
func (q *queue[K, T]) link(prev, next *call[K, T]) {
	if prev == nil {
		q.head = next
	} else {
		prev.next = next
	}
	if next == nil {
		q.tail = prev
	} else {
		next.prev = prev
	}
}

// answer ends the wait of a call that was in another one's batch. It belongs to its goroutine again.
func (c *call[K, T]) answer(err error) {
	c.err = err
	c.ready <- struct{}{}
}

// full tells whether that many rows, and after more that are to follow them, may not wait. Requires b.mu.
func (b *Batcher[K, T]) full(rows, after int) bool {
	q := &b.waiting
	room := b.options.QueueRows - q.rows - b.after
	return q.items >= b.options.QueueItems || q.items > 0 && (rows > room || after > room-rows)
}

// enqueue has c wait behind all others of its level. Requires b.mu.
func (b *Batcher[K, T]) enqueue(c *call[K, T]) {
	c.due = b.options.Delay == 0
	c.turn = b.arrived
	b.arrived++
	b.insert(c, false)
	if !c.due {
		b.fill(c.key)
		b.dispatch()
	}
}

// requeue has those in c's batch wait again, before all others of their level and in their order; c itself stays.
// If they are to be retried, each of them runs alone from now on, and so does c.
func (b *Batcher[K, T]) requeue(c *call[K, T], retry bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := c.batch.tail; w != c; w = c.batch.tail {
		c.batch.remove(w)
		if w.left {
			w.answer(errLeft) // it no longer looks at its ctx
			continue
		}
		if retry {
			w.release, w.due = Retry, true
		}
		b.insert(w, true)
	}
	if retry {
		c.release = Retry
	}
	b.fill(c.key)
	b.dispatch() // other slots may be free
}

// leave takes c out of the waiting, or returns false if it is in a batch already.
func (b *Batcher[K, T]) leave(c *call[K, T]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !c.queued {
		c.left = true
		return false
	}
	b.dequeue(c)
	return true
}

// elapse notes that c has waited for others long enough.
func (b *Batcher[K, T]) elapse(c *call[K, T]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.due {
		return
	}
	c.due, c.release = true, DelayElapsed
	if c.queued {
		b.dispatch()
	}
}

// fill makes the first waiting call of that key due if those of the key fill a batch. Requires b.mu.
func (b *Batcher[K, T]) fill(key K) {
	if b.options.Delay == 0 {
		return // all are due
	}
	var first *call[K, T]
	rows := 0
	for c := b.waiting.head; c != nil && rows < b.options.MaxRows; c = c.next {
		if c.key != key || c.release == Retry {
			continue
		}
		if first == nil {
			first = c
		}
		rows += min(c.rows, b.options.MaxRows-rows)
	}
	if rows >= b.options.MaxRows {
		first.due = true
	}
}

// cut makes a batch of c and of those that wait and may run with it, by level and then first come
// first, until it is full or one of c's key does not fit. Requires b.mu.
func (b *Batcher[K, T]) cut(c *call[K, T]) {
	c.batch.insert(c, nil)
	if c.release == Retry || b.options.Alone {
		return
	}
	for w := b.waiting.head; w != nil && c.batch.rows < b.options.MaxRows; {
		next := w.next
		if w.key == c.key && w.release != Retry {
			if w.rows > b.options.MaxRows-c.batch.rows {
				c.release = RowCap
				return
			}
			b.dequeue(w)
			c.batch.insert(w, nil)
		}
		w = next
	}
	if c.batch.rows >= b.options.MaxRows {
		c.release = RowCap
	}
}
