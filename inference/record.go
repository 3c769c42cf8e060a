package inference

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// State is where a version is on its way.
type State uint8

// The states, in the order in which a version goes through them. One that fails while loading stays
// Failed until it is tried again.
const (
	Start     State = iota // wanted, not begun
	Loading                // being fetched, opened, checked and warmed
	Available              // can be acquired
	Unloading              // wanted no longer, held by handles
	End                    // closed
	Failed                 // could not be loaded
)

var stateNames = [...]string{"START", "LOADING", "AVAILABLE", "UNLOADING", "END", "FAILED"}

// String returns the state's name, such as "AVAILABLE".
func (s State) String() string { return stateNames[s] }

// modelRecord is what the Registry knows of a model. Registry.mu guards it.
type modelRecord struct {
	name   string
	wanted bool
	wish   Aspired // as last listed
	// labels holds each alias, and "" for the version that serves, with the version it names now:
	// always a loaded one.
	labels   map[string]string
	versions map[string]*versionRecord
	// previous is the version that served before, and previousRevision which it was: another source or
	// another day may give its number to another.
	previous, previousRevision string
	// quarantines is how many versions were taken out of service.
	quarantines uint64
	// shadowsDropped is how many copies of requests its shadows were not given.
	shadowsDropped atomic.Uint64
	// unloaded: an operator wants none of it.
	unloaded bool
}

// versionRecord is what the Registry knows of a version. Registry.mu guards it, but for what never
// changes: model and version.
type versionRecord struct {
	model, version string
	revision       string // as last listed
	wanted         bool
	state          State
	reason         string // why it failed
	loaded         string // revision of what is live, or was last
	files          string // fingerprint of the files that failed or were loaded
	quarantined    bool   // Failed in service
	served         bool   // what is live has been the one that serves
	condemned      string // why, where that was before a restart
	loadedAt       time.Time
	live           *version // what is loaded: of this revision if Available, else of the one before
	cancel         func()   // ends the load that is under way; nil: none is
	draining       *version // what was given up last
	open           int      // how many models were opened for it and are not closed
	inputs         []TensorSpec
	outputs        []TensorSpec
	metadata       any
}

