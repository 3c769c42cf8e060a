package mlflow

import (
	"errors"
	"strings"
	"testing"
	"time"

	"footballprediction/inference"
)

// The version to go back to is MLflow's, though those that came with the program have the same numbers,
// serve for a moment at every start, and one of them is a challenger that the gate refused: v1 is the
// champion, v2 the challenger, and v3 is to be bad in service.
func TestPreviousIsMLflowsOwn(t *testing.T) {
	half, third := tiny(t, "half_plus_two"), tiny(t, "third_plus_two")
	name := register(t, third, half, third)
	tracking.Alias(t, name, inference.Champion, "1")
	tracking.Alias(t, name, "challenger", "2")
	tracking.Tag(t, name, "2", "gate.verdict", "refused")
	store, released := t.TempDir(), folder(t, name+"/1", name+"/2")
	start := func(champion string) *inference.Registry {
		t.Helper()
		s, err := New(at(t, tracking.URL), store, inference.NewFolderSource(released, nil), Options{Limits: Limits{Retry: time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		r := newRegistry(t, s)
		poll(t, r)
		serves(t, "for a moment", r, name, "2", half6)
		poll(t, r)
		serves(t, "as MLflow says", r, name, champion, third6)
		poll(t, r) // by now the source has been told what serves
		return r
	}
	anna := inference.By{Actor: "anna", Reason: "a try"}

	r := start("1")
	for range 2 {
		err := r.RollBack(t.Context(), name, "", anna)
		if !errors.Is(err, inference.ErrRefused) || !strings.Contains(err.Error(), "it is not known what served before") {
			t.Errorf("right after a start: got %v", err)
		}
		poll(t, r)
	}
	if got := tracking.Aliased(t, name, inference.Champion); got != "1" {
		t.Errorf("champion is %s, want 1", got)
	}
	if err := r.Promote(t.Context(), name, "3", anna); err != nil {
		t.Fatal(err)
	}

	r = start("3")
	h, err := r.Acquire(name, inference.Previous)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Version(); got != "1" {
		t.Errorf("previous is %s, want 1", got)
	}
	h.Release()
	sick, err := r.Acquire(name, "")
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		sick.Answered(false)
	}
	sick.Release()
	pollUntil(t, r, name, "1")
	serves(t, "in place of the one in quarantine", r, name, "1", third6)

	r = start("3")
	if err := r.RollBack(t.Context(), name, "", anna); err != nil {
		t.Error(err)
	}
	serves(t, "rolled back after a restart", r, name, "1", third6)
}

// A promotion that fails leaves MLflow's aliases where they were, whatever stands in meanwhile: v1 is the
// champion and broken, as v3 is, v2 a challenger that the gate refused, and what came with the program,
// which serves, has the same numbers.
func TestFailedPromotionGoesBackToTheAlias(t *testing.T) {
	half, broken := tiny(t, "half_plus_two"), with(tiny(t, "half_plus_two"), map[string][]byte{modelFile: []byte("none")}, modelFile)
	name := register(t, broken, half, broken)
	tracking.Alias(t, name, inference.Champion, "1")
	tracking.Alias(t, name, "challenger", "2")
	tracking.Tag(t, name, "2", "gate.verdict", "refused")
	s := newSource(t, tracking.URL, t.TempDir(), folder(t, name+"/1", name+"/2"), Options{})
	r := newRegistry(t, s)
	poll(t, r)
	poll(t, r)
	err := r.Promote(t.Context(), name, "3", inference.By{Actor: "anna", Reason: "a try"})
	if err == nil || !strings.Contains(err.Error(), `stays at version "1"`) {
		t.Errorf("got %v", err)
	}
	if got := tracking.Aliased(t, name, inference.Champion); got != "1" {
		t.Errorf("champion is %s, want 1", got)
	}
}
