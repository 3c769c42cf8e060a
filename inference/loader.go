package inference

import (
	"context"
	"sync"
	"time"
)

const (
	// fetchesMax is how many versions are fetched at a time: a few more than one, so that a slow one
	// does not keep the rest waiting.
	fetchesMax = 4
	// fetchPatience is how long the next version waits for its turn while one is fetched.
	fetchPatience = time.Second
)

// loader is what all loads share.
type loader struct {
	loads     sync.WaitGroup // added to with Registry.mu held, unless that is closed
	fetching  chan struct{}  // holds a token for each version that is being fetched
	preparing chan struct{}  // holds a token while a version is opened, checked and warmed
	ctx       context.Context
	stop      context.CancelFunc
}

func newLoader() loader {
	ctx, stop := context.WithCancel(context.Background())
	return loader{fetching: make(chan struct{}, fetchesMax), preparing: make(chan struct{}, 1), ctx: ctx, stop: stop}
}

// loading is a version on its way.
type loading struct {
	v     *versionRecord
	ctx   context.Context // done when the version is wanted no longer, or another revision of it
	after <-chan struct{} // closed when it is its turn to be prepared
	next  func()          // makes it the next one's turn
}

// loadWanted begins to load what is wanted and neither loaded nor on its way, in the order of unloaded.
// Requires r.mu be held.
func (r *Registry) loadWanted() {
	var all []loading
	if !r.closed {
		turn := make(chan struct{})
		close(turn)
		for _, v := range r.unloaded() {
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
	if m := r.models[l.v.model]; m != nil && m.versions[l.v.version] == l.v && !l.v.wanted && l.v.live == nil && l.v.state != Unloading {
		delete(m.versions, l.v.version)
	}
	if l.v.wanted && l.v.state == Start {
		r.loadWanted()
	}
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
