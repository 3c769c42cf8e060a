package inference

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// shadowQueueMax is how many copies wait for the shadows at most, and shadowBytesMax how much
	// memory these take; more are dropped and counted.
	shadowQueueMax = 1024
	shadowBytesMax = 16 << 20
	// shadowCopyMax is how large a request may be of which a copy is made.
	shadowCopyMax = 1 << 20
	// shadowGather is how long a copy waits for others, unless half as many as may wait do. Each time
	// that somebody is woken for a shadow, somebody else's answer waits for a processor.
	shadowGather = 10 * time.Millisecond
	// shadowTimeout is how long one run may take.
	shadowTimeout = 5 * time.Second
)

// shadows gives copies of requests to versions that nobody waits for: gathered, and in one run at a
// time, so that they take no more than one of a model's sessions and one processor from those whose
// answers count.
type shadows struct {
	queue   chan *shadowed
	bytes   atomic.Int64  // of what waits
	half    chan struct{} // holds a token where half of the queue is full
	spare   sync.Pool     // of *shadowed
	dropped atomic.Uint64
	start   sync.Once
	stop    context.CancelFunc // set by start
	done    chan struct{}
}

// shadowed is a copy of a request, and a hold on the version that is to answer it.
type shadowed struct {
	v       *version
	request request
	size    int64 // bytes of its inputs
}

func newShadows() *shadows {
	return &shadows{
		queue: make(chan *shadowed, shadowQueueMax), half: make(chan struct{}, 1), done: make(chan struct{}),
		spare: sync.Pool{New: func() any { return new(shadowed) }},
	}
}

// Mirror gives a copy of a request that named no version to the model's shadow, if its route has one.
// It waits for nothing, and keeps nothing of inputs.
func (r *Registry) Mirror(model string, inputs []Tensor) {
	m := r.table.Load().models[model]
	if m == nil || m.shadow == nil || !m.shadow.hold() {
		return
	}
	if !r.shadows.offer(m.shadow, inputs) {
		r.shadows.dropped.Add(1)
		m.shadow.release()
	}
}

// ShadowsDropped returns how many copies no shadow got, since the queue was full or they were large.
func (r *Registry) ShadowsDropped() uint64 { return r.shadows.dropped.Load() }

func (s *shadows) offer(v *version, inputs []Tensor) bool {
	size := int64(0)
	for i := range inputs {
		size += int64(len(inputs[i].Data))
	}
	if len(s.queue) == cap(s.queue) || size > shadowCopyMax || s.bytes.Load()+size > shadowBytesMax { // before a copy is made of it
		return false
	}
	c := s.spare.Get().(*shadowed)
	c.v, c.size = v, size
	c.request.inputs = resize(c.request.inputs, len(inputs))
	for i := range inputs {
		in, to := &inputs[i], &c.request.inputs[i]
		to.Name, to.Type = in.Name, in.Type
		to.Shape = append(to.Shape[:0], in.Shape...)
		to.Data = append(to.Data[:0], in.Data...)
	}
	s.bytes.Add(size)
	select {
	case s.queue <- c:
	default:
		s.recycle(c)
		return false
	}
	if len(s.queue) == cap(s.queue)/2 {
		select {
		case s.half <- struct{}{}:
		default:
		}
	}
	return true
}

// recycle keeps the memory of a copy that waits no longer.
func (s *shadows) recycle(c *shadowed) {
	s.bytes.Add(-c.size)
	c.v = nil
	s.spare.Put(c)
}

// run answers copies until close. Whether a version can answer shows in its own statistics.
func (s *shadows) run(ctx context.Context) {
	defer close(s.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var gathered []*shadowed
	var m merge
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case first := <-s.queue:
			gathered = append(gathered[:0], first)
		}
		timer.Reset(shadowGather)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.half:
		}
		for range len(s.queue) {
			gathered = append(gathered, <-s.queue)
		}
		for rest := gathered; len(rest) > 0; {
			n := s.alike(rest)
			s.answer(ctx, &m, rest[:n])
			rest = rest[n:]
		}
	}
}

// alike returns how many copies, from the first on, one run can answer.
func (s *shadows) alike(all []*shadowed) int {
	for i, c := range all {
		c.request.outputs = resize(c.request.outputs, len(c.v.model.Outputs()))
		for j, spec := range c.v.model.Outputs() {
			c.request.outputs[j].Name = spec.Name
		}
		rows, err := c.v.model.check(c.request.inputs)
		c.request.rows = rows
		if i == 0 && (err != nil || c.v.model.alone || !c.v.model.rowwise.Load()) {
			return 1
		}
		if err != nil || c.v != all[0].v || c.v.model.key(&c.request) != c.v.model.key(&all[0].request) {
			return i
		}
	}
	return len(all)
}

// answer runs copies together, or one by one where that fails.
func (s *shadows) answer(ctx context.Context, m *merge, all []*shadowed) {
	v := all[0].v
	run := func(inputs, outputs []Tensor) error {
		running, cancel := context.WithTimeout(ctx, shadowTimeout)
		defer cancel()
		return v.model.Run(running, inputs, outputs)
	}
	together := false
	if len(all) > 1 {
		requests := make([]*request, len(all))
		for i, c := range all {
			requests[i] = &c.request
		}
		m.join(v.model.Inputs(), requests)
		together = run(m.inputs, m.outputs) == nil
	}
	for _, c := range all {
		if !together {
			// Its Observer is told how it went; nobody else asked.
			_ = run(c.request.inputs, c.request.outputs)
		}
		v.release()
		s.recycle(c)
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
		case c := <-s.queue:
			c.v.release()
		default:
			return
		}
	}
}
