package batch

import (
	"cmp"
	"fmt"
	"time"
)

// What fields of Options mean that are 0.
const (
	MaxRowsDefault    = 128
	QueueItemsDefault = 1024
	QueueRowsDefault  = 8192
)

// PriorityLevelsMax is the most levels of priority.
const PriorityLevelsMax = 64

// Options are the limits of a Batcher, and who is told what it does.
type Options struct {
	// MaxRows is the most rows in a batch; 0 means MaxRowsDefault. An item that has more runs alone.
	MaxRows int
	// Alone has every item run alone, so that what comes of it depends on nothing that others ask: the
	// sums of a model may differ in their last bits with the rows of a batch.
	Alone bool
	// Delay is how long an item waits for others although a slot is free, unless a batch is full
	// before; 0 means not at all. With Alone it must be 0.
	Delay time.Duration
	// QueueItems is the most items that may wait; 0 means QueueItemsDefault.
	QueueItems int
	// QueueRows is the most rows that may wait; 0 means QueueRowsDefault. An item that has more than
	// that may wait while no other does.
	QueueRows int
	// PriorityLevels is how many levels of priority there are, 1 the highest; 0 means one, and the most
	// is PriorityLevelsMax. What waits runs by level, and within a level first come first; but where
	// OvertakesMax batches in a row have overtaken the item that has waited longest, it leads the next.
	PriorityLevels int
	// DefaultPriority is the level of items that name none, or one that does not exist; 0 means the
	// lowest: who asks for nothing goes before nobody.
	DefaultPriority int

	// Ran is told of every run, after it and before any of its callers returns; the slot is held
	// meanwhile. Rejected is told of every item that Do gives back without having run it, why
	// (ErrQueueFull, a *DeadlineError, ErrClosed, context.Canceled or context.DeadlineExceeded) and how
	// long it had waited. Both are called by many goroutines at once and without locks held. nil costs
	// nothing, not even a look at the clock; without Ran no run is timed, so no deadline is known to
	// be unmeetable.
	Ran      func(Run)
	Rejected func(reason error, waited time.Duration)
}

// Run is one call of the run function.
type Run struct {
	Items, Rows int
	// Parts is how many of the items are parts that others follow, see Part.After.
	Parts int
	// Waited is how long each item waited for the run to begin. It is valid during the call only.
	Waited  []time.Duration
	Began   time.Time
	Took    time.Duration
	Release Release
	Err     error
}

// Release is why a batch was run when it was and as it was.
type Release uint8

// The reasons to run a batch.
const (
	// FreeSlot: there was a slot for it, and nothing else was waiting that could have come along.
	FreeSlot Release = iota
	// RowCap: it was full, or had no room for the next item.
	RowCap
	// DelayElapsed: its first item had waited for Options.Delay.
	DelayElapsed
	// Retry: it is one item of a batch that failed.
	Retry
)

// String returns the reason as metrics name it.
func (r Release) String() string {
	return [...]string{"free_slot", "row_cap", "delay_elapsed", "retry"}[r]
}

// withDefaults checks the options of a Batcher of that many slots, and puts defaults where fields are 0.
func (o Options) withDefaults(slots int) (Options, error) {
	for _, f := range [...]struct {
		name       string
		got, least int64
	}{
		{"slots", int64(slots), 1},
		{"MaxRows", int64(o.MaxRows), 0},
		{"Delay", int64(o.Delay), 0},
		{"QueueItems", int64(o.QueueItems), 0},
		{"QueueRows", int64(o.QueueRows), 0},
		{"PriorityLevels", int64(o.PriorityLevels), 0},
		{"DefaultPriority", int64(o.DefaultPriority), 0},
	} {
		if f.got < f.least {
			return o, fmt.Errorf("%s: expected at least %d, got %d", f.name, f.least, f.got)
		}
	}
	o.PriorityLevels = max(o.PriorityLevels, 1)
	switch {
	case o.PriorityLevels > PriorityLevelsMax:
		return o, fmt.Errorf("PriorityLevels: expected at most %d, got %d", PriorityLevelsMax, o.PriorityLevels)
	case o.DefaultPriority > o.PriorityLevels:
		return o, fmt.Errorf("DefaultPriority: expected at most the %d of PriorityLevels, got %d", o.PriorityLevels, o.DefaultPriority)
	case o.Alone && o.Delay > 0:
		return o, fmt.Errorf("%s: expected 0, for items run alone, got %v", "Delay", o.Delay)
	}
	o.DefaultPriority = cmp.Or(o.DefaultPriority, o.PriorityLevels)
	o.MaxRows = cmp.Or(o.MaxRows, MaxRowsDefault)
	o.QueueItems = cmp.Or(o.QueueItems, QueueItemsDefault)
	o.QueueRows = cmp.Or(o.QueueRows, QueueRowsDefault)
	return o, nil
}
