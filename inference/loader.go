package inference

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// fetchesMax is how many versions are fetched at a time. What takes longer than fetchPatience is not
	// counted among them, but among the lateMax that there may be of such, so that what trickles in keeps
	// nothing else waiting.
	fetchesMax    = 4
	lateMax       = 28
	fetchPatience = time.Second
)

// loader is what all loads share.
type loader struct {
	loads     sync.WaitGroup // added to with Registry.mu held, unless that is closed
	fetching  chan struct{}  // holds a token for each version that is being fetched,
	late      chan struct{}  // or for those that take long
	preparing chan struct{}  // holds a token while a version is opened, checked and warmed
	ctx       context.Context
	stop      context.CancelFunc
}

func newLoader() loader {
	ctx, stop := context.WithCancel(context.Background())
	return loader{
		fetching: make(chan struct{}, fetchesMax), late: make(chan struct{}, lateMax), preparing: make(chan struct{}, 1),
		ctx: ctx, stop: stop,
	}
}

// place is which channel holds a token for a fetch.
type place struct {
	sync.Mutex
	in chan struct{} // nil: none does any more
}

// move has another channel hold the token, if that has room.
func (p *place) move(to chan struct{}) {
	p.Lock()
	defer p.Unlock()
	if p.in == nil {
		return
	}
	select {
	case to <- struct{}{}:
		<-p.in
		p.in = to
	default:
	}
}

func (p *place) leave() {
	p.Lock()
	defer p.Unlock()
	<-p.in
	p.in = nil
}

// loading is a version on its way.
type loading struct {
	v     *versionRecord
	ctx   context.Context // done when the version is wanted no longer, or another revision of it
	after <-chan struct{} // closed when it is its turn to be prepared
	next  func()          // makes it the next one's turn
}

// beginLoads has versions loaded, in this order. Requires r.mu be held.
func (r *Registry) beginLoads(versions []*versionRecord) {
	var all []loading
	if !r.closed {
		turn := make(chan struct{})
		close(turn)
		for _, v := range versions {
			ctx, cancel := context.WithCancel(r.loader.ctx)
			v.cancel = cancel
			next := make(chan struct{})
			all = append(all, loading{v, ctx, turn, sync.OnceFunc(func() { close(next) })})
			turn = next
		}
	}
	if len(all) == 0 {
		return
	}
	r.loader.loads.Add(len(all))
	go func() {
		for _, l := range all {
			select {
			case r.loader.fetching <- struct{}{}:
				go r.load(l)
			case <-l.ctx.Done():
				r.end(l)
			}
		}
	}()
}

// end says that a version is not on its way any more. Whatever came to be wanted meanwhile is loaded.
func (r *Registry) end(l loading) {
	defer r.loader.loads.Done()
	l.next()
	r.mu.Lock()
	defer r.mu.Unlock()
	l.v.cancel()
	l.v.cancel = nil
	if l.v.state == Loading { // it was wanted no longer for a while
		l.v.state = Start
	}
	if m := r.models[l.v.model]; m != nil && m.versions[l.v.version] == l.v && !l.v.wanted && l.v.live == nil && l.v.state != Unloading {
		delete(m.versions, l.v.version)
	}
	// It may be wanted again, and others may have waited for it; what has failed is tried at the next look.
	r.beginLoads(slices.DeleteFunc(r.unloaded(), func(v *versionRecord) bool { return v.state != Start }))
	r.touch()
}

// await waits until a version is not being loaded; "" stands for all versions of the model, or for all
// models.
func (r *Registry) await(ctx context.Context, model, version string) error {
	for {
		r.mu.Lock()
		changed, closed, loading := r.changed, r.closed, false
		for name, m := range r.models {
			for number, v := range m.versions {
				loading = loading || v.cancel != nil && (model == "" || model == name) && (version == "" || version == number)
			}
		}
		r.mu.Unlock()
		switch {
		case closed:
			return errClosed
		case !loading:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
