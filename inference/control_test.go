package inference

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var anna = By{Actor: "anna", Reason: "a look at it"}

// routed asks many times without a key, and returns how often each variant and version answered.
func routed(t *testing.T, r *Registry, key string) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range 1000 {
		h, variant, err := r.Route("m", key)
		if err != nil {
			t.Fatal(err)
		}
		got[variant+"="+h.Version()]++
		h.Release()
	}
	return got
}

func only(t *testing.T, got map[string]int, want string) {
	t.Helper()
	if got[want] != 1000 {
		t.Errorf("got %v, want %s alone", got, want)
	}
}

func canary(percent float64) Route {
	return Route{Variants: []Variant{{"champion", "champion", 100 - percent}, {"canary", "3", percent}}}
}

// three is a stage with versions 1 to 3, of which 2 is the champion.
func three(t *testing.T) *stage {
	t.Helper()
	s := newStage(t)
	for _, version := range []string{"1", "2", "3"} {
		s.put(t, "m", version, "good")
	}
	writeFile(t, filepath.Join(s.dir, "m", "aliases.json"), `{"champion": "2"}`)
	return s
}

func TestRoutes(t *testing.T) {
	s := three(t)
	path := filepath.Join(t.TempDir(), "routes.json")
	routes, err := OpenRoutes(path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t, s, Options{Routes: routes})
	poll(t, r)
	only(t, routed(t, r, ""), "champion=2")

	if err := r.SetRoute(t.Context(), "m", canary(25), anna); err != nil {
		t.Fatal(err)
	}
	got := routed(t, r, "")
	if n := got["canary=3"]; n < 180 || n > 320 || got["champion=2"] != 1000-n {
		t.Errorf("got %v, want a quarter on version 3", got)
	}
	keyed := routed(t, r, "user-1")
	if len(keyed) != 1 {
		t.Errorf("one key, got %v", keyed)
	}
	if got := answer(t, r, "m", ""); got != "m/2=12" {
		t.Errorf("Acquire is not about routes: got %s", got)
	}

	// Another process, or this one after a restart, does the same for the same key.
	again, err := OpenRoutes(path)
	if err != nil {
		t.Fatal(err)
	}
	other := newRegistry(t, s, Options{Routes: again})
	poll(t, other)
	if got := routed(t, other, "user-1"); fmt.Sprint(got) != fmt.Sprint(keyed) {
		t.Errorf("after a restart: got %v, want %v", got, keyed)
	}

	// The alias is followed; a version that has gone leaves its share to the champion.
	writeFile(t, filepath.Join(s.dir, "m", "aliases.json"), `{"champion": "1"}`)
	if err := os.RemoveAll(filepath.Join(s.dir, "m", "3")); err != nil {
		t.Fatal(err)
	}
	poll(t, other)
	if got := routed(t, other, ""); got["champion=2"] > 0 || got["canary=3"] == 0 {
		t.Errorf("version 3 is routed to, so it stays: got %v", got)
	}
	if err := other.SetRoute(t.Context(), "m", Route{}, anna); err != nil {
		t.Fatal(err)
	}
	only(t, routed(t, other, ""), "champion=1")

	changes := again.Changes("m")
	if len(changes) != 2 || changes[0].Actor != "anna" || changes[0].Reason != "a look at it" || changes[0].Route == nil || changes[1].Route.Variants[1].Percent != 25 {
		t.Errorf("got changes %+v", changes)
	}
}

func TestSetRouteRefuses(t *testing.T) {
	s := three(t)
	s.put(t, "m", "4", "bad")
	path := filepath.Join(t.TempDir(), "routes.json")
	routes, err := OpenRoutes(path)
	if err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t, s, Options{Routes: routes})
	poll(t, r)
	for _, c := range []struct {
		name, model string
		route       Route
		by          By
		is          error
		want        string
	}{
		{"no actor", "m", canary(10), By{}, ErrRefused, "actor: expected 1 to 255 bytes"},
		{"a novel", "m", canary(10), By{"anna", strings.Repeat("x", 5000)}, ErrRefused, "reason: expected at most 4096 bytes, got 5000"},
		{"no such model", "n", canary(10), anna, ErrModelUnknown, `"n"`},
		{"no such model for a shadow", "n", Route{Shadow: "1"}, anna, ErrModelUnknown, `"n"`},
		{"no such version", "m", Route{Variants: []Variant{{"a", "9", 100}}}, anna, ErrVersionUnknown, `variants[0].version: model version unknown: "m" version "9"`},
		{"no such alias", "m", Route{Shadow: "challenger"}, anna, ErrVersionUnknown, "shadow: "},
		{"a version that failed", "m", Route{Variants: []Variant{{"a", "4", 100}}}, anna, ErrNotReady, "the file is bad"},
		{"a bad sum", "m", Route{Variants: []Variant{{"a", "1", 10}}}, anna, ErrRefused, "sum to 100"},
	} {
		err := r.SetRoute(t.Context(), c.model, c.route, c.by)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
		if errors.Is(c.is, ErrModelUnknown) && !strings.HasPrefix(err.Error(), c.is.Error()) {
			t.Errorf("%s: got %v, which blames the route", c.name, err)
		}
	}
	only(t, routed(t, r, ""), "champion=2")
	if _, err := os.Stat(path); err == nil || len(routes.Changes("m")) > 0 {
		t.Error("what was refused was kept")
	}
}

func TestOpenRoutesRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"half a file":    `{"routes": {"m": `,
		"not an object":  `[]`,
		"a bad sum":      `{"routes": {"m": {"variants": [{"name": "a", "version": "1", "percent": 1}]}}}`,
		"another's type": `{"routes": {"m": {"variants": 3}}}`,
	} {
		path := filepath.Join(t.TempDir(), "routes.json")
		writeFile(t, path, text)
		if _, err := OpenRoutes(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPromoteAndRollBack(t *testing.T) {
	s := three(t)
	routes, err := OpenRoutes("")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	r := newRegistry(t, s, Options{Routes: routes, Now: func() time.Time { return now }})
	poll(t, r)
	ctx := t.Context()
	if err := r.RollBack(ctx, "m", "", anna); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "name the version to go back to") {
		t.Errorf("nothing to go back to: got %v", err)
	}
	if err := r.Promote(ctx, "m", "9", anna); !errors.Is(err, ErrVersionUnknown) {
		t.Errorf("got %v", err)
	}
	if err := r.Promote(ctx, "m", "3", anna); err != nil {
		t.Fatal(err)
	}
	if got := states(r, "m"); got != "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE -> 3 champion=3" {
		t.Errorf("got %s", got)
	}
	if err := r.SetRoute(ctx, "m", Route{Variants: []Variant{{"a", "1", 50}, {"b", "3", 50}}}, anna); err != nil {
		t.Fatal(err)
	}
	if err := r.RollBack(ctx, "m", "", By{Actor: "ben"}); err != nil {
		t.Fatal(err)
	}
	only(t, routed(t, r, "user-1"), "champion=2")
	want := []string{"rollback ben 2 from 3", "traffic anna  from ", "promote anna 3 from 2"}
	for i, c := range routes.Changes("m") {
		if got := fmt.Sprintf("%s %s %s from %s", c.Action, c.Actor, c.Version, c.From); got != want[i] || !c.At.Equal(now) {
			t.Errorf("change %d: got %s at %s, want %s", i, got, c.At, want[i])
		}
	}
	if err := r.RollBack(ctx, "m", "1", anna); err != nil {
		t.Fatal(err)
	}
	only(t, routed(t, r, ""), "champion=1")
}

func TestUnloadAndLoad(t *testing.T) {
	s := three(t)
	s.put(t, "m", "4", "bad")
	r := newRegistry(t, s, Options{})
	poll(t, r)
	held, err := r.Acquire("m", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := r.Unload(ctx, "m", anna); err != nil {
		t.Fatal(err)
	}
	poll(t, r)
	if got := answer(t, r, "m", ""); got != `model not ready: "m" has been unloaded` {
		t.Errorf("got %s", got)
	}
	held.Release()
	if err := r.Unload(ctx, "n", anna); !errors.Is(err, ErrModelUnknown) {
		t.Errorf("got %v", err)
	}
	opened := len(s.opened)
	if err := r.Load(ctx, "m", anna); err != nil {
		t.Fatal(err)
	}
	if got := states(r, "m"); got != "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE 4:FAILED -> 2 champion=2" || len(s.opened) != opened+4 {
		t.Errorf("got %s after opening %v", got, s.opened[opened:])
	}
	if err := r.Load(ctx, "n", anna); !errors.Is(err, ErrModelUnknown) {
		t.Errorf("got %v", err)
	}
}

// A shadow sees what the champion sees, and costs the caller nothing when it is slow.
func TestShadow(t *testing.T) {
	s := three(t)
	var ran sync.Map // by version: how many rows
	r := newRegistry(t, s, Options{Observe: func(_, version string) Observer {
		n, _ := ran.LoadOrStore(version, new(atomic.Int64))
		return counting{n.(*atomic.Int64)}
	}})
	poll(t, r)
	rows := func(version string) int64 {
		n, _ := ran.Load(version)
		return n.(*atomic.Int64).Load()
	}
	request := []Tensor{{"x", FP32, []int64{1, 1}, BytesOf([]float32{10})}}
	r.Mirror("m", request) // no shadow yet
	r.Mirror("n", request)
	if err := r.SetRoute(t.Context(), "m", Route{Shadow: "3"}, anna); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		r.Mirror("m", request)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for rows("3") < 10 {
		select {
		case <-ctx.Done():
			t.Fatalf("the shadow answered %d of 10", rows("3"))
		case <-time.After(time.Millisecond):
		}
	}
	only(t, routed(t, r, ""), "champion=2")
	large := []Tensor{{"x", FP32, []int64{1 << 19, 1}, make([]byte, 4<<19)}} // 2 MiB
	r.Mirror("m", large)
	if got := dropped(r, "m"); got != 1 {
		t.Errorf("dropped %d, want 1", got)
	}
	if err := r.SetRoute(t.Context(), "m", Route{}, anna); err != nil {
		t.Fatal(err)
	}
	r.Mirror("m", request)
	if rows("3") != 10 || rows("2") != 0 {
		t.Errorf("version 3 answered %d and version 2 %d", rows("3"), rows("2"))
	}
}

type counting struct{ n *atomic.Int64 }

func (c counting) Ran(e Execution)               { c.n.Add(int64(e.Rows)) }
func (c counting) Rejected(error, time.Duration) {}
