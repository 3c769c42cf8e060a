// Package mlflow is the Source of models that are registered in MLflow. It polls the tracking server's
// REST API and fetches files through its artifact proxy, and knows of no other server.
package mlflow

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"footballprediction/inference"
)

const (
	// refetchMax is the longest that a version which failed to load is left alone.
	refetchMax = time.Hour
	// firstPatience is how long MLflow's first answer is waited for: what it said in an earlier run,
	// or the fallback, is ready to serve.
	firstPatience = 3 * time.Second
)

// Source is an inference.Source over an MLflow 3 tracking server: every registered model that has the
// alias "champion", with the versions that its aliases name. The champion serves; a version counts
// once it is READY. Models that MLflow does not name are those of the fallback, usually the ones that
// came with the program.
//
// What is served never depends on MLflow's being there. The first List is the fallback's alone, so
// that something serves whatever MLflow names. From the second on MLflow is asked; while it does not
// answer, what it said last goes on, also in an earlier run, and until it has ever answered the
// fallback does. Aspired.Err tells since when and why. A model that loses its champion, but is still
// registered, goes on with the last one.
//
// Files are fetched once and kept in a folder, each version under the hash of what it holds, and
// verified before they are used again. All methods are safe for concurrent use; none waits for a Fetch.
type Source struct {
	client   *client
	store    *store
	fallback inference.Source
	options  Options

	// ours are the models that MLflow has, as in said, for those who cannot wait for mu.
	ours atomic.Pointer[map[string]inference.Aspired]

	mu sync.Mutex // guards the rest; not held while files are fetched
	// begun: the fallback has been listed. answered: MLflow has answered since New.
	begun, answered bool
	started         time.Time
	outage          error // since when and why MLflow does not answer; nil: it does
	said            map[string]inference.Aspired
	saved           saved
	ready           map[readyVersion]knownVersion
	copies          map[versionKey]*localCopy
	fetching        int64             // bytes, as listed, of what is being fetched
	serving         map[string]string // the version of each model that serves, as the Registry says; those of MLflow
	previous        map[string]string // the version of each model that MLflow's own alias "previous" names, "" for none
	unsaved         string            // why what MLflow says could not be saved, last
	passedOver      map[string]bool   // names that no model may have
}

type versionKey struct{ model, version, revision string }

// localCopy is a version on disk.
type localCopy struct {
	*copied
	again time.Time     // when it may be fetched again
	wait  time.Duration // from then on
}

// New returns a Source over a tracking server. Copies are kept in dir. It asks nothing yet. Close it
// after use.
func New(server Server, dir string, fallback inference.Source, options Options) (*Source, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if err := options.Limits.complete(); err != nil {
		return nil, err
	}
	store, err := openStore(dir, options.Limits.StoreBytes, options.Now())
	if err != nil {
		return nil, fmt.Errorf("mlflow: open the store: %w", err)
	}
	s := &Source{
		client: newClient(server, options), store: store, fallback: fallback, options: options, started: options.Now(),
		said: map[string]inference.Aspired{}, ready: map[readyVersion]knownVersion{},
		copies: map[versionKey]*localCopy{}, serving: map[string]string{}, passedOver: map[string]bool{},
	}
	if s.saved, err = store.load(server.String()); err != nil {
		options.Logger.Error("what MLflow said in an earlier run is lost", slog.Any("error", err))
	}
	for _, m := range s.saved.Models {
		s.said[m.Name] = m.wish()
	}
	said := s.said // which is another map from the first answer on
	s.ours.Store(&said)
	return s, nil
}

// Breaker returns the state of the breaker around MLflow: "closed", "half-open" or "open".
func (s *Source) Breaker() string { return s.client.breaker.State().String() }

// Close stops idle connections and gives the copies up that were fetched: other processes may remove
// them from then on. It does not wait for a List that a disk holds up.
func (s *Source) Close() {
	s.client.close()
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	for key := range s.copies {
		s.giveUp(key)
	}
}

