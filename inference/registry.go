package inference

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// IntervalDefault is how often a Registry asks its Source.
const IntervalDefault = 5 * time.Second

// Options of a Registry.
type Options struct {
	// Interval is the time between polls by Run, give or take a tenth; 0 means IntervalDefault.
	Interval time.Duration
	// Admit, if set, has the last word on a version whose model was opened and whose golden rows
	// were met: an error refuses it. Its metadata is kept with the version.
	Admit func(name, version, dir string, m Model) (metadata any, err error)
	// Observe, if set, is called once for each version that is loaded, before anybody can acquire
	// it, and returns who is told what that version does; nil means that nobody is.
	Observe func(name, version string) Observer
	// Loaded, if set, is told of each attempt to load a version of a model, how long it took from the
	// fetch on, and why it failed, if it did.
	Loaded func(name string, took time.Duration, err error)
	// Routes are how requests are shared out; nil means that no model has a route yet, and that
	// those to come are forgotten in the end.
	Routes *Routes
	// Logger is told of versions that come, go and fail; nil means that nobody is.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Registry serves the models that its Source wants served. Each version is fetched, opened, checked
// against its golden rows, admitted and warmed before anybody can acquire it, and is closed when it
// is wanted no longer and its last handle has been released.
//
// A version that fails on the way disturbs none that serves. Where the version to serve has failed,
// the one that served last goes on. Where none has served yet, as at start-up, the highest version
// below it serves instead; unless Champion names the version to serve: somebody chose it, so nothing
// stands in for it but the version that Previous names, and else the model is not ready. The same holds for every alias: it moves only to
// a version that is loaded. A failed version is tried again when its files have changed, or at
// every poll if they could not be fetched. Changes in the files of a loaded version are not looked at,
// but a version whose revision changes is loaded anew; until that succeeds, what was loaded answers.
//
// Versions are fetched a few at a time, and then loaded one after another, so that all loads together
// take one core from those who are served. None keeps a decision or the rest of what is wanted waiting.
//
// A version that fails in service is quarantined: it is Failed, and the version that served before
// serves again, if it is still loaded, until the source names another or the files change, or somebody
// has it loaded. It is on record among the changes, and holds after a restart.
//
// All methods are safe for concurrent use. Acquire and Route wait for nothing that loads.
type Registry struct {
	source  Source
	opener  Opener
	options Options

	table   atomic.Pointer[table]
	shadows *shadows
	nudged  chan struct{} // holds a token when Run had better poll soon
	looking chan struct{} // holds a token while somebody reads the source
	loader  loader
	loaded  sync.WaitGroup // versions not closed yet

	// deciding is held while what is wanted changes, on disk and in memory. It is locked before mu.
	deciding sync.Mutex
	// routesErr is why the routes could not be read, last. deciding guards it.
	routesErr error

	mu      sync.Mutex // guards the rest; not held while anything is fetched, opened, run or closed
	models  map[string]*modelRecord
	listed  time.Time // when the source was last read
	listErr error     // why it could not be read since
	closed  bool
	changed chan struct{} // closed and replaced at each change
}

// NewRegistry returns a Registry that holds no model before its first Poll.
func NewRegistry(source Source, opener Opener, options Options) *Registry {
	if options.Interval == 0 {
		options.Interval = IntervalDefault
	}
	if options.Admit == nil {
		options.Admit = func(string, string, string, Model) (any, error) { return nil, nil }
	}
	if options.Observe == nil {
		options.Observe = func(string, string) Observer { return nil }
	}
	if options.Loaded == nil {
		options.Loaded = func(string, time.Duration, error) {}
	}
	if options.Routes == nil {
		options.Routes, _ = OpenRoutes("") // in memory, which cannot fail
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	r := &Registry{
		source: source, opener: opener, options: options,
		looking: make(chan struct{}, 1), nudged: make(chan struct{}, 1), loader: newLoader(),
		models: map[string]*modelRecord{}, changed: make(chan struct{}), shadows: newShadows(),
	}
	r.table.Store(&table{})
	return r
}

// Acquire takes hold of a loaded version of a model, by number or by alias; an empty version means
// the one that serves. The caller releases the handle. The errors are ErrModelUnknown,
// ErrVersionUnknown and ErrNotReady.
func (r *Registry) Acquire(name, version string) (Handle, error) {
	for {
		v := r.table.Load().find(name, version)
		if v == nil {
			err := r.refuse(name, version)
			if err == nil {
				continue // it has come meanwhile
			}
			return Handle{}, err
		}
		if v.hold() {
			return Handle{v}, nil
		}
		// It was given up meanwhile, which happens after a table without it is in place.
	}
}

// Route takes hold of the version that answers a request which names none, as the model's Route has
// it, and says which variant that is: Champion where the model has no Route. The same key always gets
// the same variant; without a key it is drawn. It fails as Acquire does.
func (r *Registry) Route(name, key string) (h Handle, variant string, err error) {
	for {
		if m := r.table.Load().models[name]; m != nil {
			if v, variant := m.routed(name, key); v != nil && v.hold() {
				return Handle{v}, variant, nil
			} else if v != nil {
				continue // given up meanwhile
			}
		}
		h, err := r.Acquire(name, "")
		return h, Champion, err
	}
}

// Routed tells whether the model has a Route, by which requests come to several versions.
func (r *Registry) Routed(name string) bool {
	m := r.table.Load().models[name]
	return m != nil && m.route != nil
}

// Run reads the source until ctx is done, and returns nil then. It does not do so at once: call Poll
// first, so as to know whether there is anything to serve. It waits for no load: what takes its time
// keeps nothing else from being loaded or given up.
func (r *Registry) Run(ctx context.Context) error {
	timer := time.NewTimer(r.pause())
	defer timer.Stop()
	var last time.Time // when a poll ended
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.nudged:
			if rest := min(nudgeRest, r.options.Interval) - time.Since(last); rest > 0 {
				timer.Reset(rest)
				continue
			}
		case <-timer.C:
		}
		looked := make(chan struct{})
		go func() {
			defer close(looked)
			// look has logged its error and keeps it for Status. What serves goes on.
			_ = r.look(ctx)
		}()
		select {
		case <-looked:
		case <-ctx.Done(): // which a source that waits for a disk may not heed
			return nil
		}
		last = time.Now()
		timer.Reset(r.pause())
	}
}

