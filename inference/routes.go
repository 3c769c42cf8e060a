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
	// Revision is that of Version, and FromRevision that of From, where the Source tells them.
	Revision     string `json:"revision,omitempty"`
	FromRevision string `json:"from_revision,omitempty"`
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

// Routes are the routes of all models, the record of their changes and the quarantines, in one file that
// is replaced at each change. Servers that share the file share what is in it: each reads it again before
// it changes it, and whenever Refresh finds that another has. They are safe for concurrent use.
type Routes struct {
	path string

	editing sync.Mutex  // held while the file is read or written, so that nobody waits for a disk with mu
	seen    fs.FileInfo // the file that state was read from or written to, nil: none; editing guards it

	mu    sync.Mutex
	state routesState // replaced, never changed
}

type routesState struct {
	Routes map[string]Route `json:"routes"` // by model
	// Revisions are those of the versions that routes name by their numbers, by model and version: a
	// model that is registered anew has other versions of the same numbers.
	Revisions map[string]map[string]string `json:"revisions,omitempty"`
	Changes   []Change                     `json:"changes"` // the latest last
	// Quarantined are versions that failed in service and are not to serve after a restart either.
	Quarantined []quarantined `json:"quarantined,omitempty"`
}

// complete makes the maps that are missing.
func (s *routesState) complete() {
	if s.Routes == nil {
		s.Routes = map[string]Route{}
	}
	if s.Revisions == nil {
		s.Revisions = map[string]map[string]string{}
	}
}

// OpenRoutes reads the file, if it is there; an empty path keeps everything in memory. A file that
// says what no route can be is an error: to serve without would send traffic where nobody wants it.
func OpenRoutes(path string) (*Routes, error) {
	r := &Routes{path: path}
	r.state.complete()
	if path == "" {
		return r, nil
	}
	return r, r.read()
}

