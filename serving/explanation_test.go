package serving

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/inference"
)

// planOf is the plan for so many groups of two features each.
func planOf(t *testing.T, groups int) *attribution {
	t.Helper()
	var schema features.Schema
	means := make(map[string]float64)
	for i := range 2 * groups {
		name := fmt.Sprint("feature", i)
		schema.Features = append(schema.Features, features.Feature{Name: name, Group: fmt.Sprint("group", i%groups)})
		means[name] = float64(i)
	}
	plan, err := newAttribution(schema, means)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.groups) != groups || len(plan.members) > 255 || slices.Contains(plan.members[0], true) {
		t.Fatalf("%d groups: got groups %v and %d coalitions, the first %v", groups, plan.groups, len(plan.members), plan.members[0])
	}
	return plan
}

// saidOf is what a function of the coalitions says of those of a plan and of the match.
func saidOf(plan *attribution, value func(members []bool) float64) [][5]float64 {
	var said [][5]float64
	for _, members := range plan.members {
		said = append(said, [5]float64{value(members)})
	}
	return append(said, [5]float64{value(slices.Repeat([]bool{true}, len(plan.groups)))})
}

// anyValue is a function of coalitions that has no structure, but for what it owes to its argument.
func anyValue(seed uint64) func(members []bool) float64 {
	return func(members []bool) float64 {
		var place uint64
		for i, in := range members {
			if in {
				place |= 1 << i
			}
		}
		return rand.New(rand.NewPCG(seed, place)).Float64()
	}
}

func TestEffectsSumToTheWhole(t *testing.T) {
	for groups := 1; groups <= 16; groups++ {
		plan := planOf(t, groups)
		said := saidOf(plan, anyValue(1))
		var sum float64
		for g := range groups {
			sum += plan.effect(g, said)[0]
		}
		wantNear(t, fmt.Sprint(groups, " groups"), sum, said[len(said)-1][0]-said[0][0], 1e-12)
	}
}

// Up to eight groups, an effect is the mean over all orders of what the group changes when it comes.
func TestEffectsAreShapleyValues(t *testing.T) {
	for groups := 1; groups <= 6; groups++ {
		plan, value := planOf(t, groups), anyValue(2)
		said := saidOf(plan, value)
		want := make([]float64, groups)
		orders := 0.0
		var visit func(members []bool)
		visit = func(members []bool) {
			if !slices.Contains(members, false) {
				orders++
			}
			for g := range groups {
				if members[g] {
					continue
				}
				before := value(members)
				with := slices.Clone(members)
				with[g] = true
				rest := 1.0 // orders of those that come after
				for left := groups - len(slices.DeleteFunc(slices.Clone(with), func(in bool) bool { return !in })); left > 1; left-- {
					rest *= float64(left)
				}
				want[g] += rest * (value(with) - before)
				visit(with)
			}
		}
		visit(make([]bool, groups))
		for g := range groups {
			wantNear(t, fmt.Sprintf("group %d of %d", g, groups), plan.effect(g, said)[0], want[g]/orders, 1e-12)
		}
	}
}

// With more groups the effects are Shapley's where groups interact in pairs: half of what each pair
// does jointly, and all of what a group does alone. A group that changes nothing has none.
func TestEffectsOfManyGroups(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for groups := 9; groups <= 16; groups++ {
		plan := planOf(t, groups)
		pairs := make([][]float64, groups)
		for i := range pairs {
			pairs[i] = make([]float64, groups)
			for j := range i + 1 {
				if i != 4 && j != 4 {
					pairs[i][j] = rng.NormFloat64()
				}
			}
		}
		said := saidOf(plan, func(members []bool) (sum float64) {
			for i := range pairs {
				for j := range i + 1 {
					if members[i] && members[j] {
						sum += pairs[i][j]
					}
				}
			}
			return sum
		})
		for g := range groups {
			want := pairs[g][g]
			for i := range groups {
				if i != g {
					want += pairs[max(i, g)][min(i, g)] / 2
				}
			}
			wantNear(t, fmt.Sprintf("group %d of %d", g, groups), plan.effect(g, said)[0], want, 1e-12)
		}
	}
}

func explained(home, away string) *pb.PredictRequest {
	request := pairing(home, away)
	request.Explain = true
	return request
}