// nudgeRest is the time from one poll to the next, however often Nudge is called.
const nudgeRest = time.Second

// Nudge has Run poll soon: at once, or a second after the last poll. It waits for nothing, and many
// calls count as one.
func (r *Registry) Nudge() {
	select {
	case r.nudged <- struct{}{}:
	default:
	}
}

// pause returns the time to the next poll, within a tenth of the interval, so that servers that were
// started together do not ask together for ever.
func (r *Registry) pause() time.Duration {
	tenth := r.options.Interval / 10
	return r.options.Interval - tenth + rand.N(2*tenth+1)
}

// Poll asks the source what should be served, and returns when all of it has been loaded or has
// failed. An error means that the source could not be read, or that ctx or the Registry ended; how
// each version fared is in Status.
func (r *Registry) Poll(ctx context.Context) error {
	err := r.look(ctx)
	if err == nil {
		err = r.await(ctx, "", "")
	}
	if err == nil {
		r.keep(ctx)
	}
	return err
}

// look asks the source what should be served, gives up what should not, and begins to load the rest.
func (r *Registry) look(ctx context.Context) error {
	select {
	case r.looking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.looking }()
	if r.isClosed() {
		return errClosed
	}
	r.keep(ctx)
	wishes, err := r.source.List(ctx)
	if err != nil {
		return r.unlisted(ctx, fmt.Errorf("list models: %w", err))
	}
	r.deciding.Lock()
	defer r.deciding.Unlock()
	r.readRoutes(ctx)
	r.endStrayRoutes(ctx, wishes)
	r.adopt(ctx, wishes)
	r.pardon(ctx, wishes)
	return nil
}

// readRoutes follows what other processes have decided.
func (r *Registry) readRoutes(ctx context.Context) {
	changed, err := r.options.Routes.refresh()
	if changed {
		r.options.Logger.InfoContext(ctx, "routes were changed by another process")
	}
	if err != nil && !sameError(err, r.routesErr) {
		r.options.Logger.ErrorContext(ctx, "routes cannot be read, the last ones stand", slog.Any("error", err))
	}
	r.routesErr = err
}

// keep tells a Keeper what is held.
func (r *Registry) keep(ctx context.Context) {
	if keeper, ok := r.source.(Keeper); ok {
		keeper.Keep(ctx, r.Status())
	}
}

// unlisted keeps err, by which the source could not be read, and says so once.
func (r *Registry) unlisted(ctx context.Context, err error) error {
	r.mu.Lock()
	last := r.listErr
	r.listErr = err
	r.mu.Unlock()
	if ctx.Err() == nil && !sameError(last, err) {
		r.options.Logger.ErrorContext(ctx, "models cannot be listed, what is loaded goes on", slog.Any("error", err))
	}
	return err
}

// sameError tells whether two errors, of which either may be nil, say the same.
func sameError(a, b error) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Error() == b.Error()
}

// Close gives all versions up, ends loads and waits until each version is closed, which is when its
// last handle has been released, or until ctx is done. There is nothing to acquire from then on.
func (r *Registry) Close(ctx context.Context) error {
	r.deciding.Lock()
	r.mu.Lock()
	r.closed = true
	for _, m := range r.models {
		m.dismiss()
	}
	swaps := r.publish()
	r.mu.Unlock()
	r.deciding.Unlock()
	r.loader.stop()
	r.announce(ctx, swaps)

	if err := ended(ctx, &r.loader.loads); err != nil {
		return fmt.Errorf("close models: wait for a load: %w", err)
	}
	if err := ended(ctx, &r.shadows.running); err != nil {
		return fmt.Errorf("close models: wait for a shadow: %w", err)
	}
	if err := ended(ctx, &r.loaded); err != nil {
		return fmt.Errorf("close models: wait for handles: %w", err)
	}
	return nil
}

// ended waits for a group, or until ctx is done.
func ended(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errClosed = errors.New("the registry is closed")

func (r *Registry) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}
