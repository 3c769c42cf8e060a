package inference

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// unwritable is Routes that can keep nothing any more, as on a full disk, until mend.
func unwritable(t *testing.T) (routes *Routes, spoil, mend func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "routes.json")
	routes, err := OpenRoutes(path)
	if err != nil {
		t.Fatal(err)
	}
	spoil = func() {
		if err := errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Join(path, "x"), 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	mend = func() {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	return routes, spoil, mend
}

// What cannot be recorded is not done.
func TestWhatCannotBeRecordedIsNotDone(t *testing.T) {
	s := three(t)
	routes, spoil, mend := unwritable(t)
	r := newRegistry(t, s, Options{Routes: routes})
	poll(t, r)
	ctx := t.Context()
	if err := r.Promote(ctx, "m", "3", anna); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"traffic":  func() error { return r.SetRoute(ctx, "m", canary(50), anna) },
		"promote":  func() error { return r.Promote(ctx, "m", "1", anna) },
		"rollback": func() error { return r.RollBack(ctx, "m", "", anna) },
		"unload":   func() error { return r.Unload(ctx, "m", anna) },
		"load":     func() error { return r.Load(ctx, "m", anna) },
	} {
		spoil()
		before := len(routes.Changes("m"))
		if err := do(); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "cannot be recorded") {
			t.Errorf("%s: got %v", name, err)
		}
		poll(t, r)
		if got := states(r, "m"); got != "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE -> 3 champion=3" || len(routes.Changes("m")) != before {
			t.Errorf("%s: got %s and %+v", name, got, routes.Changes("m"))
		}
		only(t, routed(t, r, ""), "champion=3")
		mend()
	}
}

// wedged is a stage whose aliases cannot be moved until the test says so.
type wedged struct {
	*stage
	moved chan struct{}
}

func (w *wedged) SetAlias(ctx context.Context, model, alias, version string) error {
	select {
	case <-w.moved:
		return w.stage.SetAlias(ctx, model, alias, version)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A roll back takes effect before the source has moved its alias, and stays in effect if it never does;
// a promotion that the source does not carry out leaves nothing behind.
func TestRollBackWaitsForNoSource(t *testing.T) {
	s := &wedged{three(t), make(chan struct{})}
	r := NewRegistry(s, s, Options{})
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	poll(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.RollBack(ctx, "m", "1", anna) }()
	for changed := r.Changed(); routedNow(t, r) != "1"; changed = r.Changed() {
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was rolled back")
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "answers by a route") {
		t.Errorf("got %v", err)
	}
	only(t, routed(t, r, ""), "champion=1")
	if err := r.SetRoute(t.Context(), "m", Route{}, anna); err != nil {
		t.Error(err)
	}
	if err := r.Promote(ctx, "m", "3", anna); !errors.Is(err, ErrSource) {
		t.Errorf("got %v", err)
	}
	if changes, err := r.Changes("m"); err != nil || len(changes) != 2 || changes[0].Action != SetTraffic {
		t.Errorf("got %+v, %v", changes, err)
	}
	go func() { ended <- r.RollBack(t.Context(), "m", "1", anna) }()
	for changed := r.Changed(); routedNow(t, r) != "1"; changed = r.Changed() {
		<-changed
	}
	if err := r.SetRoute(t.Context(), "m", canary(100), anna); err != nil { // meanwhile
		t.Error(err)
	}
	close(s.moved)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	only(t, routed(t, r, ""), "canary=3")
	if err := r.RollBack(t.Context(), "m", "1", anna); err != nil {
		t.Error(err)
	}
	if model := r.Status().Models[0]; model.Serving != "1" || len(model.Route.Variants) != 0 {
		t.Errorf("got %+v", model)
	}
}

func routedNow(t *testing.T, r *Registry) string {
	t.Helper()
	h, _, err := r.Route("m", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	return h.Version()
}

// Servers that share a folder share what was decided, and lose nothing of it.
func TestRoutesAreShared(t *testing.T) {
	s := three(t)
	path := filepath.Join(t.TempDir(), "models", "routes.json")
	var servers [2]*Registry
	for i := range servers {
		routes, err := OpenRoutes(path)
		if err != nil {
			t.Fatal(err)
		}
		servers[i] = newRegistry(t, s, Options{Routes: routes})
		poll(t, servers[i])
	}
	one, other := servers[0], servers[1]
	if err := one.SetRoute(t.Context(), "m", canary(100), anna); err != nil {
		t.Fatal(err)
	}
	if err := other.Load(t.Context(), "m", By{Actor: "ben"}); err != nil {
		t.Fatal(err)
	}
	poll(t, other)
	only(t, routed(t, other, ""), "canary=3")
	var both sync.WaitGroup
	for _, r := range servers {
		both.Go(func() {
			for range 20 {
				if err := r.Load(t.Context(), "m", anna); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	for _, r := range servers {
		poll(t, r)
		if changes, err := r.Changes("m"); err != nil || len(changes) != 42 {
			t.Errorf("got %d changes, %v; want 42", len(changes), err)
		}
		only(t, routed(t, r, ""), "canary=3")
	}

	// What somebody has spoilt is not followed, and nothing is written over it.
	writeFile(t, path, `{"routes": {"m": {"variants": [{"name": "half", "version": "1", "percent": 50}]}}}`)
	poll(t, one)
	only(t, routed(t, one, ""), "canary=3")
	if err := one.SetRoute(t.Context(), "m", Route{}, anna); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "routes.json") {
		t.Errorf("got %v", err)
	}
}

// A version that would get no requests is not promoted, so nobody takes it for what serves.
func TestPromoteHeedsTheRoute(t *testing.T) {
	s := three(t)
	r := newRegistry(t, s, Options{})
	poll(t, r)
	for _, test := range []struct {
		name    string
		route   Route
		refused bool
	}{
		{"all pinned", Route{Variants: []Variant{{"all", "1", 100}}}, true},
		{"nothing for the champion", Route{Variants: []Variant{{"champion", "champion", 0}, {"all", "1", 100}}}, true},
		{"an experiment between others", Route{Variants: []Variant{{"a", "1", 50}, {"b", "2", 50}}}, true},
		{"it is a variant", Route{Variants: []Variant{{"a", "1", 50}, {"b", "3", 50}}}, false},
		{"a canary", canary(10), false},
		{"a shadow", Route{Shadow: "1"}, false},
	} {
		if err := r.RollBack(t.Context(), "m", "2", anna); err != nil {
			t.Fatal(err)
		}
		if err := r.SetRoute(t.Context(), "m", test.route, anna); err != nil {
			t.Fatal(err)
		}
		err := r.Promote(t.Context(), "m", "3", anna)
		if test.refused != errors.Is(err, ErrRefused) || !test.refused && err != nil {
			t.Errorf("%s: got %v", test.name, err)
		}
		if serving := r.Status().Models[0].Serving; (serving == "3") == test.refused {
			t.Errorf("%s: version %s serves", test.name, serving)
		}
	}
}