// The features' means are 1.5; a home win has .75·home/(home+away): .375, .75·1.8/3.3 with the home
// team's strength alone, .75·1.5/2.7 with the away team's, .45 with both.
func TestExplanation(t *testing.T) {
	w := newWorld()
	s, _ := w.service(t)
	model := w.versions[DefaultModel]["2"]
	model.forget()
	response, err := s.Predict(t.Context(), explained("Arsenal", "Chelsea"))
	if err != nil {
		t.Fatal(err)
	}
	e := response.GetPrediction().GetExplanation()
	near(t, "baseline home", e.GetBaselineMatchResult().GetHomeProbability(), .375)
	near(t, "baseline draw", e.GetBaselineMatchResult().GetDrawProbability(), .25)
	near(t, "baseline home goals", e.GetBaselineExpectedGoals().GetHome(), 1.5)
	if len(e.GetEffects()) != 2 || e.GetEffects()[0].GetGroup() != "home_rating" || e.GetEffects()[1].GetGroup() != "away_rating" {
		t.Fatalf("got %s", text(e))
	}
	home, away := e.GetEffects()[0], e.GetEffects()[1]
	near(t, "home rating", home.GetHomeEffect(), (.75*1.8/3.3-.375+.45-.75*1.5/2.7)/2)
	near(t, "away rating", away.GetHomeEffect(), (.45-.75*1.8/3.3+.75*1.5/2.7-.375)/2)
	near(t, "home rating on goals", home.GetHomeGoalsEffect(), .3)
	near(t, "away rating on goals", away.GetAwayGoalsEffect(), -.3)
	near(t, "home rating on goals of the away team", home.GetAwayGoalsEffect(), 0)
	near(t, "draw", home.GetDrawEffect(), 0)
	near(t, "away", home.GetAwayEffect(), -home.GetHomeEffect())
	if runs := model.runs(); !slices.Equal(runs, []int{1, 3}) {
		t.Errorf("the model ran over %v rows, want 1 and 3", runs)
	}
	checkExplanation(t, response.GetPrediction())

	// It is about the model, whatever the odds say.
	request := explained("Arsenal", "Chelsea")
	request.Odds = &pb.Odds{Home: 6, Draw: 4, Away: 1.6}
	if response, err = s.Predict(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if got := response.GetPrediction(); !proto.Equal(got.GetExplanation(), e) || got.GetMatchResult().GetHomeProbability() > .2 {
		t.Errorf("with odds: got %s", text(got))
	}
}

// checkExplanation asserts that baseline and effects sum to the prediction.
func checkExplanation(t *testing.T, p *pb.Prediction) {
	t.Helper()
	e := p.GetExplanation()
	home, draw, away := e.GetBaselineMatchResult().GetHomeProbability(), e.GetBaselineMatchResult().GetDrawProbability(), e.GetBaselineMatchResult().GetAwayProbability()
	homeGoals, awayGoals := e.GetBaselineExpectedGoals().GetHome(), e.GetBaselineExpectedGoals().GetAway()
	for _, effect := range e.GetEffects() {
		home += effect.GetHomeEffect()
		draw += effect.GetDrawEffect()
		away += effect.GetAwayEffect()
		homeGoals += effect.GetHomeGoalsEffect()
		awayGoals += effect.GetAwayGoalsEffect()
	}
	wantNear(t, "home", home, p.GetMatchResult().GetHomeProbability(), 1e-12)
	wantNear(t, "draw", draw, p.GetMatchResult().GetDrawProbability(), 1e-12)
	wantNear(t, "away", away, p.GetMatchResult().GetAwayProbability(), 1e-12)
	near(t, "home goals", homeGoals, p.GetExpectedGoals().GetHome())
	near(t, "away goals", awayGoals, p.GetExpectedGoals().GetAway())
}

// In a batch, those that ask are explained as they are alone, whichever model they ask.
func TestExplanationsOfABatch(t *testing.T) {
	w := newWorld()
	s, _ := w.service(t)
	request := &pb.BatchPredictRequest{}
	teams := []string{"Arsenal", "Chelsea", "Everton", "Bayern Munich"}
	for i, home := range teams {
		for j, away := range teams {
			one := pairing(home, away)
			one.Explain, one.ModelVersion = (i+j)%2 == 1, []string{"1", "2"}[j%2]
			request.Requests = append(request.Requests, one)
		}
	}
	response, err := s.BatchPredict(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range response.GetResults() {
		one := request.Requests[i]
		if i%5 == 0 { // one team twice
			wrong{code: codes.InvalidArgument, reason: "SAME_TEAM_TWICE", fields: []string{fmt.Sprintf("requests[%d].pairing.away_team", i)}}.check(t, result.GetError())
			continue
		}
		got := result.GetPrediction()
		if (got.GetExplanation() != nil) != one.Explain {
			t.Errorf("request %d: explain %t, got %s", i, one.Explain, text(got.GetExplanation()))
		}
		if !one.Explain {
			continue
		}
		checkExplanation(t, got)
		alone, err := s.Predict(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(alone.GetPrediction().GetExplanation(), got.GetExplanation()) {
			t.Errorf("request %d: got %s, alone %s", i, text(got.GetExplanation()), text(alone.GetPrediction().GetExplanation()))
		}
	}
}

func TestExplanationsOfABatchAreBounded(t *testing.T) {
	s, _ := newWorld().service(t)
	request := &pb.BatchPredictRequest{}
	for range MaxExplained {
		request.Requests = append(request.Requests, pairing("Arsenal", "Chelsea"), explained("Arsenal", "Chelsea"))
	}
	if _, err := s.BatchPredict(t.Context(), request); err != nil {
		t.Errorf("%d explanations: got %v", MaxExplained, err)
	}
	request.Requests[0] = explained("Arsenal", "Chelsea")
	_, err := s.BatchPredict(t.Context(), request)
	wrong{code: codes.InvalidArgument, reason: "BATCH_TOO_LARGE", fields: []string{"requests"}, message: "at most 100 that ask for an explanation, got 101"}.
		check(t, explain(err).Status())
}

// A model that fails on the rows of an explanation fails that request alone; one that is too busy fails
// the call, and a caller who has left gets that.
func TestExplanationFailures(t *testing.T) {
	w := newWorld()
	s, _ := w.service(t)
	model := w.versions[DefaultModel]["2"]
	for _, c := range []struct {
		name string
		run  func(features, outcomes []float32, cancel func()) error
		want wrong
		all  bool
	}{
		{"error", func([]float32, []float32, func()) error { return errors.New("session exploded") }, wrong{code: codes.Internal, reason: "MODEL_FAILED"}, false},
		{"NaN", func(_, outcomes []float32, _ func()) error {
			outcomes[0] = float32(math.NaN())
			return nil
		}, wrong{code: codes.Internal, reason: "MODEL_FAILED"}, false},
		{"negative", func(_, outcomes []float32, _ func()) error {
			copy(outcomes[3:], []float32{-.5, .5, 1})
			return nil
		}, wrong{code: codes.Internal, reason: "MODEL_FAILED"}, false},
		{"busy", func([]float32, []float32, func()) error { return fmt.Errorf("run: %w", inference.ErrQueueFull) }, wrong{code: codes.ResourceExhausted, reason: "QUEUE_FULL", retry: true}, true},
		{"cancelled", func(_, _ []float32, cancel func()) error {
			cancel()
			return context.Canceled
		}, wrong{code: codes.Canceled, message: "cancelled"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			model.run = func(_ context.Context, features, outcomes, _ []float32) error {
				if len(features) != 2*3 || features[0] != 1.5 { // the coalitions
					return nil
				}
				return c.run(features, outcomes, cancel)
			}
			if _, err := s.Predict(ctx, explained("Arsenal", "Chelsea")); err == nil {
				t.Error("want an error, got an answer")
			} else {
				c.want.check(t, explain(err).Status())
			}
			if c.name == "cancelled" {
				ctx, cancel = context.WithCancel(t.Context())
				defer cancel()
			}
			response, err := s.BatchPredict(ctx, &pb.BatchPredictRequest{Requests: []*pb.PredictRequest{
				pairing("Arsenal", "Chelsea"), explained("Arsenal", "Chelsea"),
			}})
			if c.all {
				if err == nil {
					t.Fatal("want an error, got an answer")
				}
				c.want.check(t, explain(err).Status())
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if response.GetResults()[0].GetPrediction() == nil {
				t.Errorf("what was not explained: got %s", text(response.GetResults()[0]))
			}
			c.want.check(t, response.GetResults()[1].GetError())
		})
	}
}

// A model that came without means answers, but cannot be explained.
func TestModelWithoutMeans(t *testing.T) {
	w := newWorld()
	model := matchModel()
	model.manifest = strings.Replace(model.manifest, "feature_means", "means", 1)
	w.versions["meanless"] = map[string]*fakeModel{"1": model}
	s, _ := w.service(t)
	request := explained("Arsenal", "Chelsea")
	request.Model = "meanless"
	_, err := s.Predict(t.Context(), request)
	wrong{code: codes.FailedPrecondition, reason: "EXPLANATION_UNAVAILABLE", fields: []string{"explain"},
		message: "model meanless version 1: expected feature_means in its manifest.json, got none"}.check(t, explain(err).Status())
	request.Explain = false
	if _, err := s.Predict(t.Context(), request); err != nil {
		t.Errorf("without explanation: got %v", err)
	}
}

// Means that do not fit the features are refused when the model is loaded.
func TestFeatureMeansAreChecked(t *testing.T) {
	for means, want := range map[string]string{
		`{"home_strength":1.5}`:                       "feature_means: expected a float32 for away_strength, got none",
		`{"home_strength":1.5,"away_strength":1e300}`: "feature_means: expected a float32 for away_strength, got 1e+300",
		`{"home_strength":"x"}`:                       "cannot unmarshal",
	} {
		w := newWorld()
		model := matchModel()
		model.manifest = strings.Replace(model.manifest, `{"home_strength":1.5,"away_strength":1.5}`, means, 1)
		w.versions["mean"] = map[string]*fakeModel{"1": model}
		s, _ := w.service(t)
		request := pairing("Arsenal", "Chelsea")
		request.Model = "mean"
		if _, err := s.Predict(t.Context(), request); explain(err).Reason != ModelNotReady || !strings.Contains(w.logged(), want) {
			t.Errorf("%s: got %v, logged %s", means, err, w.logged())
		}
	}
}

func BenchmarkPredictExplained(b *testing.B) {
	s, _ := newWorld().service(b)
	request := explained("Arsenal", "Chelsea")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Predict(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
}
