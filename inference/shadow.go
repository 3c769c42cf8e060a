package inference

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// shadowQueueMax is how many copies wait for the shadow at most; more are dropped and counted.
	shadowQueueMax = 256
	// shadowBytesMax is how large a request may be of which a copy is made.
	shadowBytesMax = 1 << 20
	// shadowTimeout is how long one copy may take.
	shadowTimeout = 5 * time.Second
)

// shadows gives copies of requests to versions that nobody waits for: one at a time, so that they
// take no more than one of a model's sessions and one processor from those whose answers count.
type shadows struct {
	queue   chan shadowed
	dropped atomic.Uint64
	start   sync.Once
	stop    context.CancelFunc // set by start
	done    chan struct{}
}

// shadowed is a copy of a request, and a hold on the version that is to answer it.
type shadowed struct {
	v      *version
	inputs []Tensor
}

func newShadows() *shadows {
	return &shadows{queue: make(chan shadowed, shadowQueueMax), done: make(chan struct{})}
}

// Mirror gives a copy of a request that named no version to the model's shadow, if its route has one.
// It waits for nothing, and keeps nothing of inputs.
func (r *Registry) Mirror(model string, inputs []Tensor) {
	m := r.table.Load().models[model]
	if m == nil || m.shadow == nil || !m.shadow.hold() {
		return
	}
	if !r.shadows.offer(shadowed{m.shadow, inputs}) {
		m.shadow.release()
	}
}

// ShadowsDropped returns how many copies no shadow got, since the queue was full or they were large.
func (r *Registry) ShadowsDropped() uint64 { return r.shadows.dropped.Load() }

func (s *shadows) offer(request shadowed) bool {
	size := 0
	for i := range request.inputs {
		size += len(request.inputs[i].Data)
	}
	if len(s.queue) == cap(s.queue) || size > shadowBytesMax { // before a copy is made of it
		s.dropped.Add(1)
		return false
	}
	copied := make([]Tensor, len(request.inputs))
	for i, in := range request.inputs {
		in.Shape = append([]int64(nil), in.Shape...)
		in.Data = append([]byte(nil), in.Data...)
		copied[i] = in
	}
	request.inputs = copied
	select {
	case s.queue <- request:
		return true
	default:
		s.dropped.Add(1)
		return false
	}
}

// run answers copies until close. Whether a version can answer shows in its own statistics.
func (s *shadows) run(ctx context.Context) {
	defer close(s.done)
	for {
		select {
		case <-ctx.Done():
			return
		case request := <-s.queue:
			outputs := make([]Tensor, len(request.v.model.Outputs()))
			for i, spec := range request.v.model.Outputs() {
				outputs[i].Name = spec.Name
			}
			running, cancel := context.WithTimeout(ctx, shadowTimeout)
			// Its Observer is told how it went; nobody else asked.
			_ = request.v.model.Run(running, request.inputs, outputs)
			cancel()
			request.v.release()
		}
	}
}

// begin starts run, once.
func (s *shadows) begin() {
	s.start.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		s.stop = cancel
		go s.run(ctx)
	})
}

// close ends run and lets go of what still waits. No version is a shadow any more by then.
func (s *shadows) close() {
	s.start.Do(func() { close(s.done) }) // so that it never begins
	if s.stop != nil {
		s.stop()
	}
	<-s.done
	for {
		select {
		case request := <-s.queue:
			request.v.release()
		default:
			return
		}
	}
}
