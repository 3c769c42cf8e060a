package serving

import (
	"context"
	"errors"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// One simulation at a time, a few wait, more are refused; who leaves is not waited for.
func TestSimulationsTakeTurns(t *testing.T) {
	turns := newTurns()
	if err := turns.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, maxWaitingSimulations)
	for range maxWaitingSimulations {
		go func() { left <- turns.take(ctx) }()
	}
	for turns.waiting.Load() < maxWaitingSimulations {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	err := turns.take(t.Context())
	if err == nil {
		t.Fatal("got a turn")
	}
	wrong{code: codes.ResourceExhausted, reason: "QUEUE_FULL", retry: true}.check(t, explain(err).Status())
	cancel()
	for range maxWaitingSimulations {
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	turns.give()
	if err := turns.take(t.Context()); err != nil {
		t.Error(err)
	}
}

// Of many callers at once, one is served, a few wait and the rest are told so, over the wire; who waits
// and leaves is let go at once, and who comes later is served.
func TestSimulationsAreBoundedOverTheWire(t *testing.T) {
	w := newWorld()
	s := w.serve(t, ServerOptions{})
	running, release := make(chan struct{}), make(chan struct{})
	var first sync.Once
	w.versions[DefaultModel]["2"].run = func(context.Context, []float32, []float32, []float32) error {
		first.Do(func() {
			close(running)
			<-release
		})
		return nil
	}
	simulate := callers[pb.SimulateSeasonRequest, pb.SimulateSeasonResponse](s, pb.PredictionService_SimulateSeason_FullMethodName, false)[0].call
	request := &pb.SimulateSeasonRequest{Competition: "E0", Simulations: 100, Matches: []*pb.SeasonMatch{
		{HomeTeam: "Arsenal", AwayTeam: "Chelsea", Date: "2025-06-14"}, {HomeTeam: "Chelsea", AwayTeam: "Everton", Date: "2025-06-15"},
	}}
	answered := make(chan codes.Code, 1)
	go func() {
		_, st := simulate(t.Context(), request)
		answered <- codes.Code(st.GetCode())
	}()
	select {
	case <-running:
	case code := <-answered:
		t.Fatalf("the first: got %s", code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	const tooMany = 5
	others := make(chan codes.Code)
	for range maxWaitingSimulations + tooMany {
		go func() {
			_, st := simulate(ctx, request)
			others <- codes.Code(st.GetCode())
		}()
	}
	for range tooMany {
		if code := <-others; code != codes.ResourceExhausted {
			t.Errorf("one too many: got %s", code)
		}
	}
	cancel()
	for range maxWaitingSimulations {
		if code := <-others; code != codes.Canceled {
			t.Errorf("who has left: got %s", code)
		}
	}
	close(release)
	if code := <-answered; code != codes.OK {
		t.Errorf("the first: got %s", code)
	}
	if _, st := simulate(t.Context(), request); st != nil {
		t.Errorf("afterwards: got %s", st)
	}
}

func TestSimulateCancelledWithProgress(t *testing.T) {
	w := newLeagueWorld("E0")
	service, _ := w.service(t)
	service.matches = w
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	calls := 0
	_, err := service.Simulate(ctx, &pb.SimulateSeasonRequest{Competition: "E0", Simulations: 1_000_000}, func(done, total int) {
		if calls++; done < 1 || total != 1_000_000 {
			t.Errorf("progress: %d of %d", done, total)
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) || calls > 10 {
		t.Errorf("got %v after %d blocks", err, calls)
	}
	if _, err := service.Simulate(t.Context(), &pb.SimulateSeasonRequest{Competition: "E0", Simulations: 10}, nil); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
