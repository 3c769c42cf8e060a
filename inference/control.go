package inference

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

var (
	// ErrRefused says that a decision about what serves cannot be carried out.
	ErrRefused = errors.New("refused")
	// ErrSource says that the Source did not do what it was asked for.
	ErrSource = errors.New("the source of models did not answer")
)

// Aliaser is a Source whose aliases can be moved.
type Aliaser interface {
	// SetAlias makes an alias of a model name that version, which exists.
	SetAlias(ctx context.Context, model, alias, version string) error
}

// Holder is an Aliaser that has more versions than it lists: those that no alias names.
type Holder interface {
	Aliaser
	// Holds returns whether there is that version, and why it could not be served if that is known.
	Holds(ctx context.Context, model, version string) (bool, error)
}

// By is who decides something, and why.
type By struct {
	Actor  string
	Reason string
}

const (
	actorBytesMax  = 255
	reasonBytesMax = 4096
)

func (b By) check() error {
	if strings.TrimSpace(b.Actor) == "" || len(b.Actor) > actorBytesMax {
		return fmt.Errorf("%w: actor: expected 1 to %d bytes that say who decides, got %d", ErrRefused, actorBytesMax, len(b.Actor))
	}
	if len(b.Reason) > reasonBytesMax {
		return fmt.Errorf("%w: reason: expected at most %d bytes, got %d", ErrRefused, reasonBytesMax, len(b.Reason))
	}
	return nil
}

// SetRoute shares the model's requests out anew, from one request to the next, and remembers it. Each
// of the route's versions must be loaded. The zero Route gives all requests to the version that serves.
func (r *Registry) SetRoute(ctx context.Context, model string, route Route, by By) error {
	if err := by.check(); err != nil {
		return err
	}
	if err := route.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	route.Variants = slices.Clone(route.Variants)
	r.deciding.Lock() // so nothing is given up meanwhile
	defer r.deciding.Unlock()
	if err := r.loadedNow(model, ""); err != nil {
		return err // which is about the model, not about what the route says
	}
	for i, v := range route.Variants {
		if err := r.loadedNow(model, v.Version); err != nil {
			return fmt.Errorf("variants[%d].version: %w", i, err)
		}
	}
	if route.Shadow != "" {
		if err := r.loadedNow(model, route.Shadow); err != nil {
			return fmt.Errorf("shadow: %w", err)
		}
	}
	return r.decide(ctx, &Change{Model: model, Action: SetTraffic, Actor: by.Actor, Reason: by.Reason, Route: &route})
}

// loadedNow returns why a version cannot be acquired, nil if it can.
func (r *Registry) loadedNow(model, version string) error {
	h, err := r.Acquire(model, version)
	if err != nil {
		return err
	}
	h.Release()
	return nil
}

// decide records a change, which thereby has its time, and carries out what it says of routes.
func (r *Registry) decide(ctx context.Context, c *Change) error {
	c.At = r.options.Now().UTC()
	var revisions map[string]string
	if c.Route != nil {
		revisions = r.revisions(c.Model, *c.Route)
	}
	if err := r.options.Routes.record(*c, revisions); err != nil {
		return fmt.Errorf("%w: the change cannot be recorded: %w", ErrRefused, err)
	}
	r.options.Logger.InfoContext(ctx, "model change", slog.String("model", c.Model), slog.String("action", string(c.Action)),
		slog.String("actor", c.Actor), slog.String("reason", c.Reason), slog.String("version", c.Version), slog.String("from", c.From))
	r.publishNow(ctx)
	return nil
}

// revisions returns those of the versions that a route names by their numbers, as far as they are known.
func (r *Registry) revisions(model string, route Route) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[string]string{}
	for _, version := range route.numbers() {
		if m := r.models[model]; m != nil && m.live(version) {
			known[version] = m.versions[version].loaded
		}
	}
	return known
}

