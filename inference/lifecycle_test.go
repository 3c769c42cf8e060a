package inference

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a stage on which the files of some versions, by name/version, come when the test says so.
type slow struct {
	*stage
	fetched map[string]chan struct{}
}

func (s *slow) Fetch(ctx context.Context, name, version string) (string, error) {
	if wait := s.fetched[name+"/"+version]; wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return s.stage.Fetch(ctx, name, version)
}

// A version tells where it is at each step of its life, and who watches is told of each.
func TestLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{newStage(t), map[string]chan struct{}{"m/1": make(chan struct{}), "m/2": make(chan struct{})}}
		s.put(t, "m", "1", "good")
		s.put(t, "m", "2", "bad")
		var log strings.Builder
		var loads []string
		opening := make(chan struct{})
		s.onOpen = func(context.Context, string) error { <-opening; return nil }
		r := NewRegistry(s, s, Options{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Loaded: func(name string, took time.Duration, err error) {
				loads = append(loads, fmt.Sprint(name, " ", took, " ", err))
			},
		})
		changed := r.Changed()
		expect := func(step, want string) {
			t.Helper()
			synctest.Wait()
			if got := states(r, "m"); got != want {
				t.Errorf("%s: got %s, want %s", step, got, want)
			}
			select {
			case <-changed:
			default:
				t.Errorf("%s: nobody was told", step)
			}
			changed = r.Changed()
		}
		polled := make(chan error)
		go func() { polled <- r.Poll(t.Context()) }()
		expect("both are fetched", "1:LOADING 2:LOADING -> ")
		time.Sleep(3 * time.Second) //nolint:forbidigo // the bubble's clock
		close(s.fetched["m/2"])
		opening <- struct{}{}
		expect("the first has failed", "1:LOADING 2:FAILED -> ")
		close(s.fetched["m/1"])
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		opening <- struct{}{}
		expect("loaded", "1:AVAILABLE 2:FAILED -> 1")
		if err := <-polled; err != nil {
			t.Fatal(err)
		}
		if want := "m 3s the file is bad, m 4s <nil>"; strings.Join(loads, ", ") != want {
			t.Errorf("loads: got %s, want %s", strings.Join(loads, ", "), want)
		}

		var held [2]Handle
		for i := range held {
			var err error
			if held[i], err = r.Acquire("m", ""); err != nil {
				t.Fatal(err)
			}
		}
		s.wishes = []Aspired{{Name: "m"}}
		poll(t, r)
		expect("held", "1:UNLOADING -> ")
		if got := r.Status().Models[0].Versions[0].Reason; got != "held by 2 requests" {
			t.Errorf("got %s", got)
		}
		held[0].Release()
		time.Sleep(drainUsual + time.Second) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if want := `level=WARN msg="model version is wanted no longer and still held: its memory is not given back" model=m version=1 for=30s requests=1`; !strings.Contains(log.String(), want) {
			t.Errorf("expected %s in\n%s", want, &log)
		}
		held[1].Release()
		expect("released", "1:END -> ")
		poll(t, r)
		expect("gone", "-> ")
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A version that fails in service is taken out of it loudly: at error level, counted, and on record.
func TestQuarantineIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := three(t)
		var log strings.Builder
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		routes, err := OpenRoutes("")
		if err != nil {
			t.Fatal(err)
		}
		r := newRegistry(t, s, Options{
			Logger: slog.New(slog.NewTextHandler(&log, nil)), Routes: routes, Now: func() time.Time { return now },
		})
		poll(t, r)
		if err := r.Promote(t.Context(), "m", "3", anna); err != nil {
			t.Fatal(err)
		}
		sick, err := r.Acquire("m", "")
		if err != nil {
			t.Fatal(err)
		}
		for range sickAt {
			sick.Answered(false)
		}
		synctest.Wait()
		if got, want := states(r, "m"), "1:AVAILABLE 2:AVAILABLE 3:FAILED -> 2 champion=2"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := r.Status().Models[0].Quarantines; got != 1 {
			t.Errorf("got %d quarantines", got)
		}
		want := Change{
			At: now, Model: "m", Action: Quarantine, Actor: "registry", Reason: "16 of its last 64 answers failed", Version: "2", From: "3",
		}
		if changes, err := r.Changes("m"); err != nil || len(changes) != 2 || changes[0] != want {
			t.Errorf("got %+v %v", changes, err)
		}
		if !strings.Contains(log.String(), `level=ERROR msg="model version quarantined: it fails in service" model=m version=3`) {
			t.Errorf("log:\n%s", &log)
		}
		if model := sick.Model().(*batched).Model.(*puppet); model.closed.Load() {
			t.Error("closed under who holds it")
		} else {
			sick.Release()
			synctest.Wait()
			if !model.closed.Load() {
				t.Error("not closed after its last request")
			}
		}
		if err := r.RollBack(t.Context(), "m", "", anna); err != nil {
			t.Errorf("back to what stands in: %v", err)
		}
		if aliases, err := readAliases(filepath.Join(s.dir, "m", "aliases.json")); err != nil || aliases[Champion] != "2" {
			t.Errorf("got %v, %v", aliases, err)
		}
		if err := r.RollBack(t.Context(), "m", "", anna); !errors.Is(err, ErrRefused) {
			t.Errorf("back to what failed: %v", err)
		}
	})
}

