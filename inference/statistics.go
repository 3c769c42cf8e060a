package inference

import (
	"slices"
	"sync"
	"time"
)

// Statistics are what a version has done since it was loaded, golden rows and warm-up apart.
type Statistics struct {
	// Last is when the last successful execution began, zero if there was none.
	Last time.Time
	// Rows are those of the successful runs of the model, which Executions counts.
	Rows, Executions uint64
	// Answered and Failed are requests, with their time from arrival to end. Failed are those that the
	// model failed on and those that were not run: the queue was full, or who asked had left.
	Answered, Failed Tally
	// Waited and Computed are the parts of Answered's time: waiting for a session, and the execution,
	// which each request that shares it counts whole.
	Waited, Computed Tally
	// Copied is the part of Computed's time that went by copying tensors, to and from those of several
	// requests as well as the model's own.
	Copied Copied
	// Batches are the successful executions by their rows, ascending; those of more than
	// BatchRowsMax are left out.
	Batches []BatchTally
}

// BatchRowsMax is the most rows of an execution that Statistics tell apart: what strangers send must
// not fill the memory.
const BatchRowsMax = 1024

// Tally counts events and adds up how long they took.
type Tally struct {
	Count uint64
	Time  time.Duration
}

func (t *Tally) add(d time.Duration) {
	t.Count++
	t.Time += d
}

func (c *Copied) add(more Copied) {
	c.In += more.In
	c.Out += more.Out
}

// BatchTally are the executions of that many rows.
type BatchTally struct {
	Rows int
	Tally
	Copied Copied // the part of their time that went by copying
}

// collector is the Observer that keeps a version's Statistics.
type collector struct {
	mu      sync.Mutex
	totals  Statistics   // without Batches
	batches []BatchTally // by rows, as long as was needed so far
}

// copied is told what a successful execution copied, before Ran is told of it.
func (c *collector) copied(items int, rows int64, copied Copied) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.totals.Copied.add(Copied{time.Duration(items) * copied.In, time.Duration(items) * copied.Out})
	if batch := c.batch(rows); batch != nil {
		batch.Copied.add(copied)
	}
}

// batch returns the tally of executions of that many rows, nil where these are not told apart.
func (c *collector) batch(rows int64) *BatchTally {
	if rows > BatchRowsMax {
		return nil
	}
	for int64(len(c.batches)) <= rows {
		c.batches = append(c.batches, BatchTally{Rows: len(c.batches)})
	}
	return &c.batches[rows]
}

// Ran implements Observer.
func (c *collector) Ran(e Execution) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.totals
	if e.Err != nil {
		if e.Items == 1 { // else each is run again
			s.Failed.add(e.Waited[0] + e.Took)
		}
		return
	}
	s.Last = e.Began
	s.Rows += uint64(e.Rows)
	s.Executions++
	for _, waited := range e.Waited {
		s.Answered.add(waited + e.Took)
		s.Waited.add(waited)
		s.Computed.add(e.Took)
	}
	if parts := uint64(e.Parts); parts > 0 { // the last part counts the request; the time is that of all
		s.Answered.Count -= parts
		s.Waited.Count -= parts
		s.Computed.Count -= parts
	}
	if batch := c.batch(int64(e.Rows)); batch != nil {
		batch.add(e.Took)
	}
}

// Rejected implements Observer.
func (c *collector) Rejected(_ error, waited time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.totals.Failed.add(waited)
}

func (c *collector) statistics() Statistics {
	c.mu.Lock()
	batches := slices.Clone(c.batches)
	s := c.totals
	c.mu.Unlock()
	s.Batches = slices.DeleteFunc(batches, func(b BatchTally) bool { return b.Count == 0 })
	return s
}
