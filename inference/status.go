package inference

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Status is what a Registry holds at one moment.
type Status struct {
	// Models are sorted by name.
	Models []ModelStatus
	// Listed is when the source was last read, zero if never.
	Listed time.Time
	// Err says why the source could not be read at the last poll, nil if it was.
	Err error
}

// ModelStatus is one model.
type ModelStatus struct {
	Name string
	// Serving is the version that answers where a request names none; empty: the model is not ready.
	Serving string
	// Err says what the source does not know of the model just now; see Aspired.
	Err error
	// Route is how requests that name no version are shared out.
	Route Route
	// Quarantines is how many versions were taken out of service since they failed there.
	Quarantines uint64
	// ShadowsDropped is how many copies of requests no shadow got, since the model's queue was full or
	// they were large.
	ShadowsDropped uint64
	// Versions are all that are wanted, held or ended since the last poll, the lowest first.
	Versions []VersionStatus
}

// VersionStatus is one version of a model. Inputs, Outputs, Metadata and LoadedAt are set once it has
// been available.
type VersionStatus struct {
	Version  string
	Revision string   // of what is loaded, or was last; see Aspired
	Aliases  []string // that name it now, sorted
	State    State
	Reason   string // why it is Failed, or still Unloading
	LoadedAt time.Time
	Inputs   []TensorSpec
	Outputs  []TensorSpec
	Metadata any // what Options.Admit returned
	// Metrics are what the Source says of it; see Aspired.
	Metrics map[string]float64
}

// Changed returns a channel that is closed when Status may say something else than now.
func (r *Registry) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// touch says that Status has changed. Requires r.mu be held.
func (r *Registry) touch() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Changes returns what was decided about a model, the latest first.
func (r *Registry) Changes(model string) ([]Change, error) {
	r.mu.Lock()
	known := r.models[model] != nil
	r.mu.Unlock()
	changes := r.options.Routes.Changes(model)
	if !known && len(changes) == 0 {
		return nil, r.refuse(model, "")
	}
	return changes, nil
}

// Status returns what is loaded, what is not, and why not.
func (r *Registry) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	status := Status{Listed: r.listed, Err: r.listErr}
	for _, name := range slices.Sorted(maps.Keys(r.models)) {
		m := r.models[name]
		ms := ModelStatus{Name: name, Serving: m.labels[""], Err: m.wish.Err, Route: r.options.Routes.of(name), Quarantines: m.quarantines, ShadowsDropped: m.shadowsDropped.Load()}
		for _, version := range slices.SortedFunc(maps.Keys(m.versions), CompareVersions) {
			v := m.versions[version]
			vs := VersionStatus{
				Version: version, Revision: v.loaded, State: v.state, Reason: v.reason, LoadedAt: v.loadedAt,
				Inputs: v.inputs, Outputs: v.outputs, Metadata: v.metadata, Metrics: m.wish.Metrics[version],
			}
			if v.state == Unloading && v.draining != nil {
				vs.Reason = fmt.Sprintf("held by %d requests", max(0, v.draining.holders.Load()))
			}
			for alias, named := range m.labels {
				if alias != "" && named == version {
					vs.Aliases = append(vs.Aliases, alias)
				}
			}
			slices.SortFunc(vs.Aliases, strings.Compare)
			ms.Versions = append(ms.Versions, vs)
		}
		status.Models = append(status.Models, ms)
	}
	return status
}
