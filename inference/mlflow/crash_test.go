package mlflow

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The variables of a child that fetches a model into a store.
const (
	crashModel  = "TEST_CRASH_MODEL"
	crashServer = "TEST_CRASH_SERVER"
	crashStore  = "TEST_CRASH_STORE"
)

// A process that is killed while it fetches leaves nothing that another takes for a copy, and the next
// start clears it away.
func TestKilledWhileFetching(t *testing.T) {
	if model := os.Getenv(crashModel); model != "" {
		s := newSource(t, os.Getenv(crashServer), os.Getenv(crashStore), t.TempDir(), Options{})
		list(t, s, model)
		_, err := s.Fetch(t.Context(), model, "1")
		t.Fatalf("fetched: %v", err)
	}
	files := tiny(t, "half_plus_two")
	name := register(t, files)
	p := newProxy(t)
	begun := make(chan struct{}, 10)
	p.misbehave(only(modelFile, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		begun <- struct{}{}
		drips(10*time.Millisecond)(w, r, next)
	}))
	store := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run", "^TestKilledWhileFetching$")
	child.Env = append(os.Environ(), trackingVariable+"="+tracking.URL, crashModel+"="+name, crashServer+"="+p.URL, crashStore+"="+store)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	select {
	case <-begun:
	case err := <-ended:
		t.Fatalf("it ended before it fetched: %v", err)
	}
	living := newSource(t, p.URL, store, t.TempDir(), Options{})
	if left := inStore(t, store); len(left) != 1 || !strings.HasPrefix(left[0], asidePrefix) {
		t.Errorf("while it fetches: %q", left)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("it ended in peace")
	}
	if left := inStore(t, store); len(left) != 1 {
		t.Errorf("it left %q", left)
	}
	p.misbehave(nil)
	next := newSource(t, p.URL, store, t.TempDir(), Options{})
	if left := inStore(t, store); len(left) != 0 {
		t.Errorf("left at the next start: %q", left)
	}
	for _, s := range []*Source{living, next} {
		list(t, s, name)
		dir, err := s.Fetch(t.Context(), name, "1")
		if err != nil {
			t.Fatal(err)
		}
		holds(t, dir, files)
	}
}
