package inference

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fail tells the registry of answers that were of no use.
func fail(t *testing.T, r *Registry, version string, good, bad int) {
	t.Helper()
	h, err := r.Acquire("m", version)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	for range bad {
		h.Answered(false)
	}
	for range good {
		h.Answered(true)
	}
}

func TestQuarantine(t *testing.T) {
	s := three(t)
	r := newRegistry(t, s, Options{})
	poll(t, r)
	fail(t, r, "", 64, 15) // spread thin
	fail(t, r, "", 0, 15)
	if got := states(r, "m"); got != "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE -> 2 champion=2" {
		t.Errorf("below the threshold: got %s", got)
	}
	fail(t, r, "", 64, 0)
	if err := r.Promote(t.Context(), "m", "3", anna); err != nil {
		t.Fatal(err)
	}
	fail(t, r, "3", 0, 16)
	settled(t, r, "1:AVAILABLE 2:AVAILABLE 3:FAILED -> 2 champion=2")
	poll(t, r) // the source still wants it, and its files are the same
	if got, want := answer(t, r, "m", "3"), `model not ready: "m" version 3 has failed: quarantined: 16 of its last 64 answers failed`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := answer(t, r, "m", ""); got != "m/2=12" {
		t.Errorf("got %s", got)
	}
	// There is nothing else to go back to.
	fail(t, r, "", 0, 64)
	sick, err := r.Acquire("m", "2")
	if err != nil {
		t.Fatal(err)
	}
	for sick.v.health.failed.Load() != 0 || sick.v.health.sick.Load() { // it is forgiven
		<-time.After(time.Millisecond)
	}
	sick.Release()
	settled(t, r, "1:AVAILABLE 2:AVAILABLE 3:FAILED -> 2 champion=2")
	// An operator, or other files, give it another chance.
	if err := r.Load(t.Context(), "m", anna); err != nil {
		t.Fatal(err)
	}
	settled(t, r, "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE -> 3 champion=3")
}

// settled waits until the model is in these states: a quarantine is a goroutine's work.
func settled(t *testing.T, r *Registry, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for states(r, "m") != want {
		select {
		case <-ctx.Done():
			t.Fatalf("got %s, want %s", states(r, "m"), want)
		case <-time.After(time.Millisecond):
		}
	}
}

// A quarantine holds after a restart, as long as another version can stand in, until the source names
// another, the files change or somebody has the model loaded.
func TestQuarantineHoldsAfterARestart(t *testing.T) {
	const condemned = "1:AVAILABLE 2:AVAILABLE 3:FAILED -> 2 champion=2 previous=2"
	for _, test := range []struct {
		name string
		do   func(t *testing.T, s *stage, r *Registry)
		want string
	}{
		{"nothing", func(*testing.T, *stage, *Registry) {}, condemned},
		{"the source names another, and then this one again", func(t *testing.T, s *stage, r *Registry) {
			t.Helper()
			s.wishes = []Aspired{{Name: "m", Versions: []string{"1", "2"}, Serving: "2", Aliases: map[string]string{"champion": "2"}}}
			poll(t, r)
			s.wishes = nil
		}, "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE -> 3 champion=3 previous=2"},
		{"other files", func(t *testing.T, s *stage, _ *Registry) {
			t.Helper()
			s.put(t, "m", "3", "good and other")
		}, "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE -> 3 champion=3 previous=2"},
		{"it is loaded", func(t *testing.T, _ *stage, r *Registry) {
			t.Helper()
			if err := r.Load(t.Context(), "m", anna); err != nil {
				t.Fatal(err)
			}
		}, "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE -> 3 champion=3 previous=2"},
		{"no other version", func(t *testing.T, s *stage, _ *Registry) {
			t.Helper()
			for _, version := range []string{"1", "2"} {
				if err := os.RemoveAll(filepath.Join(s.dir, "m", version)); err != nil {
					t.Fatal(err)
				}
			}
			writeFile(t, filepath.Join(s.dir, "m", "aliases.json"), `{"champion": "3"}`)
		}, "3:AVAILABLE -> 3 champion=3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := three(t)
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
			r := start()
			writeFile(t, filepath.Join(s.dir, "m", "aliases.json"), `{"champion": "3", "previous": "2"}`)
			poll(t, r)
			fail(t, r, "3", 0, 16)
			for changed := r.Changed(); !strings.HasPrefix(states(r, "m"), "1:AVAILABLE 2:AVAILABLE 3:FAILED"); changed = r.Changed() {
				select {
				case <-changed:
				case <-time.After(10 * time.Second):
					t.Fatal(states(r, "m"))
				}
			}
			for len(r.options.Routes.Changes("m")) == 0 { // it is recorded a moment later
				<-time.After(time.Millisecond)
			}
			test.do(t, s, r)
			again := start()
			if got := states(again, "m"); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if test.want == condemned {
				if got, want := answer(t, again, "m", "3"), `model not ready: "m" version 3 has failed: quarantined: 16 of its last 64 answers failed`; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if err := again.Load(t.Context(), "m", anna); err != nil {
					t.Fatal(err)
				}
				if got := answer(t, again, "m", "3"); got != "m/3=13" {
					t.Errorf("loaded anew: got %s", got)
				}
			}
		})
	}
}
