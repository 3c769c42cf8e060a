package inference

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// table is what can be acquired. It is immutable: Acquire reads it without a lock.
type table struct {
	models map[string]*tableModel
}

type tableModel struct {
	serving  *version            // nil: none
	versions map[string]*version // by number and by alias
	route    *Route              // nil: all to serving
	shadow   *shadow             // nil: none
}

// routed returns the version that answers a request which names none, and under which name. A variant
// whose version is not loaded any more leaves its share to the version that serves.
func (m *tableModel) routed(name, key string) (v *version, variant string) {
	if m.route == nil {
		return m.serving, Champion
	}
	chosen := &m.route.Variants[m.route.pick(name, key)]
	if v := m.versions[chosen.Version]; v != nil {
		return v, chosen.Name
	}
	return m.serving, Champion
}

// serves tells whether any model does.
func (t *table) serves() bool {
	for _, m := range t.models {
		if m.serving != nil {
			return true
		}
	}
	return false
}

// find returns nil where there is nothing to acquire.
func (t *table) find(name, version string) *version {
	m := t.models[name]
	if m == nil {
		return nil
	}
	if version == "" {
		return m.serving
	}
	return m.versions[version]
}

// swap is a change of the version that serves; "" is none.
type swap struct{ model, from, to string }

// announce logs what publish returned. Requires r.mu not be held: a log may be slow.
func (r *Registry) announce(ctx context.Context, swaps []swap) {
	for _, s := range swaps {
		r.options.Logger.InfoContext(ctx, "serving version changed",
			slog.String("model", s.model), slog.String("from", s.from), slog.String("to", s.to))
	}
}

// publish puts what is loaded and wanted into the table, and gives up what is neither wanted nor
// named by a label. It returns what serves from now on, where that is another. Requires r.mu be held.
func (r *Registry) publish() (swaps []swap) {
	t := &table{models: map[string]*tableModel{}}
	var unwanted []*version
	for name, m := range r.models {
		from := m.labels[""]
		m.relabel()
		if condemned := r.spareCondemned(m); condemned != nil {
			unwanted = append(unwanted, condemned...)
			m.relabel()
		}
		if v := m.versions[m.labels[""]]; v != nil {
			v.served = true
		}
		if to := m.labels[""]; to != from {
			swaps = append(swaps, swap{name, from, to})
			if v := m.versions[from]; v != nil && to != "" {
				m.previous, m.previousRevision = from, v.loaded
			}
		}
		kept := &tableModel{versions: map[string]*version{}}
		route := r.options.Routes.of(name)
		if len(route.Variants) > 0 {
			kept.route = &route
		}
		for _, v := range m.versions {
			switch {
			case v.live == nil:
			case v.wanted || route.names(v.version) && m.wanted && !m.unloaded || slices.Contains(slices.Collect(maps.Values(m.labels)), v.version):
				kept.versions[v.version] = v.live
			default:
				unwanted = append(unwanted, v.live)
				v.state, v.reason, v.draining, v.live = Unloading, "", v.live, nil
				r.expectDrained(v, v.draining)
			}
		}
		for label, version := range m.labels {
			if label == "" {
				kept.serving = kept.versions[version]
			} else if kept.versions[label] == nil { // a number is never an alias
				kept.versions[label] = kept.versions[version]
			}
		}
		if route.Shadow != "" {
			kept.shadow = r.shadowOf(m, kept.versions[route.Shadow])
		}
		t.models[name] = kept
	}
	endShadows(r.table.Swap(t), t)
	r.touch()
	for _, v := range unwanted {
		v.release()
	}
	return swaps
}

// refuse says why find found nothing, or returns nil if by now there is something.
func (r *Registry) refuse(name, version string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.table.Load().find(name, version) != nil {
		return nil
	}
	if r.closed {
		return fmt.Errorf("%w: %w", ErrNotReady, errClosed)
	}
	if r.listed.IsZero() {
		if r.listErr != nil {
			return fmt.Errorf("%w: %w", ErrNotReady, r.listErr)
		}
		return fmt.Errorf("%w: models have not been listed yet", ErrNotReady)
	}
	m := r.models[name]
	if m == nil || !m.wanted {
		return fmt.Errorf("%w: %q; expected %s", ErrModelUnknown, clip(name), anyOf(maps.Keys(r.models)))
	}
	target := version
	if target == "" {
		target = m.wish.Serving
	} else if aliased := m.wish.Aliases[target]; aliased != "" {
		target = aliased
	}
	v := m.versions[target]
	switch {
	case v != nil && v.state == Failed:
		return fmt.Errorf("%w: %q version %s has failed: %s", ErrNotReady, name, target, v.reason)
	case v != nil:
		return fmt.Errorf("%w: %q version %s is in state %s", ErrNotReady, name, target, v.state)
	case m.unloaded:
		return fmt.Errorf("%w: %q has been unloaded", ErrNotReady, name)
	case m.wish.Err != nil:
		return fmt.Errorf("%w: %q: %w", ErrNotReady, name, m.wish.Err)
	case version == "":
		return fmt.Errorf("%w: %q has no version to serve", ErrNotReady, name)
	}
	known := slices.Collect(maps.Keys(m.versions))
	known = slices.AppendSeq(known, maps.Keys(m.wish.Aliases))
	return fmt.Errorf("%w: %q version %q; expected %s", ErrVersionUnknown, name, clip(version), anyOf(slices.Values(known)))
}

// anyOf lists names for an error, not all if they are many.
func anyOf(names func(func(string) bool)) string {
	const most = 20
	sorted := slices.SortedFunc(names, CompareVersions)
	if len(sorted) == 0 {
		return "none, for there is none"
	}
	end := ""
	if len(sorted) > most {
		sorted, end = sorted[:most], ", …"
	}
	return strings.Join(sorted, ", ") + end
}
