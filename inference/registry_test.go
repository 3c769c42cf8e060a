package inference

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestFailedVersionIsTriedAgainWhenItsFilesChange(t *testing.T) {
	s := newStage(t)
	s.put(t, "m", "1", "bad")
	r := newRegistry(t, s, Options{})
	for range 3 {
		poll(t, r)
	}
	s.put(t, "m", "1", "bad again")
	poll(t, r)
	poll(t, r)
	if len(s.opened) != 2 {
		t.Errorf("opened %d times, want 2: once for each content", len(s.opened))
	}
}

func TestVersionWhoseFilesChangeWhileItLoads(t *testing.T) {
	s := newStage(t)
	s.put(t, "m", "1", "good")
	s.onOpen = func(context.Context, string) error {
		s.put(t, "m", "1", "good and longer")
		s.onOpen = nil
		return nil
	}
	r := newRegistry(t, s, Options{})
	poll(t, r)
	if got, want := answer(t, r, "m", ""), `model not ready: "m" version 1 has failed: its files changed while it was loaded`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	poll(t, r)
	if got := answer(t, r, "m", ""); got != "m/1=11" {
		t.Errorf("got %s", got)
	}
}

func TestAdmit(t *testing.T) {
	s := newStage(t)
	s.put(t, "m", "1", "good")
	s.put(t, "m", "2", "good")
	r := newRegistry(t, s, Options{
		Now: func() time.Time { return time.Unix(42, 0) },
		Admit: func(name, version, dir string, m Model) (any, error) {
			if version == "2" {
				return nil, errors.New("schema of another time")
			}
			return name + " of " + filepath.Base(dir) + " " + m.Inputs()[0].Name, nil
		},
	})
	poll(t, r)
	h, err := r.Acquire("m", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if got := h.Metadata(); got != "m of 1 x" {
		t.Errorf("metadata: got %v", got)
	}
	status := r.Status()
	one, two := status.Models[0].Versions[0], status.Models[0].Versions[1]
	if !one.LoadedAt.Equal(time.Unix(42, 0)) || one.Metadata != "m of 1 x" || len(one.Inputs) != 1 || len(one.Outputs) != 1 {
		t.Errorf("status of version 1: got %+v", one)
	}
	if two.State != Failed || two.Reason != "schema of another time" {
		t.Errorf("status of version 2: got %+v", two)
	}
}

func TestReleaseClosesWhatIsWantedNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.put(t, "m", "1", "good")
		r := newRegistry(t, s, Options{})
		poll(t, r)
		first, err := r.Acquire("m", "")
		if err != nil {
			t.Fatal(err)
		}
		second, err := r.Acquire("m", "1")
		if err != nil {
			t.Fatal(err)
		}
		s.wishes = []Aspired{{Name: "m"}}
		poll(t, r)
		if got, want := states(r, "m"), "1:UNLOADING -> "; got != want {
			t.Errorf("held: got %s, want %s", got, want)
		}
		if _, err := r.Acquire("m", "1"); !errors.Is(err, ErrNotReady) {
			t.Errorf("acquire: got %v", err)
		}
		first.Release()
		synctest.Wait()
		if second.Model().(*batched).Model.(*puppet).closed.Load() {
			t.Error("closed while it is held")
		}
		second.Release()
		synctest.Wait()
		if !second.Model().(*batched).Model.(*puppet).closed.Load() {
			t.Error("not closed after its last handle")
		}
		if got, want := states(r, "m"), "1:END -> "; got != want {
			t.Errorf("released: got %s, want %s", got, want)
		}
	})
}

func TestAcquireWaitsForNothingThatLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.put(t, "m", "1", "good")
		r := newRegistry(t, s, Options{})
		poll(t, r)
		proceed := make(chan struct{})
		s.onOpen = func(context.Context, string) error { <-proceed; return nil }
		s.put(t, "m", "2", "good")
		polled := make(chan error)
		go func() { polled <- r.Poll(t.Context()) }()
		synctest.Wait()
		if got, want := states(r, "m"), "1:AVAILABLE 2:LOADING -> 1"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := answer(t, r, "m", ""); got != "m/1=11" {
			t.Errorf("got %s", got)
		}
		if got, want := answer(t, r, "m", "2"), `model not ready: "m" version 2 is in state LOADING`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		close(proceed)
		if err := <-polled; err != nil {
			t.Fatal(err)
		}
		if got := answer(t, r, "m", ""); got != "m/2=12" {
			t.Errorf("got %s", got)
		}
	})
}

func TestRunPollsEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		r := newRegistry(t, s, Options{Interval: time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error)
		go func() { stopped <- r.Run(ctx) }()
		synctest.Wait()
		s.put(t, "m", "1", "good")
		time.Sleep(899 * time.Millisecond) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if got := states(r, "m"); got != "none" {
			t.Errorf("before the interval: got %s", got)
		}
		time.Sleep(202 * time.Millisecond) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if got := states(r, "m"); got != "1:AVAILABLE -> 1" {
			t.Errorf("after the interval: got %s", got)
		}
		listed := r.Status().Listed
		s.listErr.Store(&errNoAnswer)
		time.Sleep(1101 * time.Millisecond) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if status := r.Status(); !errors.Is(status.Err, errNoAnswer) || !status.Listed.Equal(listed) {
			t.Errorf("source broken: got %v, listed %v, expected %v", status.Err, status.Listed, listed)
		}
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// Who waits no longer for a load does not end it.
func TestPollCancelled(t *testing.T) {
	s := newStage(t)
	s.put(t, "m", "1", "good")
	r := newRegistry(t, s, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	goOn := make(chan struct{})
	s.onOpen = func(ctx context.Context, _ string) error { cancel(); <-goOn; return ctx.Err() }
	if err := r.Poll(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := states(r, "m"); got != "1:LOADING -> " {
		t.Errorf("got %s", got)
	}
	close(goOn)
	poll(t, r)
	if got := states(r, "m"); got != "1:AVAILABLE -> 1" || len(s.opened) != 1 {
		t.Errorf("got %s, opened %v", got, s.opened)
	}
}

func TestClose(t *testing.T) {
	s := newStage(t)
	s.put(t, "m", "1", "good")
	r := NewRegistry(s, s, Options{})
	poll(t, r)
	h, err := r.Acquire("m", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("held: got %v", err)
	}
	if got, want := answer(t, r, "m", ""), "model not ready: the registry is closed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	h.Release()
	for range 2 {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if !h.Model().(*batched).Model.(*puppet).closed.Load() {
		t.Error("the model is still open")
	}
	if err := r.Poll(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("poll: got %v", err)
	}
}
