package main

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
	"footballprediction/inference/mlflow/mlflowtest"
	"footballprediction/serving"
)

// An operator promotes a version that is registered in MLflow, gives the one before a share, and goes
// back, while requests are answered: none fails, and each answer is the one of the version it names.
// What was decided outlives a restart without MLflow.
func TestTrafficStory(t *testing.T) {
	tracking, err := mlflowtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tracking.Close(); err != nil {
			t.Error(err)
		}
	})
	released := filepath.Join(filepath.Dir(filepath.Dir(program)), "models", "released", serving.DefaultModel)
	first := tracking.Register(t, serving.DefaultModel, mlflowtest.Folder(t, filepath.Join(released, "1")))
	second := tracking.Register(t, serving.DefaultModel, mlflowtest.Folder(t, filepath.Join(released, "2")))
	tracking.Alias(t, serving.DefaultModel, inference.Champion, first)
	tracking.Alias(t, serving.DefaultModel, "challenger", second)

	door, down := doorTo(t, tracking.URL)
	environment := []string{"MLFLOW_TRACKING_URI=" + door}
	arguments := []string{"--data-dir", t.TempDir(), "--poll-interval", "50ms"}
	s := startServerWith(t, environment, arguments...)
	callers := audienceOf(t, s, first, second)
	models := modelsOf(t, s)
	leave := callers.crowd(t)
	if !callers.gets(t, first) {
		t.Error("the champion does not serve")
	}

	if said := models("promote", serving.DefaultModel, "challenger", "--actor", "anna", "--reason", "better on five leagues"); !strings.Contains(said, "version "+second+" serves") {
		t.Errorf("promote said %s", said)
	}
	if got := tracking.Aliased(t, serving.DefaultModel, inference.Champion); got != second || !callers.gets(t, second) {
		t.Errorf("after promote MLflow's champion is %s", got)
	}
	models("traffic", serving.DefaultModel, "champion=champion:50", "canary=previous:50", "--actor", "anna")
	seen := callers.shares(t, 100)
	if len(seen) != 2 || seen["canary="+first] < 20 || seen["champion="+second] < 20 {
		t.Errorf("half and half: got %v", seen)
	}
	if exposed := textOf(t, s.operator+"/metrics"); !strings.Contains(exposed, `footballprediction_exposures_total{model="match-outcome",variant="canary",version="`+first+`"}`) {
		t.Error("exposures are not among the metrics")
	}
	if said := models("rollback", serving.DefaultModel, "--actor", "ben", "--reason", "worse after all"); !strings.Contains(said, "version "+first+" serves") {
		t.Errorf("rollback said %s", said)
	}
	if got := tracking.Aliased(t, serving.DefaultModel, inference.Champion); got != first || !callers.gets(t, first) {
		t.Errorf("after rollback MLflow's champion is %s", got)
	}
	if status := models("status", serving.DefaultModel); !strings.Contains(status, "ben") || !strings.Contains(status, "better on five leagues") {
		t.Errorf("status said %s", status)
	}
	leave()

	models("traffic", serving.DefaultModel, "champion=champion:0", "treatment="+second+":100", "--actor", "anna")
	down.Store(true)
	s = startServerWith(t, environment, arguments...)
	callers = audienceOf(t, s, first, second)
	p, err := callers.ask(t.Context(), "")
	if err != nil || p.Model.Version != second || p.Model.Variant != "treatment" {
		t.Errorf("after a restart without MLflow: %v %v", p.GetModel(), err)
	}
	// Who goes back need not wait for MLflow.
	r := run(t, "models", "rollback", serving.DefaultModel, first, "--actor", "ben", "--operator-address", strings.TrimPrefix(s.operator, "http://"))
	if r.status != exitFailed || !strings.Contains(r.stderr, "version "+first+" answers by a route") || !callers.gets(t, first) {
		t.Errorf("rollback without MLflow: status %d, %s", r.status, r.stderr)
	}
}

// audience asks a running server for one forecast over and over.
type audience struct {
	predictions pb.PredictionServiceClient
	offline     map[string]float64 // of the home side, by version, asked for by number
}

// audienceOf learns how the versions answer.
func audienceOf(t *testing.T, s *server, versions ...string) *audience {
	t.Helper()
	_, predictions := clientsOf(t, s)
	a := &audience{predictions, map[string]float64{}}
	for _, version := range versions {
		p, err := a.ask(t.Context(), version)
		if err != nil {
			t.Fatal(err)
		}
		a.offline[version] = p.MatchResult.HomeProbability
	}
	return a
}

func (a *audience) ask(ctx context.Context, version string) (*pb.Prediction, error) {
	answer, err := a.predictions.Predict(ctx, &pb.PredictRequest{
		Target:       &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{HomeTeam: "Arsenal", AwayTeam: "Chelsea"}},
		ModelVersion: version,
	})
	return answer.GetPrediction(), err
}

// crowd has several callers ask until leave is called: none may fail, and each answer must be the one
// of the version that it names.
func (a *audience) crowd(t *testing.T) (leave func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for ctx.Err() == nil {
				p, err := a.ask(ctx, "")
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if got, want := p.MatchResult.HomeProbability, a.offline[p.Model.Version]; math.Abs(got-want) > 1e-6 {
					t.Errorf("version %s under load: %v for the home side, offline %v", p.Model.Version, got, want)
				}
			}
		})
	}
	leave = func() {
		stop()
		callers.Wait()
	}
	t.Cleanup(leave)
	return leave
}

// gets tells whether the champion of that version answers everybody.
func (a *audience) gets(t *testing.T, version string) bool {
	t.Helper()
	for range 20 {
		if p, err := a.ask(t.Context(), ""); err != nil || p.Model.Version != version || p.Model.Variant != inference.Champion {
			return false
		}
	}
	return true
}

// shares counts who answers so many requests: variant=version.
func (a *audience) shares(t *testing.T, requests int) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for range requests {
		p, err := a.ask(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		seen[p.Model.Variant+"="+p.Model.Version]++
	}
	return seen
}

// modelsOf runs subcommands of models against a server.
func modelsOf(t *testing.T, s *server) func(args ...string) string {
	return func(args ...string) string {
		t.Helper()
		return runOK(t, append(append([]string{"models"}, args...), "--operator-address", strings.TrimPrefix(s.operator, "http://"))...).stdout
	}
}