// read takes over what the file says, if it is there. Requires r.editing be held.
func (r *Routes) read() error {
	file, err := OpenFile(os.OpenFile, r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("routes: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("routes: %w", err)
	}
	if r.seen != nil && os.SameFile(info, r.seen) && info.ModTime().Equal(r.seen.ModTime()) && info.Size() == r.seen.Size() {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(file, routesSizeMax+1))
	if err == nil && len(text) > routesSizeMax {
		err = fmt.Errorf("expected at most %d bytes, got more", routesSizeMax)
	}
	var state routesState
	if err == nil {
		err = json.Unmarshal(text, &state)
	}
	if err != nil {
		return fmt.Errorf("routes %s: %w", r.path, err)
	}
	for model, route := range state.Routes {
		if err := route.Check(); err != nil {
			return fmt.Errorf("routes %s: model %q: %w", r.path, clip(model), err)
		}
	}
	state.complete()
	r.seen = info
	r.set(state)
	return nil
}

// refresh takes over what another process has written, and tells whether one has.
func (r *Routes) refresh() (changed bool, err error) {
	if r.path == "" {
		return false, nil
	}
	r.editing.Lock()
	defer r.editing.Unlock()
	before := r.seen
	err = r.read()
	return r.seen != before, err
}

// of returns the route of a model, the zero Route if it has none.
func (r *Routes) of(model string) Route {
	return r.get().Routes[model]
}

// stray returns a version that the model's route names and that is not, as it is wished for, the one
// that the route was set for; "" if there is none.
func (r *Routes) stray(wish Aspired) string {
	for version, revision := range r.get().Revisions[wish.Name] { // "" is that of what came with the program
		if now := wish.Revisions[version]; now != "" && now != revision {
			return version
		}
	}
	return ""
}

// Versions returns the versions that a model's route names by their numbers.
func (r *Routes) Versions(model string) (versions []string) { return r.of(model).numbers() }

func (r Route) numbers() (versions []string) {
	named := []string{r.Shadow}
	for _, v := range r.Variants {
		named = append(named, v.Version)
	}
	for _, name := range named {
		if IsVersion(name) && !slices.Contains(versions, name) {
			versions = append(versions, name)
		}
	}
	return versions
}

// record keeps a change, and the route that it sets, with the revisions of the versions that this names
// by their numbers. Where it cannot be kept nothing has changed.
func (r *Routes) record(c Change, revisions map[string]string) error {
	return r.edit(func(next *routesState) {
		next.add(c)
		next.set(c, revisions)
	})
}

func (s *routesState) add(c Change) {
	s.Changes = append(s.Changes, c)
	if extra := len(s.Changes) - changesMax; extra > 0 {
		s.Changes = s.Changes[extra:]
	}
}

// amend has another change stand where one was recorded; nil takes it back. The route that it set stays,
// unless the other sets one and nobody has set a third meanwhile.
func (r *Routes) amend(recorded Change, other *Change) error {
	return r.edit(func(next *routesState) {
		for i, c := range slices.Backward(next.Changes) {
			if c.At.Equal(recorded.At) && c.Model == recorded.Model && c.Action == recorded.Action {
				next.Changes = slices.Delete(next.Changes, i, i+1)
				if other != nil {
					next.Changes = slices.Insert(next.Changes, i, *other)
				}
				break
			}
		}
		if other != nil && recorded.Route != nil && next.Routes[recorded.Model].equal(*recorded.Route) {
			next.set(*other, nil)
		}
	})
}

// set sets the route that a change is about.
func (s *routesState) set(c Change, revisions map[string]string) {
	if c.Route == nil {
		return
	}
	delete(s.Routes, c.Model)
	delete(s.Revisions, c.Model)
	if len(c.Route.Variants) > 0 || c.Route.Shadow != "" {
		s.Routes[c.Model] = *c.Route
		s.Revisions[c.Model] = revisions
	}
}

// edit changes the file, as it is by now, and then what is in memory.
func (r *Routes) edit(change func(next *routesState)) error {
	r.editing.Lock()
	defer r.editing.Unlock()
	if r.path == "" {
		next := r.get().clone()
		change(&next)
		r.set(next)
		return nil
	}
	if err := r.write(change); err != nil {
		return fmt.Errorf("keep the routes: %w", err)
	}
	return nil
}

func (r *Routes) write(change func(next *routesState)) (err error) {
	folder := filepath.Dir(r.path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	lock, err := lockFolder(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := r.read(); err != nil {
		return err
	}
	next := r.get().clone()
	change(&next)
	text, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := ReplaceFile(r.path, append(text, '\n')); err != nil {
		return err
	}
	r.set(next)
	r.seen, err = os.Stat(r.path)
	return err
}

func (r *Routes) get() routesState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

func (r *Routes) set(state routesState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = state
}

func (s routesState) clone() routesState {
	return routesState{
		Routes: maps.Clone(s.Routes), Revisions: maps.Clone(s.Revisions),
		Changes: slices.Clone(s.Changes), Quarantined: slices.Clone(s.Quarantined),
	}
}

// quarantined is a version that failed in service, of that revision and, where its Source tells none,
// of these files.
type quarantined struct {
	Model    string `json:"model"`
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Files    string `json:"files,omitempty"` // the hash of their fingerprint
	Reason   string `json:"reason"`
}

func (q quarantined) same(other quarantined) bool {
	return q.Model == other.Model && q.Version == other.Version && q.Revision == other.Revision && q.Files == other.Files
}

// condemn keeps a quarantine, and its change, beyond a restart.
func (r *Routes) condemn(q quarantined, c Change) error {
	return r.edit(func(next *routesState) {
		next.add(c)
		next.Quarantined = append(slices.DeleteFunc(next.Quarantined, func(other quarantined) bool {
			return other.Model == q.Model && other.Version == q.Version
		}), q)
		if extra := len(next.Quarantined) - changesMax; extra > 0 {
			next.Quarantined = next.Quarantined[extra:]
		}
	})
}

// condemned returns why a version was quarantined, "" if it was not.
func (r *Routes) condemned(q quarantined) string {
	for _, other := range r.get().Quarantined {
		if other.same(q) {
			return other.Reason
		}
	}
	return ""
}

// pardon ends the quarantines that end says. It writes nothing where there are none.
func (r *Routes) pardon(ends func(quarantined) bool) error {
	if !slices.ContainsFunc(r.get().Quarantined, ends) {
		return nil
	}
	return r.edit(func(next *routesState) { next.Quarantined = slices.DeleteFunc(next.Quarantined, ends) })
}

// Changes returns what was decided about a model, the latest first.
func (r *Routes) Changes(model string) []Change {
	var all []Change
	for _, c := range slices.Backward(r.get().Changes) {
		if c.Model == model {
			all = append(all, c)
		}
	}
	return all
}