// List implements inference.Source. It fails only where the fallback or ctx does.
func (s *Source) List(ctx context.Context) ([]inference.Aspired, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	base, err := s.fallback.List(ctx)
	if err != nil || !s.begun {
		s.begun = err == nil
		return base, err
	}
	limit := s.options.Limits.List
	if !s.answered && s.outage == nil {
		limit = min(limit, firstPatience)
	}
	asking, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	err = s.tell(s.ask(asking))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.note(ctx, err)
	return s.merge(base), nil
}

// ask takes over what MLflow says now, or returns why it does not.
func (s *Source) ask(ctx context.Context) error {
	registered, err := s.client.search(ctx)
	if err != nil {
		return err
	}
	said, ready, previous := map[string]inference.Aspired{}, map[readyVersion]knownVersion{}, map[string]string{}
	take := func(m registeredModel) {
		var routed []string
		if s.options.Routed != nil {
			routed = s.options.Routed(m.Name)
		}
		named := slices.Clone(routed)
		for _, a := range m.Aliases {
			named = append(named, a.Version)
		}
		for _, version := range named { // only what is in use is remembered
			if key := (readyVersion{m.Name, m.Created, version}); s.ready[key].revision() != "" {
				ready[key] = s.ready[key]
			}
		}
		previous[m.Name] = m.alias(inference.Previous)
		wish := s.client.wish(ctx, s.withPrevious(ctx, m), routed, ready)
		if wish.Err != nil { // so versions that are not named now may still be wanted
			for version, revision := range s.said[m.Name].Revisions {
				if wish.Revisions[version] == "" {
					wish.Revisions[version] = revision
					if metrics := s.said[m.Name].Metrics[version]; metrics != nil {
						wish.Metrics[version] = metrics
					}
				}
			}
		}
		said[m.Name] = wish
	}
	for _, m := range registered {
		if m.champion() && s.named(ctx, m.Name) {
			take(m)
		}
	}
	for name, last := range s.said {
		if _, ok := said[name]; ok {
			continue
		}
		// Pages are cut anew for each request, so one model may have slipped between two.
		switch m, err := s.client.model(ctx, name); {
		case isMissing(err):
			s.options.Logger.InfoContext(ctx, "model is not registered in MLflow any more", slog.String("model", name))
		case err == nil && m.champion():
			take(m)
		default:
			if err == nil {
				err = fmt.Errorf("it has no alias %q any more, and goes on with the last", inference.Champion)
			}
			last.Err = fmt.Errorf("model %q in MLflow: %w", name, err)
			said[name] = last
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for name, wish := range said {
		wish.Err = s.tell(wish.Err)
		said[name] = wish
	}
	s.said, s.ready, s.previous = said, ready, previous
	s.ours.Store(&said)
	return nil
}

// withPrevious has the alias "previous" name the champion before this one: whoever goes back to it need
// not wait until it is fetched and loaded. MLflow's own alias of that name counts where it is all that
// is known, and whenever it has just been moved, as training and SetAlias do; who moves the champion
// by hand leaves it behind.
func (s *Source) withPrevious(ctx context.Context, m registeredModel) registeredModel {
	last := s.said[m.Name]
	champion, named := m.alias(inference.Champion), m.alias(inference.Previous)
	if before, asked := s.previous[m.Name]; asked && named != "" && named != before {
		return m
	}
	previous := last.Aliases[inference.Previous]
	was := s.serving[m.Name] // not a champion that never served
	if last.Revisions[was] == "" {
		was = last.Aliases[inference.Champion]
	}
	if was != champion && last.Revisions[was] != "" {
		previous = was
	}
	if previous == "" || previous == champion || previous == named || named == "" && len(m.Aliases) >= aliasesMax {
		return m
	}
	if s.ready[readyVersion{m.Name, m.Created, previous}].revision() == "" {
		if _, err := s.client.version(ctx, m.Name, previous); err != nil {
			return m // deleted, above all
		}
	}
	m.Aliases = slices.DeleteFunc(slices.Clone(m.Aliases), func(a registeredAlias) bool { return a.Alias == inference.Previous })
	m.Aliases = append(m.Aliases, registeredAlias{inference.Previous, previous})
	return m
}

// named tells whether a model can have that name here, and says once which cannot.
func (s *Source) named(ctx context.Context, name string) bool {
	if inference.IsModelName(name) && len(name) <= nameBytesMax {
		return true
	}
	if !s.passedOver[name] {
		s.passedOver[name] = true
		expected := "a name of letters, digits, dots, dashes and underscores, beginning with a letter or digit"
		if name == inference.ReservedName {
			expected = "another name, this one is reserved"
		}
		s.options.Logger.WarnContext(ctx, "model in MLflow is passed over for its name", slog.String("model", clip(name)),
			slog.String("expected", expected))
	}
	return false
}

// note keeps whether MLflow has answered, and saves what it said.
func (s *Source) note(ctx context.Context, err error) {
	switch {
	case err == nil:
		if s.outage != nil {
			s.options.Logger.InfoContext(ctx, "MLflow answers again")
		}
		s.answered, s.outage = true, nil
		if err := s.save(); err == nil {
			s.unsaved = ""
		} else if err = s.tell(err); err.Error() != s.unsaved {
			s.unsaved = err.Error()
			s.options.Logger.ErrorContext(ctx, "what MLflow says is not kept for the next start", slog.Any("error", err))
		}
	case s.outage != nil: // the first reason stands: later ones may only say that nothing is asked
	case s.answered:
		s.outage = fmt.Errorf("MLflow at %s has not answered since %s: %w", s.client.server, moment(s.options.Now()), err)
	default:
		s.outage = fmt.Errorf("MLflow at %s has not answered since the start at %s: %w", s.client.server, moment(s.started), err)
	}
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// merge puts what MLflow said in place of the fallback's models of the same names.
func (s *Source) merge(base []inference.Aspired) []inference.Aspired {
	all := maps.Clone(s.said)
	for name, wish := range all {
		switch {
		case s.outage == nil:
		case wish.Err != nil:
			wish.Err = fmt.Errorf("%w; %w", s.outage, wish.Err)
		case !s.answered:
			wish.Err = fmt.Errorf("%w; it goes on as MLflow said at %s", s.outage, moment(s.saved.At))
		default:
			wish.Err = s.outage
		}
		all[name] = wish
	}
	for _, wish := range base {
		if _, ok := all[wish.Name]; ok {
			continue
		}
		if !s.answered && s.outage != nil {
			why := fmt.Errorf("%w; the version that came with the program serves", s.outage)
			if wish.Err != nil {
				why = fmt.Errorf("%w; %w", why, wish.Err)
			}
			wish.Err = why
		}
		all[wish.Name] = wish
	}
	return slices.SortedFunc(maps.Values(all), func(a, b inference.Aspired) int { return strings.Compare(a.Name, b.Name) })
}

// SetAlias implements inference.Aliaser: in MLflow, or in the fallback where the model is its. In MLflow
// a new champion leaves its place's name, inference.Previous, to the one before.
func (s *Source) SetAlias(ctx context.Context, model, alias, version string) error {
	if s.registered(model) {
		ctx, cancel := context.WithTimeoutCause(ctx, s.options.Limits.List, errTooLong)
		defer cancel()
		if alias == inference.Champion {
			if err := s.client.setPrevious(ctx, model, version); err != nil {
				return s.tell(err)
			}
		}
		return s.tell(s.client.setAlias(ctx, model, alias, version))
	}
	if fallback, ok := s.fallback.(inference.Aliaser); ok {
		return fallback.SetAlias(ctx, model, alias, version)
	}
	return fmt.Errorf("model %q is not registered in MLflow", model)
}

// Holds implements inference.Holder: MLflow has all versions that were registered.
func (s *Source) Holds(ctx context.Context, model, version string) (bool, error) {
	if !s.registered(model) {
		return false, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Limits.List, errTooLong)
	defer cancel()
	_, err := s.client.version(ctx, model, version)
	if isMissing(err) {
		return false, nil
	}
	return err == nil, s.tell(err)
}

// registered tells whether MLflow has the model.
func (s *Source) registered(model string) bool {
	_, ours := (*s.ours.Load())[model]
	return ours
}

// tell returns an error as callers may read it: without where the copies are, nor what was sent to
// log in, which a server may have repeated.
func (s *Source) tell(err error) error {
	return inference.HideFolder(inference.Hide(err, s.client.server.hide), s.store.dir)
}
