package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	oip "footballprediction/api/gen/inference"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features/store/redistest"
	"footballprediction/inference"
	"footballprediction/inference/mlflow/mlflowtest"
	"footballprediction/serving"
)

// TestSpineStory tells how a request goes through all that stands behind the server at once, with
// real processes: the model comes from MLflow, the features from Redis, many callers share runs, an
// Open Inference client asks the same model, and the operators' port tells of all of it. Then Redis
// freezes and MLflow's alias moves, under load, and nobody is refused.
func TestSpineStory(t *testing.T) {
	ctx := t.Context()
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
	first := tracking.Register(t, serving.DefaultModel, mlflowtest.Folder(t, filepath.Join(released, "2")))
	tracking.Alias(t, serving.DefaultModel, inference.Champion, first)
	redis := redistest.Start(t)
	environment := []string{"MLFLOW_TRACKING_URI=" + tracking.URL, "REDIS_URL=" + redis.URL()}
	if r := runWith(t, environment, "features", "materialize"); r.status != 0 {
		t.Fatal(r.stderr)
	}

	s := startServerWith(t, environment, "--data-dir", t.TempDir(), "--poll-interval", "50ms")
	backend, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	predictions, open := pb.NewPredictionServiceClient(backend), oip.NewGRPCInferenceServiceClient(backend)
	request := &pb.PredictRequest{
		Target:  &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{HomeTeam: "Arsenal", AwayTeam: "Chelsea"}},
		Markets: []pb.Market{pb.Market_MARKET_TOTAL_GOALS},
	}
	answer, err := predictions.Predict(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	want := answer.Prediction
	if len(want.Degradations) != 0 || want.Model.Version != first {
		t.Errorf("answered by version %s of MLflow's %s, degraded by %v", want.Model.Version, first, want.Degradations)
	}

	// An Open Inference client asks the same model with the features that the product used.
	if ready, err := open.ModelReady(ctx, &oip.ModelReadyRequest{Name: serving.DefaultModel}); err != nil || !ready.Ready {
		t.Errorf("model ready: %v, %v", ready, err)
	}
	match, err := pb.NewMatchServiceClient(backend).ListMatches(ctx, &pb.ListMatchesRequest{Status: pb.MatchStatus_MATCH_STATUS_SCHEDULED, PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	stored := &pb.PredictRequest{Target: &pb.PredictRequest_MatchId{MatchId: match.Matches[0].MatchId}}
	predicted, err := predictions.Predict(ctx, stored)
	if err != nil {
		t.Fatal(err)
	}
	vector, err := pb.NewFeatureServiceClient(backend).GetMatchFeatures(ctx, &pb.GetMatchFeaturesRequest{MatchId: match.Matches[0].MatchId})
	if err != nil {
		t.Fatal(err)
	}
	row := &oip.ModelInferRequest_InferInputTensor{Name: "features", Datatype: "FP32", Shape: []int64{1, int64(len(vector.Features))}, Contents: &oip.InferTensorContents{}}
	for _, f := range vector.Features {
		row.Contents.Fp32Contents = append(row.Contents.Fp32Contents, float32(f.Value))
	}
	inferred, err := open.ModelInfer(ctx, &oip.ModelInferRequest{ModelName: serving.DefaultModel, Inputs: []*oip.ModelInferRequest_InferInputTensor{row}})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range inferred.Outputs {
		if out.Name != "outcome_probabilities" {
			continue
		}
		if got := float64(out.Contents.Fp32Contents[0]); got-predicted.Prediction.MatchResult.HomeProbability > 1e-5 || predicted.Prediction.MatchResult.HomeProbability-got > 1e-5 {
			t.Errorf("Open Inference gives %v to the home side, the product %v", got, predicted.Prediction.MatchResult.HomeProbability)
		}
	}

	// Under load Redis freezes, and then MLflow's alias moves. Every call is answered.
	second := tracking.Register(t, serving.DefaultModel, mlflowtest.Folder(t, filepath.Join(released, "1")))
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := predictions.Predict(ctx, request); err != nil {
					t.Errorf("under load: %v", err)
					return
				}
			}
		})
	}
	redis.Freeze()
	eventually(t, "answers that say that Redis is away", func() bool {
		got, err := predictions.Predict(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		sameForecast(t, "Redis frozen", got.Prediction, want)
		return len(got.Prediction.Degradations) == 1 && got.Prediction.Degradations[0].Reason == "REDIS_UNAVAILABLE"
	})
	tracking.Alias(t, serving.DefaultModel, inference.Champion, second)
	eventually(t, "the version that the alias moved to", func() bool {
		got, err := predictions.Predict(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		return got.Prediction.Model.Version == second
	})
	redis.Thaw()
	eventually(t, "answers from Redis again", func() bool {
		got, err := predictions.Predict(ctx, request)
		return err == nil && len(got.Prediction.Degradations) == 0
	})
	close(stop)
	callers.Wait()

	text := textOf(t, s.operator+"/metrics")
	for _, series := range []string{
		`rpc_server_call_duration_seconds_count{rpc_method="footballprediction.v1.PredictionService/Predict",rpc_response_status_code="OK",rpc_system_name="grpc"}`,
		`rpc_server_call_duration_seconds_count{rpc_method="inference.GRPCInferenceService/ModelInfer"`,
		`footballprediction_inference_batch_size_count{model="match-outcome",version="` + second + `"}`,
		`footballprediction_inference_queue_duration_seconds_count`,
		`footballprediction_stage_duration_seconds_count{stage="features"}`,
		`footballprediction_model_state{model="match-outcome",serving="true",state="AVAILABLE",version="` + second + `"} 1`,
		`footballprediction_breaker_state{breaker="redis",state="closed"} 1`,
		`footballprediction_breaker_state{breaker="mlflow",state="closed"} 1`,
	} {
		if !strings.Contains(text, series) {
			t.Errorf("/metrics lacks %s", series)
		}
	}
	page, err := http.Get(s.http + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	if page.StatusCode != http.StatusOK || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Errorf("the page: %s, %s", page.Status, page.Header.Get("Content-Type"))
	}
}
