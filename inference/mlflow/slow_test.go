package mlflow

import (
	"context"
	"testing"
	"time"

	"footballprediction/inference"
)

// While the files of one model trickle in, decisions about others are carried out at once.
func TestSlowFetchKeepsNothingWaiting(t *testing.T) {
	half, third := tiny(t, "half_plus_two"), tiny(t, "third_plus_two")
	other := register(t, half, third)
	slow := other + "-slow"
	t.Cleanup(func() { tracking.DeleteModel(t, slow) })
	tracking.Register(t, slow, half)
	tracking.Alias(t, other, inference.Champion, "1")
	tracking.Alias(t, other, "challenger", "2")
	tracking.Alias(t, slow, inference.Champion, "1")
	p := newProxy(t)
	r := newRegistry(t, newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{}))
	poll(t, r)
	poll(t, r)
	serves(t, "at first", r, slow, "1", half6)

	p.misbehave(only(modelFile, drips(10*time.Millisecond)))
	tracking.Alias(t, slow, inference.Champion, tracking.Register(t, slow, third))
	ctx, stop := context.WithCancel(t.Context())
	polled := make(chan error, 1)
	go func() { polled <- r.Poll(ctx) }()
	for changed := r.Changed(); state(r, slow, "2") != inference.Loading; changed = r.Changed() {
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			t.Fatalf("version 2 is %s", state(r, slow, "2"))
		}
	}

	anna := inference.By{Actor: "anna", Reason: "a try"}
	if err := r.Promote(t.Context(), other, "2", anna); err != nil {
		t.Error(err)
	}
	serves(t, "promoted", r, other, "2", third6)
	if err := r.RollBack(t.Context(), other, "", anna); err != nil {
		t.Error(err)
	}
	serves(t, "rolled back", r, other, "1", half6)
	if got := state(r, slow, "2"); got != inference.Loading {
		t.Errorf("version 2 is %s by now, so this has shown nothing", got)
	}
	stop()
	if err := <-polled; err == nil {
		t.Error("polled to the end")
	}
}

func state(r *inference.Registry, model, version string) inference.State {
	for _, m := range r.Status().Models {
		for _, v := range m.Versions {
			if m.Name == model && v.Version == version {
				return v.State
			}
		}
	}
	return inference.End
}
