package inference

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
)

// revised wants version 1 of model "m" in that revision.
func revised(revision string) []Aspired {
	return []Aspired{{Name: "m", Versions: []string{"1"}, Serving: "1", Revisions: map[string]string{"1": revision}}}
}

// What is loaded serves until another revision of the version has been loaded, and is closed then.
func TestRevisionReplacesAVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.put(t, "m", "1", "good")
		r := newRegistry(t, s, Options{})
		s.wishes = revised("a")
		poll(t, r)
		poll(t, r)
		if got := r.Status().Models[0].Versions[0].Revision; got != "a" {
			t.Errorf("got revision %q", got)
		}
		if len(s.opened) != 1 {
			t.Errorf("the same revision was opened %d times", len(s.opened))
		}
		held, err := r.Acquire("m", "")
		if err != nil {
			t.Fatal(err)
		}

		s.wishes = revised("b")
		s.onOpen = func(context.Context, string) error {
			if got := states(r, "m"); got != "1:LOADING -> 1" {
				t.Errorf("while it is loaded: got %s", got)
			}
			if got := answer(t, r, "m", "1"); got != "m/1=11" {
				t.Errorf("while it is loaded: got %s", got)
			}
			return nil
		}
		poll(t, r)
		synctest.Wait()
		if got := states(r, "m"); got != "1:AVAILABLE -> 1" || len(s.opened) != 2 {
			t.Errorf("got %s, opened %d times", got, len(s.opened))
		}
		now, err := r.Acquire("m", "")
		if err != nil {
			t.Fatal(err)
		}
		if now.Model() == held.Model() {
			t.Error("the other revision does not serve")
		}
		first := held.Model().(*batched).Model.(*puppet)
		if first.closed.Load() {
			t.Error("closed while it is held")
		}

		// The version is given up while both are held: it ends with the last of them.
		s.wishes = []Aspired{{Name: "m"}}
		poll(t, r)
		held.Release()
		synctest.Wait()
		if got := states(r, "m"); !first.closed.Load() || got != "1:UNLOADING -> " {
			t.Errorf("closed %v, got %s", first.closed.Load(), got)
		}
		now.Release()
		synctest.Wait()
		if got := states(r, "m"); got != "1:END -> " {
			t.Errorf("got %s", got)
		}
		poll(t, r)
		if got := states(r, "m"); got != "-> " {
			t.Errorf("got %s", got)
		}
	})
}

func TestRevisionThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.put(t, "m", "1", "good")
		r := newRegistry(t, s, Options{})
		poll(t, r)
		s.wishes = revised("b")
		broken := errors.New("the file is broken")
		s.onOpen = func(context.Context, string) error { return broken }
		poll(t, r)
		v := r.Status().Models[0].Versions[0]
		if want := "the file is broken (another revision of the version, loaded before, answers for it)"; v.Reason != want {
			t.Errorf("got %q, want %q", v.Reason, want)
		}
		if v.Revision != "" {
			t.Errorf("what answers is of the revision before, got %q", v.Revision)
		}
		if got, state := answer(t, r, "m", ""), states(r, "m"); got != "m/1=11" || state != "1:FAILED -> 1" {
			t.Errorf("got %s, %s", got, state)
		}
		// The revision that is loaded is wanted again: that it is the same one is not known any more.
		s.onOpen = nil
		s.wishes = revised("")
		poll(t, r)
		if got := states(r, "m"); got != "1:AVAILABLE -> 1" {
			t.Errorf("got %s", got)
		}
		// One that failed is given up with what answered for it.
		s.wishes = revised("b")
		s.onOpen = func(context.Context, string) error { return broken }
		poll(t, r)
		s.wishes = []Aspired{{Name: "m"}}
		poll(t, r)
		synctest.Wait()
		if got := states(r, "m"); got != "1:END -> " {
			t.Errorf("got %s", got)
		}
		if got, want := answer(t, r, "m", "1"), `model not ready: "m" version 1 is in state END`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// The version that serves gives way to another only once that is loaded in the revision that is
