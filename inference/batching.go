package inference

import (
	"cmp"
	"time"

	"footballprediction/inference/batch"
)

// Batching is how requests for a version come to share runs, with the defaults in place of what its
// config.json leaves out.
type Batching struct {
	MaxRows                         int // of a run; 0 where each request is run by itself
	Delay                           time.Duration
	QueueItems                      int
	PriorityLevels, DefaultPriority int // 1 is the highest
}

// Batching returns how requests for the version come to share runs.
func (h Handle) Batching() Batching {
	o := h.v.config.batching()
	levels := max(o.PriorityLevels, 1)
	b := Batching{
		MaxRows: cmp.Or(o.MaxRows, batch.MaxRowsDefault), Delay: o.Delay, QueueItems: cmp.Or(o.QueueItems, batch.QueueItemsDefault),
		PriorityLevels: levels, DefaultPriority: cmp.Or(o.DefaultPriority, levels),
	}
	if h.v.model.alone || !h.v.model.rowwise.Load() {
		b.MaxRows, b.Delay = 0, 0
	}
	return b
}
