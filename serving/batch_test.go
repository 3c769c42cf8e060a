package serving

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
)

// Every wrong request of predictErrors in one batch with good ones: each fails alone, with the
// details of the single call and its place in the batch.
func TestBatchPredictOverEveryTransport(t *testing.T) {
	w := oddWorld()
	s := w.serve(t, ServerOptions{})
	request := &pb.BatchPredictRequest{}
	for _, test := range predictErrors {
		one := pairing("Arsenal", "Chelsea")
		test.change(one)
		request.Requests = append(request.Requests, one, pairing("Chelsea", "Everton"))
	}
	for _, c := range callers[pb.BatchPredictRequest, pb.BatchPredictResponse](s, pb.PredictionService_BatchPredict_FullMethodName, false) {
		t.Run(c.name, func(t *testing.T) {
			w.batches = nil
			for _, model := range w.versions[DefaultModel] {
				model.forget()
			}
			response, st := c.call(t.Context(), request)
			if st != nil {
				t.Fatal(st)
			}
			results := response.GetResults()
			if len(results) != len(request.Requests) {
				t.Fatalf("got %d results, want %d", len(results), len(request.Requests))
			}
			for i, test := range predictErrors {
				want := test.want
				want.fields = slices.Clone(want.fields)
				for j := range want.fields {
					want.fields[j] = fmt.Sprintf("requests[%d].%s", 2*i, want.fields[j])
				}
				want.check(t, results[2*i].GetError())
				good := results[2*i+1].GetPrediction()
				near(t, "home", good.GetMatchResult().GetHomeProbability(), .75*1.2/2)
			}
			// One look-up of vectors and one run for all; those of finished matches and bad dates are asked for too.
			if len(w.batches) != 1 {
				t.Errorf("vectors were looked up %d times, want once", len(w.batches))
			}
			if runs := w.versions[DefaultModel]["2"].runs(); !slices.Equal(runs, []int{len(predictErrors)}) {
				t.Errorf("the model ran over %v rows, want %d at once", runs, len(predictErrors))
			}
		})
	}
	got := new(pb.BatchPredictResponse)
	if code, st := s.rest(t.Context(), t, "POST", "/predictions/batch", `{"requests":[{"pairing":{"homeTeam":"Arsenal","awayTeam":"Nobody"}}]}`, got); st != nil {
		t.Fatal(code, st)
	}
	wrong{code: codes.NotFound, reason: "TEAM_UNKNOWN", fields: []string{"requests[0].pairing.away_team"}}.check(t, got.GetResults()[0].GetError())
}

func TestBatchPredictSizes(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	for _, c := range callers[pb.BatchPredictRequest, pb.BatchPredictResponse](s, pb.PredictionService_BatchPredict_FullMethodName, false) {
		_, st := c.call(t.Context(), &pb.BatchPredictRequest{})
		wrong{code: codes.InvalidArgument, reason: "BATCH_EMPTY", fields: []string{"requests"}}.check(t, st)
		request := &pb.BatchPredictRequest{}
		for range MaxBatch {
			request.Requests = append(request.Requests, pairing("Arsenal", "Chelsea"))
		}
		if response, st := c.call(t.Context(), request); st != nil || len(response.GetResults()) != MaxBatch {
			t.Errorf("%s: %d requests: got %v", c.name, MaxBatch, st)
		}
		request.Requests = append(request.Requests, pairing("Arsenal", "Chelsea"))
		_, st = c.call(t.Context(), request)
		wrong{code: codes.InvalidArgument, reason: "BATCH_TOO_LARGE", fields: []string{"requests"}, message: "1001"}.check(t, st)
	}
}