// wanted: what an older revision left behind does not stand in for it.
func TestRevisionDoesNotServeBeforeItIsLoaded(t *testing.T) {
	for _, fails := range []bool{false, true} {
		s := newStage(t)
		s.put(t, "m", "1", "good")
		s.put(t, "m", "2", "good")
		r := newRegistry(t, s, Options{})
		poll(t, r)
		s.wishes = revised("b")
		s.onOpen = func(context.Context, string) error {
			if got := states(r, "m"); got != "1:LOADING 2:AVAILABLE -> 2" {
				t.Errorf("while it is loaded: got %s", got)
			}
			if fails {
				return errors.New("the file is broken")
			}
			return nil
		}
		poll(t, r)
		want := "m/1=11"
		if fails {
			want = "m/2=12"
		}
		if got := answer(t, r, "m", ""); got != want {
			t.Errorf("fails %v: got %s, want %s", fails, got, want)
		}
	}
}

// A route is of the versions that it was set for: where a model is registered anew, its versions of the
// same numbers get nothing by it.
func TestRouteEndsWithItsVersions(t *testing.T) {
	s := newStage(t)
	for _, version := range []string{"1", "2"} {
		s.put(t, "m", version, "good")
	}
	wish := func(one, two string) []Aspired {
		return []Aspired{{Name: "m", Versions: []string{"1", "2"}, Serving: "1", Aliases: map[string]string{"champion": "1"}, Revisions: map[string]string{"1": one, "2": two}}}
	}
	path := filepath.Join(t.TempDir(), "routes.json")
	start := func() *Registry {
		routes, err := OpenRoutes(path)
		if err != nil {
			t.Fatal(err)
		}
		r := newRegistry(t, s, Options{Routes: routes})
		poll(t, r)
		return r
	}
	s.wishes = wish("a", "b")
	r := start()
	if err := r.SetRoute(t.Context(), "m", Route{Variants: []Variant{{"champion", "champion", 0}, {"canary", "2", 100}}}, anna); err != nil {
		t.Fatal(err)
	}
	s.wishes = wish("c", "b") // the champion is another one, which the route does not name by its number
	poll(t, r)
	only(t, routed(t, r, ""), "canary=2")
	s.wishes = []Aspired{{Name: "m", Versions: []string{"1", "2"}, Serving: "1"}} // another source, which tells none
	poll(t, r)
	only(t, routed(t, r, ""), "canary=2")
	s.wishes = wish("c", "d")
	for _, r := range []*Registry{start(), r} {
		poll(t, r)
		only(t, routed(t, r, ""), "champion=1")
		if changes, err := r.Changes("m"); err != nil || len(changes) != 2 || changes[0].Actor != registryActor {
			t.Errorf("got %+v, %v", changes, err)
		}
	}
}

// What came with the program goes on until the champion is loaded, and what the source has under its
// number does not take its place.
func TestNumberOfWhatCameWithTheProgram(t *testing.T) {
	s := newStage(t)
	s.put(t, "m", "2", "good")
	s.put(t, "m", "3", "bad")
	s.wishes = []Aspired{{Name: "m", Versions: []string{"2"}, Serving: "2"}}
	r := newRegistry(t, s, Options{})
	poll(t, r)
	s.wishes = []Aspired{{
		Name: "m", Versions: []string{"2", "3"}, Serving: "3", Aliases: map[string]string{"champion": "3", "challenger": "2"},
		Revisions: map[string]string{"2": "refused", "3": "good"},
	}}
	for range 2 {
		poll(t, r)
		if got := states(r, "m"); got != "2:START 3:FAILED -> 2" || len(s.opened) != 2 {
			t.Errorf("got %s after %v", got, s.opened)
		}
		if err := r.RollBack(t.Context(), "m", "", anna); !errors.Is(err, ErrRefused) {
			t.Errorf("got %v", err)
		}
	}
	s.put(t, "m", "3", "mended")
	poll(t, r) // and what waited for it
	if got := states(r, "m"); got != "2:AVAILABLE 3:AVAILABLE -> 3 challenger=2 champion=3" {
		t.Errorf("got %s", got)
	}
}
