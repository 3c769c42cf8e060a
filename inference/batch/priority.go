package batch

// OvertakesMax is how many batches in a row may overtake the item that has waited longest, on behalf
// of higher priorities. So each level has at least one batch in OvertakesMax+1, while its items are
// the oldest, and an item waits for no more than that many batches for each that came before it.
const OvertakesMax = 7

// level is what waits of one priority: a stretch of Batcher.waiting, where levels follow one another.
type level[K comparable, T any] struct {
	last        *call[K, T] // nil: nothing
	items, rows int
}

// level returns the place in b.levels of a priority, where 1 is the highest. As in Triton, 0 and what
// does not exist stand for the default.
func (b *Batcher[K, T]) level(priority uint32) int {
	if priority == 0 || uint64(priority) > uint64(len(b.levels)) {
		return b.options.DefaultPriority - 1
	}
	return int(priority) - 1
}

// insert has c wait behind all others of its level, or before them. Requires b.mu.
func (b *Batcher[K, T]) insert(c *call[K, T], before bool) {
	above := c.level
	if before {
		above--
	}
	for above >= 0 && b.levels[above].last == nil {
		above--
	}
	next := b.waiting.head
	if above >= 0 {
		next = b.levels[above].last.next
	}
	b.waiting.insert(c, next)
	l := &b.levels[c.level]
	if !before || l.last == nil {
		l.last = c
	}
	l.items++
	l.rows += c.rows
	b.after += c.after
	c.queued = true
}

// dequeue takes c out of the waiting. Requires b.mu.
func (b *Batcher[K, T]) dequeue(c *call[K, T]) {
	l := &b.levels[c.level]
	l.items--
	l.rows -= c.rows
	b.after -= c.after
	if l.last == c {
		l.last = c.prev
		if l.items == 0 {
			l.last = nil
		}
	}
	c.queued = false
	b.waiting.remove(c)
}

// next returns the call that leads the next batch: the first of those that need not wait for others
// any longer, or the one that has waited longest where it has been overtaken too often. nil: there is
// none. Requires b.mu.
func (b *Batcher[K, T]) next() *call[K, T] {
	var first, oldest *call[K, T]
	for c := b.waiting.head; c != nil; {
		if !c.due && !b.closed {
			c = c.next
			continue
		}
		if first == nil {
			first, oldest = c, c
		} else if c.turn < oldest.turn {
			oldest = c
		}
		c = b.levels[c.level].last.next // the next level
	}
	switch {
	case first == oldest:
		b.overtaken = 0
	case b.overtaken < OvertakesMax:
		b.overtaken++
	default:
		b.overtaken = 0
		return oldest
	}
	return first
}