// Requests for one version share a run, by whatever name they asked for it.
func TestBatchPredictRunsEachVersionOnce(t *testing.T) {
	w := newWorld()
	w.aliases = map[string]map[string]string{DefaultModel: {"champion": "2", "old": "1"}}
	s, _ := w.service(t)
	for _, model := range w.versions[DefaultModel] {
		model.forget()
	}
	request := &pb.BatchPredictRequest{}
	for i := range 9 {
		one := pairing("Arsenal", "Chelsea")
		one.ModelVersion = []string{"", "2", "old"}[i%3]
		one.Model = []string{"", DefaultModel}[i%2]
		request.Requests = append(request.Requests, one)
	}
	response, err := s.BatchPredict(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range response.GetResults() {
		want := [][2]string{{"2", "champion"}, {"2", ""}, {"1", "old"}}[i%3]
		if m := result.GetPrediction().GetModel(); m.GetVersion() != want[0] || m.GetVariant() != want[1] {
			t.Errorf("result %d: got %s, want %v", i, text(m), want)
		}
	}
	if one, two := w.versions[DefaultModel]["1"].runs(), w.versions[DefaultModel]["2"].runs(); !slices.Equal(one, []int{3}) || !slices.Equal(two, []int{6}) {
		t.Errorf("rows run: %v by version 1 and %v by version 2, want 3 and 6", one, two)
	}
}

// A model's answer that is no forecast fails those matches alone, tells callers nothing more, and is
// logged once.
func TestModelFailures(t *testing.T) {
	const hidden = "session exploded"
	nan := float32(math.NaN())
	fill := func(to []float32, values ...float32) error {
		copy(to, values)
		return nil
	}
	tests := []struct {
		name string
		run  func(ctx context.Context, features, outcomes, goals []float32) error
	}{
		{"error", func(context.Context, []float32, []float32, []float32) error { return errors.New(hidden) }},
		{"NaN", func(_ context.Context, _, o, _ []float32) error { return fill(o, nan, nan, nan) }},
		{"one NaN", func(_ context.Context, _, o, _ []float32) error { return fill(o, .5, .5, nan) }},
		{"negative", func(_ context.Context, _, o, _ []float32) error { return fill(o, .7, -.1, .4) }},
		{"above 1", func(_ context.Context, _, o, _ []float32) error { return fill(o, 1.2, 0, -.2) }},
		{"sum", func(_ context.Context, _, o, _ []float32) error { return fill(o, .5, .25, .2499) }},
		{"infinite goals", func(_ context.Context, _, _, g []float32) error { return fill(g, float32(math.Inf(1)), 1) }},
		{"NaN goals", func(_ context.Context, _, _, g []float32) error { return fill(g, 1, nan) }},
		{"negative goals", func(_ context.Context, _, _, g []float32) error { return fill(g, -1, 1) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			w.versions[DefaultModel] = map[string]*fakeModel{"1": matchModel()}
			s, _ := w.service(t)
			// The third row, Everton's, is the one that the model fails on.
			w.versions[DefaultModel]["1"].run = func(ctx context.Context, in, outcomes, goals []float32) error {
				for i := range len(in) / 2 {
					if in[2*i] == w.strengths["eng-everton"] {
						if err := test.run(ctx, in[2*i:], outcomes[3*i:], goals[2*i:]); err != nil {
							return err
						}
					}
				}
				return nil
			}
			want := wrong{code: codes.Internal, reason: "MODEL_FAILED", message: "model match-outcome version 1 failed", metadata: map[string]string{"model": "match-outcome", "version": "1"}}
			_, err := s.Predict(t.Context(), pairing("Everton", "Chelsea"))
			want.check(t, explain(err).Status())

			request := &pb.BatchPredictRequest{}
			for _, home := range []string{"Arsenal", "Chelsea", "Everton", "Bayern Munich", "Everton"} {
				request.Requests = append(request.Requests, pairing(home, map[bool]string{true: "Arsenal", false: "Chelsea"}[home == "Chelsea"]))
			}
			response, err := s.BatchPredict(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			for i, result := range response.GetResults() {
				if i != 2 && i != 4 {
					if result.GetPrediction() == nil {
						t.Errorf("result %d: got %s", i, text(result))
					}
					continue
				}
				want.check(t, result.GetError())
				if strings.Contains(text(result), hidden) {
					t.Errorf("result %d tells too much: %s", i, text(result))
				}
			}
			if n := strings.Count(w.logged(), "item of a batch failed"); n != 1 {
				t.Errorf("logged %d times, want once", n)
			}
			if test.name == "error" && !strings.Contains(w.logged(), hidden) {
				t.Error("the log does not tell why the model failed")
			}
		})
	}
}

// A model that is too busy fails the call with what says so, and is not asked again row by row.
func TestQueueFull(t *testing.T) {
	w := newWorld()
	s, _ := w.service(t)
	model := w.versions[DefaultModel]["2"]
	model.forget()
	model.run = func(context.Context, []float32, []float32, []float32) error {
		return fmt.Errorf("run: %w", inference.ErrQueueFull)
	}
	want := wrong{code: codes.ResourceExhausted, reason: "QUEUE_FULL", retry: true}
	_, err := s.Predict(t.Context(), pairing("Arsenal", "Chelsea"))
	want.check(t, explain(err).Status())
	_, err = s.BatchPredict(t.Context(), &pb.BatchPredictRequest{Requests: []*pb.PredictRequest{pairing("Arsenal", "Chelsea"), pairing("Arsenal", "Everton")}})
	want.check(t, explain(err).Status())
	if runs := model.runs(); !slices.Equal(runs, []int{1, 2}) {
		t.Errorf("the model ran over %v rows, want 1 and 2", runs)
	}
}

// A caller who leaves, or whose time is up, gets that and nothing else; the rows are not run.
func TestBatchPredictCancelled(t *testing.T) {
	w := newWorld()
	s, _ := w.service(t)
	model := w.versions[DefaultModel]["2"]
	model.forget()
	ctx, cancel := context.WithCancel(t.Context())
	w.beforeVectors = func(context.Context) { cancel() }
	model.run = func(ctx context.Context, _, _, _ []float32) error { return ctx.Err() }
	_, err := s.BatchPredict(ctx, &pb.BatchPredictRequest{Requests: []*pb.PredictRequest{pairing("Arsenal", "Chelsea"), pairing("Arsenal", "Everton")}})
	if e := explain(err); e.Code != codes.Canceled {
		t.Errorf("got %s %v", e.Code, err)
	}
	if runs := model.runs(); len(runs) != 0 {
		t.Errorf("the model ran over %v rows", runs)
	}
}