// A version that is fetched slowly keeps no decision about other models, and none of their versions,
// waiting; it is given up where it is wanted no longer.
func TestSlowFetchKeepsNothingWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stage := three(t)
		stage.put(t, "slow", "1", "good")
		s := &slow{stage, map[string]chan struct{}{"slow/2": make(chan struct{}), "slow/3": make(chan struct{})}}
		r := NewRegistry(s, s, Options{Interval: time.Second})
		poll(t, r)
		stage.put(t, "slow", "2", "good")
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- r.Run(ctx) }()
		pass := func(seconds time.Duration) {
			time.Sleep(seconds * time.Second) //nolint:forbidigo // the bubble's clock
			synctest.Wait()
		}
		expect := func(model, want string) {
			t.Helper()
			if got := states(r, model); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		pass(2)
		expect("slow", "1:AVAILABLE 2:LOADING -> 1")

		began := time.Now()
		if err := r.SetRoute(t.Context(), "m", canary(10), anna); err != nil {
			t.Error(err)
		}
		if err := r.Promote(t.Context(), "m", "3", anna); err != nil {
			t.Error(err)
		}
		if err := r.RollBack(t.Context(), "m", "", anna); err != nil {
			t.Error(err)
		}
		if err := r.Unload(t.Context(), "m", anna); err != nil {
			t.Error(err)
		}
		if err := r.Load(t.Context(), "m", anna); err != nil {
			t.Error(err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited for %s", waited)
		}
		s.put(t, "m", "4", "good")
		pass(2)
		expect("m", "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE 4:AVAILABLE -> 2 champion=2")

		// Of a model of whose versions one is fetched slowly, another is served.
		s.put(t, "slow", "3", "good")
		pass(2)
		expect("slow", "1:AVAILABLE 2:LOADING 3:LOADING -> 1")
		close(s.fetched["slow/3"])
		pass(2)
		expect("slow", "1:AVAILABLE 2:LOADING 3:AVAILABLE -> 3")
		if err := os.RemoveAll(filepath.Join(s.dir, "slow", "2")); err != nil {
			t.Fatal(err)
		}
		pass(2)
		expect("slow", "1:AVAILABLE 3:AVAILABLE -> 3")

		// What is wanted again is loaded after all, and what is under way in the end is given up.
		s.put(t, "slow", "2", "good")
		pass(2)
		expect("slow", "1:AVAILABLE 2:LOADING 3:AVAILABLE -> 3")
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Another revision of a version that is being loaded is loaded in its place.
func TestRevisionWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{newStage(t), map[string]chan struct{}{"m/1": make(chan struct{})}}
		s.put(t, "m", "1", "good")
		s.wishes = revised("a")
		r := NewRegistry(s, s, Options{})
		polled := make(chan error, 2)
		go func() { polled <- r.Poll(t.Context()) }()
		synctest.Wait()
		s.wishes = revised("b")
		go func() { polled <- r.Poll(t.Context()) }()
		synctest.Wait()
		if got := states(r, "m"); got != "1:LOADING -> " {
			t.Errorf("got %s", got)
		}
		close(s.fetched["m/1"])
		for range 2 {
			if err := <-polled; err != nil {
				t.Error(err)
			}
		}
		if got := states(r, "m"); got != "1:AVAILABLE -> 1" || len(s.opened) != 1 {
			t.Errorf("got %s, opened %v", got, s.opened)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