// endStrayRoutes ends routes that name by their numbers what are other versions by now.
func (r *Registry) endStrayRoutes(ctx context.Context, wishes []Aspired) {
	for _, wish := range wishes {
		version := r.options.Routes.stray(wish)
		if version == "" {
			continue
		}
		change := Change{
			Model: wish.Name, Action: SetTraffic, Actor: registryActor, Route: &Route{},
			Reason: fmt.Sprintf("version %s is another one than the one that the route was set for", version),
		}
		if err := r.decide(ctx, &change); err != nil {
			r.options.Logger.ErrorContext(ctx, "the route names a version that is another one by now, and cannot be ended",
				slog.String("model", wish.Name), slog.String("version", version), slog.Any("error", err))
		}
	}
}

// withdraw takes a change back that was recorded and not carried out, and returns why with what went
// wrong doing so.
func (r *Registry) withdraw(ctx context.Context, c Change, why error) error {
	r.options.Logger.WarnContext(ctx, "model change not carried out", slog.String("model", c.Model), slog.String("action", string(c.Action)),
		slog.String("actor", c.Actor), slog.Any("error", why))
	if err := r.options.Routes.amend(c, nil); err != nil {
		return fmt.Errorf("%w (and it stays on record: %w)", why, err)
	}
	return why
}

func (r *Registry) publishNow(ctx context.Context) {
	r.mu.Lock()
	swaps := r.publish()
	r.mu.Unlock()
	r.announce(ctx, swaps)
}

// Promote makes a version, by number or by another alias, the champion: it moves the Source's alias,
// polls, and returns once that version serves, or why it does not. Where the Source is a Gatekeeper, a
// version that its gate did not let pass is ErrRefused.
func (r *Registry) Promote(ctx context.Context, model, version string, by By) error {
	return r.promote(ctx, model, version, Change{Action: Promote, Actor: by.Actor, Reason: by.Reason})
}

// PromoteForced is Promote whatever the gate said. It needs a reason, which is kept with the version.
func (r *Registry) PromoteForced(ctx context.Context, model, version string, by By) error {
	return r.promote(ctx, model, version, Change{Action: Promote, Actor: by.Actor, Reason: by.Reason, Forced: true})
}

// RollBack gives all of the model's requests to the version that served before this one, or to the one
// that is named: its route ends, and the Source's champion moves back. Where the Source does not move
// it, a route gives the requests to that version all the same, and the error says so.
func (r *Registry) RollBack(ctx context.Context, model, version string, by By) error {
	if version == "" {
		if version = r.before(model); version == "" {
			if err := r.loadedNow(model, ""); errors.Is(err, ErrModelUnknown) {
				return err
			}
			return fmt.Errorf("%w: model %q: it is not known what served before; name the version to go back to", ErrRefused, model)
		}
	}
	return r.promote(ctx, model, version, Change{Action: RollBack, Actor: by.Actor, Reason: by.Reason})
}

