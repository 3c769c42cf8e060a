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

// shadows is what the shadows of all models share. They run one at a time, so that together they take
// no more than one processor from those whose answers count.
type shadows struct {
	turn    chan struct{}  // holds a token while one of them runs
	running sync.WaitGroup // their goroutines; added to with Registry.mu held, unless that is closed
	spare   sync.Pool      // of *shadowed
}

// shadow gives copies of a model's requests to a version that nobody waits for: gathered, and in one
// run at a time. When a route has another shadow, or none, it ends, and lets go of what waits.
type shadow struct {
	v       *version
	all     *shadows
	queue   chan *shadowed
	bytes   atomic.Int64   // of what waits
	half    chan struct{}  // holds a token where half of the queue is full
	dropped *atomic.Uint64 // of the model
	ctx     context.Context
	end     context.CancelFunc
}

// shadowed is a copy of a request, for which the shadow's version is held.
type shadowed struct {
	request request
	size    int64 // bytes of its inputs
}

func newShadows() *shadows {
	return &shadows{turn: make(chan struct{}, 1), spare: sync.Pool{New: func() any { return new(shadowed) }}}
}

// begin returns a shadow that answers copies until its end.
func (all *shadows) begin(v *version, dropped *atomic.Uint64) *shadow {
	s := &shadow{v: v, all: all, dropped: dropped, queue: make(chan *shadowed, shadowQueueMax), half: make(chan struct{}, 1)}
	s.ctx, s.end = context.WithCancel(context.Background())
	all.running.Go(s.run)
	return s
}

// shadowOf returns the shadow of a model by its route, nil if it has none: the one that it has, unless
// that is of another version. Requires r.mu be held.
func (r *Registry) shadowOf(m *modelRecord, v *version) *shadow {
	if v == nil || r.closed {
		return nil
	}
	if was := r.table.Load().models[m.name]; was != nil && was.shadow != nil && was.shadow.v == v {
		return was.shadow
	}
	return r.shadows.begin(v, &m.shadowsDropped)
}

// endShadows ends those that a table had and the next has not.
func endShadows(was, is *table) {
	for name, m := range was.models {
		if m.shadow != nil && (is.models[name] == nil || is.models[name].shadow != m.shadow) {
			m.shadow.end()
		}
	}
}

// Mirror gives a copy of a request that named no version to the model's shadow, if its route has one.
// It waits for nothing, and keeps nothing of inputs.
func (r *Registry) Mirror(model string, inputs []Tensor) {
	m := r.table.Load().models[model]
	if m == nil || m.shadow == nil || !m.shadow.v.hold() {
		return
	}
	if !m.shadow.offer(inputs) {
		m.shadow.dropped.Add(1)
		m.shadow.v.release()
	}
}

// offer queues a copy, for which the version is held, unless the queue is full or it is large.
func (s *shadow) offer(inputs []Tensor) bool {
	size := int64(0)
	for i := range inputs {
		size += int64(len(inputs[i].Data))
	}
	if len(s.queue) == cap(s.queue) || size > shadowCopyMax || s.bytes.Load()+size > shadowBytesMax { // before a copy is made of it
		return false
	}
	c := s.all.spare.Get().(*shadowed)
	c.size = size
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
	if s.ctx.Err() != nil {
		s.drain() // run may have done so already
		return true
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
func (s *shadow) recycle(c *shadowed) {
	s.bytes.Add(-c.size)
	s.all.spare.Put(c)
}

// drain lets go of what waits.
func (s *shadow) drain() {
	for {
		select {
		case c := <-s.queue:
			s.recycle(c)
			s.v.release()
		default:
			return
		}
	}
}

// run answers copies until the end. Whether the version can answer shows in its own statistics.
func (s *shadow) run() {
	defer s.drain()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var gathered []*shadowed
	var m merge
	for {
		select {
		case <-s.ctx.Done():
			return
		case first := <-s.queue:
			gathered = append(gathered[:0], first)
		}
		timer.Reset(shadowGather)
		select {
		case <-s.ctx.Done():
		case <-timer.C:
		case <-s.half:
		}
		gathered = s.gather(gathered)
		for rest := gathered; len(rest) > 0; {
			n := s.alike(rest)
			s.answer(&m, rest[:n])
			rest = rest[n:]
		}
	}
}

// gather appends what waits. A caller that came late may let go of it at the same time.
func (s *shadow) gather(gathered []*shadowed) []*shadowed {
	for range len(s.queue) {
		select {
		case c := <-s.queue:
			gathered = append(gathered, c)
		default:
		}
	}
	return gathered
}

// alike returns how many copies, from the first on, one run can answer.
func (s *shadow) alike(all []*shadowed) int {
	model := s.v.model
	for i, c := range all {
		c.request.outputs = resize(c.request.outputs, len(model.Outputs()))
		for j, spec := range model.Outputs() {
			c.request.outputs[j].Name = spec.Name
		}
		rows, err := model.check(c.request.inputs)
		c.request.rows = rows
		if i == 0 && (err != nil || model.alone || !model.rowwise.Load()) {
			return 1
		}
		if err != nil || model.key(&c.request) != model.key(&all[0].request) {
			return i
		}
	}
	return len(all)
}

// answer runs copies together, or one by one where that fails, and lets go of them. After the end it
// runs none.
func (s *shadow) answer(m *merge, all []*shadowed) {
	together := false
	if len(all) > 1 && s.ctx.Err() == nil {
		requests := make([]*request, len(all))
		for i, c := range all {
			requests[i] = &c.request
		}
		m.join(s.v.model.Inputs(), requests)
		together = s.compute(m.inputs, m.outputs) == nil
	}
	for _, c := range all {
		if !together {
			// Its Observer is told how it went; nobody else asked.
			_ = s.compute(c.request.inputs, c.request.outputs)
		}
		s.recycle(c)
		s.v.release()
	}
}

// compute runs the version when it is this shadow's turn.
func (s *shadow) compute(inputs, outputs []Tensor) error {
	select {
	case s.all.turn <- struct{}{}:
		defer func() { <-s.all.turn }()
	case <-s.ctx.Done():
	}
	if err := s.ctx.Err(); err != nil { // both may be so
		return err
	}
	running, cancel := context.WithTimeout(s.ctx, shadowTimeout)
	defer cancel()
	return s.v.model.Run(running, inputs, outputs)
}