// CompareVersions orders version numbers by size.
func CompareVersions(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// adopt makes the source's wishes the Registry's own, and begins to load what is wanted newly. Requires
// r.deciding be held.
func (r *Registry) adopt(ctx context.Context, wishes []Aspired) {
	now := r.options.Now()
	var partial []Aspired // newly so
	var swaps []swap
	defer func() {
		r.announce(ctx, swaps)
		for _, wish := range partial {
			r.options.Logger.ErrorContext(ctx, "model is followed only in part",
				slog.String("model", wish.Name), slog.Any("error", wish.Err))
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listed, r.listErr = now, nil
	listed := map[string]bool{}
	for _, wish := range wishes {
		listed[wish.Name] = true
		m := r.models[wish.Name]
		if m == nil {
			m = &modelRecord{name: wish.Name, versions: map[string]*versionRecord{}}
			r.models[wish.Name] = m
		}
		if wish.Err != nil && !sameError(m.wish.Err, wish.Err) {
			partial = append(partial, wish)
		}
		m.adopt(wish)
	}
	for name, m := range r.models {
		if !listed[name] {
			m.dismiss()
		}
		for version, v := range m.versions {
			if !v.wanted && v.live == nil && v.state != Unloading && v.cancel == nil {
				delete(m.versions, version) // END was shown since the last poll
			}
		}
		if !m.wanted && len(m.versions) == 0 {
			delete(r.models, name)
		}
	}
	swaps = r.publish()
	r.beginLoads(r.unloaded())
}

// unloaded returns the versions that are to be loaded and are not on their way: those that are to serve
// first, then the highest first. Requires r.mu be held.
func (r *Registry) unloaded() []*versionRecord {
	var all []*versionRecord
	for _, m := range r.models {
		for _, v := range m.versions {
			if v.wanted && v.cancel == nil && (v.state == Start || v.state == Failed) && !m.holdsOut(v) {
				all = append(all, v)
			}
		}
	}
	later := func(v *versionRecord) int {
		if r.models[v.model].wish.Serving == v.version {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b *versionRecord) int {
		return cmp.Or(cmp.Compare(later(a), later(b)), strings.Compare(a.model, b.model), CompareVersions(b.version, a.version))
	})
	return all
}

func (m *modelRecord) adopt(wish Aspired) {
	if m.unloaded {
		wish = Aspired{Name: m.name}
	}
	m.wanted, m.wish = true, wish
	for _, version := range wish.Versions {
		revision := wish.Revisions[version]
		v := m.versions[version]
		switch {
		case v == nil || v.state == Unloading || v.state == End:
			m.versions[version] = &versionRecord{model: m.name, version: version, revision: revision, wanted: true}
		case v.revision != revision:
			v.revision, v.state, v.reason, v.files, v.quarantined = revision, Start, "", "", false
			v.abandon()
		}
	}
	for version, v := range m.versions {
		if v.wanted = slices.Contains(wish.Versions, version) || v.wanted && wish.Err != nil; !v.wanted {
			v.abandon()
		}
	}
}

// abandon ends the load that is under way, if one is.
func (v *versionRecord) abandon() {
	if v.cancel != nil {
		v.cancel()
	}
}

// dismiss makes the model wanted no longer.
func (m *modelRecord) dismiss() {
	m.wanted, m.unloaded, m.wish, m.previous = false, false, Aspired{Name: m.name}, ""
	for _, v := range m.versions {
		v.wanted = false
		v.abandon()
	}
}

// relabel moves each label to the version it should name, as far as that is loaded.
func (m *modelRecord) relabel() {
	wish := maps.Clone(m.wish.Aliases)
	if wish == nil {
		wish = map[string]string{}
	}
	if m.wish.Serving != "" {
		wish[""] = m.wish.Serving
	}
	if m.wish.Err != nil {
		for label, version := range m.labels {
			if wish[label] == "" {
				wish[label] = version
			}
		}
	}
	labels := map[string]string{}
	for label, target := range wish {
		if version := m.choose(label, target); version != "" {
			labels[label] = version
		}
	}
	m.labels = labels
}

// choose returns the loaded version that a label meant for target names, or "". It is the rule that
// Registry documents.
func (m *modelRecord) choose(label, target string) string {
	wanted := m.versions[target]
	if wanted != nil && wanted.state == Available { // not what another revision of it left behind
		return target
	}
	if last := m.labels[label]; m.live(last) {
		return last
	}
	if last := m.servedBefore(); (label == "" || label == Champion) && last != "" && wanted != nil && wanted.quarantined {
		return last
	}
	if before := m.wish.Aliases[Previous]; (label == "" || label == Champion) && m.live(before) && wanted != nil && wanted.state == Failed {
		return before
	}
	if label != "" || m.wish.Aliases[Champion] == target || wanted == nil || wanted.state != Failed {
		return ""
	}
	highest := ""
	for version := range m.versions {
		if m.live(version) && CompareVersions(version, target) < 0 && CompareVersions(version, highest) > 0 {
			highest = version
		}
	}
	return highest
}

// servedBefore returns the version that served before, or "" where none did, or what its number stands
// for by now is another or not loaded.
func (m *modelRecord) servedBefore() string {
	v := m.versions[m.previous]
	if v == nil || v.live == nil || v.loaded != m.previousRevision || v.revision != m.previousRevision {
		return ""
	}
	return m.previous
}

// holdsOut tells whether what is loaded of a version serves, is another than the source has under its
// number, as what came with the program, and is all there is until the version that should serve is
// loaded: to load what has its number now would put that into service, which nobody asked for.
func (m *modelRecord) holdsOut(v *versionRecord) bool {
	meant := m.versions[m.wish.Serving]
	return v.live != nil && v.loaded != v.revision && m.labels[""] == v.version && m.wish.Serving != v.version && (meant == nil || meant.state != Available)
}

// standIn returns the version that serves in place of the one that should and has failed, "" if none has
// to.
func (m *modelRecord) standIn() string {
	meant, serving := m.versions[m.wish.Serving], m.labels[""]
	v := m.versions[serving]
	if meant == nil || meant.state != Failed || v == nil || serving == m.wish.Serving || v.loaded != v.revision {
		return ""
	}
	return serving
}

func (m *modelRecord) live(version string) bool {
	v := m.versions[version]
	return v != nil && v.live != nil
}
