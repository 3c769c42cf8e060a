package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// changesMax is how many changes are kept, the latest.
	changesMax    = 1000
	routesSizeMax = 64 << 20
)

// A Change is a decision about what of a model serves, and whose it was.
type Change struct {
	At     time.Time `json:"at"`
	Model  string    `json:"model"`
	Action Action    `json:"action"`
	Actor  string    `json:"actor"`
	Reason string    `json:"reason,omitempty"`
	// Version is the one that was promoted or rolled back to, From the one that served before. Of a
	// quarantine, From is the one that failed and Version the one that serves from then on.
	Version string `json:"version,omitempty"`
	From    string `json:"from,omitempty"`
	// Forced: it was promoted whatever the gate said.
	Forced bool `json:"forced,omitempty"`
	// Route is the one that was set; nil if it is not about that.
	Route *Route `json:"route,omitempty"`
}

// Action is what a Change did.
type Action string

// The actions.
const (
	SetTraffic Action = "traffic"
	Promote    Action = "promote"
	RollBack   Action = "rollback"
	Load       Action = "load"
	Unload     Action = "unload"
	Quarantine Action = "quarantine"
)

// Routes are the routes of all models and the record of their changes, in one file that is replaced
// at each change. They are safe for concurrent use.
type Routes struct {
	path string

	mu    sync.Mutex
	state routesState
}

type routesState struct {
	Routes  map[string]Route `json:"routes"`  // by model
	Changes []Change         `json:"changes"` // the latest last
}

// OpenRoutes reads the file, if it is there; an empty path keeps everything in memory. A file that
// says what no route can be is an error: to serve without would send traffic where nobody wants it.
func OpenRoutes(path string) (*Routes, error) {
	r := &Routes{path: path, state: routesState{Routes: map[string]Route{}}}
	if path == "" {
		return r, nil
	}
	file, err := OpenFile(os.OpenFile, path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, routesSizeMax+1))
	if err == nil && len(text) > routesSizeMax {
		err = fmt.Errorf("expected at most %d bytes, got more", routesSizeMax)
	}
	if err == nil {
		err = json.Unmarshal(text, &r.state)
	}
	if err != nil {
		return nil, fmt.Errorf("routes %s: %w", path, err)
	}
	for model, route := range r.state.Routes {
		if err := route.Check(); err != nil {
			return nil, fmt.Errorf("routes %s: model %q: %w", path, clip(model), err)
		}
	}
	if r.state.Routes == nil {
		r.state.Routes = map[string]Route{}
	}
	return r, nil
}

// of returns the route of a model, the zero Route if it has none.
func (r *Routes) of(model string) Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.Routes[model]
}

// Versions returns the versions that a model's route names by their numbers.
func (r *Routes) Versions(model string) (versions []string) {
	route := r.of(model)
	named := []string{route.Shadow}
	for _, v := range route.Variants {
		named = append(named, v.Version)
	}
	for _, name := range named {
		if IsVersion(name) && !slices.Contains(versions, name) {
			versions = append(versions, name)
		}
	}
	return versions
}

// record keeps a change, and the route that it set. Where it cannot be kept nothing has changed.
func (r *Routes) record(c Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := routesState{Routes: maps.Clone(r.state.Routes), Changes: append(slices.Clone(r.state.Changes), c)}
	if extra := len(next.Changes) - changesMax; extra > 0 {
		next.Changes = next.Changes[extra:]
	}
	if c.Route != nil {
		next.Routes[c.Model] = *c.Route
		if len(c.Route.Variants) == 0 && c.Route.Shadow == "" {
			delete(next.Routes, c.Model)
		}
	}
	if r.path != "" {
		text, err := json.MarshalIndent(next, "", "  ")
		if err == nil {
			err = os.MkdirAll(filepath.Dir(r.path), 0o700)
		}
		if err == nil {
			err = ReplaceFile(r.path, append(text, '\n'))
		}
		if err != nil {
			return fmt.Errorf("keep the routes: %w", err)
		}
	}
	r.state = next
	return nil
}

// Changes returns what was decided about a model, the latest first.
func (r *Routes) Changes(model string) []Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Change
	for _, c := range slices.Backward(r.state.Changes) {
		if c.Model == model {
			all = append(all, c)
		}
	}
	return all
}
