package inference

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// keeping counts the polls of a stage.
type keeping struct {
	*stage
	polls atomic.Int64
	held  Status
}

func (k *keeping) Keep(_ context.Context, held Status) {
	k.polls.Add(1)
	k.held = held
}

// A nudge is followed at once, and a flood of them by one poll a second.
func TestNudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &keeping{stage: newStage(t)}
		s.put(t, "m", "1", "good")
		r := NewRegistry(s, s, Options{Interval: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error)
		go func() { stopped <- r.Run(ctx) }()
		after := func(wait time.Duration, want int64) {
			t.Helper()
			time.Sleep(wait) //nolint:forbidigo // the bubble's clock
			synctest.Wait()
			if got := s.polls.Load(); got != want {
				t.Errorf("polled %d times, want %d", got, want)
			}
		}
		after(time.Minute, 0)
		r.Nudge()
		after(0, 1)
		r.Nudge()
		after(time.Second, 2)
		if len(s.held.Models) != 1 || s.held.Models[0].Serving != "1" {
			t.Errorf("told of %+v", s.held)
		}
		for range 100 {
			r.Nudge()
		}
		after(900*time.Millisecond, 2)
		for range 100 {
			r.Nudge()
		}
		after(101*time.Millisecond, 3)
		after(67*time.Minute, 4) // then none but the usual one, an hour later, give or take a tenth
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