// promote carries a change out, which says what is done, by whom and why. Who goes back to what has served
// passes no gate.
func (r *Registry) promote(ctx context.Context, model, version string, change Change) error {
	by := By{Actor: change.Actor, Reason: change.Reason}
	if err := by.check(); err != nil {
		return err
	}
	source, ok := r.source.(Aliaser)
	if !ok {
		return fmt.Errorf("%w: the source of models has no aliases that could be moved", ErrRefused)
	}
	target, err := r.Acquire(model, version)
	if holder, ok := source.(Holder); ok && change.Action == Promote && errors.Is(err, ErrVersionUnknown) && IsVersion(version) {
		return r.promoteUnlisted(ctx, holder, model, version, change, err)
	}
	if err != nil {
		return err
	}
	defer target.Release() // it stays loaded until it serves
	var overrule func() error
	if change.Action == Promote {
		if err := r.heedRoute(model, target.Version()); err != nil {
			return err
		}
	}
	if change.Action == Promote || !r.hasServed(model, target.Version()) { // what never did is promoted, whatever it is called
		overrule, err = r.heed(ctx, model, target.Version(), by, change.Forced)
		if err != nil && (change.Action == Promote || !errors.Is(err, ErrSource)) { // who goes back is in a hurry
			return err
		}
	}
	change.Model, change.Version, change.Revision = model, target.Version(), r.revision(model, target.Version())
	change.From, _ = r.serving(model)
	change.FromRevision = r.revision(model, change.From)
	if change.Action == RollBack { // at once, whatever the Source does
		change.Route = &Route{Variants: []Variant{{Name: Champion, Version: target.Version(), Percent: 100}}}
	}
	if err := r.decide(ctx, &change); err != nil {
		return err
	}
	if err := r.moveChampion(ctx, source, model, target.Version(), overrule); err != nil {
		if change.Action == RollBack {
			return fmt.Errorf("version %s answers by a route, until traffic is set anew: %w", target.Version(), err)
		}
		return r.withdraw(ctx, change, err)
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	if err := r.await(ctx, model, target.Version()); err != nil { // where what was loaded is of another source
		return err
	}
	if serving, why := r.serving(model); !r.servesAsWished(model, target.Version()) {
		err := fmt.Errorf("%w: alias %q of %q was moved to version %s, but version %q serves", ErrNotReady, Champion, model, target.Version(), serving)
		if why != nil {
			err = fmt.Errorf("%w: %w", err, why)
		}
		return err
	}
	if change.Action == RollBack {
		ended := change
		ended.Route = &Route{}
		if err := r.options.Routes.amend(change, &ended); err != nil {
			return fmt.Errorf("version %s serves, but a route to it stays: %w", target.Version(), err)
		}
		r.publishNow(ctx)
	}
	return nil
}

// heedRoute returns ErrRefused where the model's route would give the version nothing once it is the
// champion.
func (r *Registry) heedRoute(model, version string) error {
	route := r.options.Routes.of(model)
	given := len(route.Variants) == 0
	for _, v := range route.Variants {
		given = given || v.Percent > 0 && (v.Version == Champion || v.Version == version)
	}
	if !given {
		return fmt.Errorf("%w: the route of model %q gives the champion no requests, so version %s would get none: set its traffic first", ErrRefused, model, version)
	}
	return nil
}

// moveChampion has the Source's champion be another version, once its gate is overruled if need be.
func (r *Registry) moveChampion(ctx context.Context, source Aliaser, model, version string, overrule func() error) error {
	if overrule != nil {
		if err := overrule(); err != nil {
			return err
		}
	}
	if err := source.SetAlias(ctx, model, Champion, version); err != nil {
		return fmt.Errorf("%w: move alias %q of %q to version %s: %w", ErrSource, Champion, model, version, err)
	}
	return nil
}

// promoteUnlisted promotes a version that no alias names, and so is not loaded: it is loaded once it is
// the champion, and where that fails the champion before it, which has gone on serving, is so again.
// unknown is why the version cannot be acquired.
func (r *Registry) promoteUnlisted(ctx context.Context, source Holder, model, version string, change Change, unknown error) error {
	if held, err := source.Holds(ctx, model, version); err != nil {
		return fmt.Errorf("%w: version %s of %q: %w", ErrSource, version, model, err)
	} else if !held {
		return unknown
	}
	if err := r.heedRoute(model, version); err != nil {
		return err
	}
	overrule, err := r.heed(ctx, model, version, By{Actor: change.Actor, Reason: change.Reason}, change.Forced)
	if err != nil {
		return err
	}
	former := r.wished(model)
	change.Model, change.Version, change.Revision = model, version, former.Revisions[version]
	change.From, _ = r.serving(model)
	change.FromRevision = r.revision(model, change.From)
	if err := r.decide(ctx, &change); err != nil {
		return err
	}
	if err := r.moveChampion(ctx, source, model, version, overrule); err != nil {
		return r.withdraw(ctx, change, err)
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	if err := r.await(ctx, model, version); err != nil {
		return err
	}
	if r.servesAsWished(model, version) {
		served := change
		served.Revision = r.revision(model, version) // by now it is known
		if err := r.options.Routes.amend(change, &served); err != nil {
			return fmt.Errorf("version %s serves, but its revision is not on record: %w", version, err)
		}
		return nil
	}
	failed := r.loadedNow(model, version)
	if champion := former.Aliases[Champion]; champion != "" && r.wished(model).Aliases[Champion] == version {
		failed = errors.Join(failed, r.moveChampion(ctx, source, model, champion, nil))
		if previous := former.Aliases[Previous]; previous != "" { // and not the one that failed
			failed = errors.Join(failed, source.SetAlias(ctx, model, Previous, previous))
		}
	}
	failed = errors.Join(failed, r.look(ctx))
	failed = fmt.Errorf("alias %q of %q stays at version %q: %w", Champion, model, r.wished(model).Aliases[Champion], failed)
	return r.withdraw(ctx, change, failed)
}

// servesAsWished tells whether a version serves, and is the one that the Source has under its number.
func (r *Registry) servesAsWished(model, version string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.models[model]
	return m != nil && m.labels[""] == version && m.versions[version].loaded == m.wish.Revisions[version]
}

// wished returns what the Source said of a model last.
func (r *Registry) wished(model string) Aspired {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.models[model]; m != nil {
		return m.wish
	}
	return Aspired{}
}

// revision returns that of a version as it is loaded.
func (r *Registry) revision(model, version string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.models[model]; m != nil && m.versions[version] != nil {
		return m.versions[version].loaded
	}
	return ""
}

// Load polls the Source, tries versions of the model that have failed or were quarantined again, and
// ends what Unload began. It returns once the model serves, or why it does not.
func (r *Registry) Load(ctx context.Context, model string, by By) error {
	if err := by.check(); err != nil {
		return err
	}
	change := Change{Model: model, Action: Load, Actor: by.Actor, Reason: by.Reason}
	if err := r.decide(ctx, &change); err != nil {
		return err
	}
	if err := r.options.Routes.pardon(func(q quarantined) bool { return q.Model == model }); err != nil {
		return r.withdraw(ctx, change, err)
	}
	r.mu.Lock()
	if m := r.models[model]; m != nil {
		m.unloaded = false
		for _, v := range m.versions {
			v.files, v.condemned = "", "" // of those that failed
		}
	}
	r.mu.Unlock()
	err := r.look(ctx)
	if err == nil {
		err = r.await(ctx, model, "")
	}
	if err == nil {
		err = r.loadedNow(model, "")
	}
	if err != nil {
		return r.withdraw(ctx, change, err)
	}
	return nil
}

// Unload gives all versions of a model up, whatever the Source wants, until Load or the end. Requests
// in flight are answered.
func (r *Registry) Unload(ctx context.Context, model string, by By) error {
	if err := by.check(); err != nil {
		return err
	}
	r.deciding.Lock()
	defer r.deciding.Unlock()
	r.mu.Lock()
	m := r.models[model]
	known := m != nil && m.wanted
	r.mu.Unlock()
	if !known {
		return r.loadedNow(model, "")
	}
	if err := r.decide(ctx, &Change{Model: model, Action: Unload, Actor: by.Actor, Reason: by.Reason}); err != nil {
		return err
	}
	r.mu.Lock()
	m.unloaded = true
	m.adopt(Aspired{Name: model})
	r.mu.Unlock()
	r.publishNow(ctx)
	return nil
}

// before returns the version to go back to, "" if there is none: the one that stands in for the champion,
// where one does, else the one that served before.
func (r *Registry) before(model string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.models[model]
	if m == nil {
		return ""
	}
	if standIn := m.standIn(); standIn != "" {
		return standIn
	}
	for _, version := range []string{m.servedBefore(), m.labels[Previous]} { // the latter also across a restart
		if m.live(version) && version != m.labels[""] {
			return version
		}
	}
	return ""
}

// hasServed tells whether a version is known to have been the one that serves.
func (r *Registry) hasServed(model, version string) bool {
	revision := r.revision(model, version)
	served := slices.ContainsFunc(r.options.Routes.Changes(model), func(c Change) bool {
		return (c.Action == Promote || c.Action == RollBack) &&
			(c.Version == version && c.Revision == revision || c.From == version && c.FromRevision == revision)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.models[model]
	if m == nil {
		return served
	}
	v := m.versions[version]
	return served || m.labels[Previous] == version || v != nil && v.served
}

// serving returns the version that serves, and what is not known of the model just now.
func (r *Registry) serving(model string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.models[model]
	if m == nil {
		return "", ErrModelUnknown
	}
	return m.labels[""], m.wish.Err
}
