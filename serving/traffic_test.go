package serving

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// The same key gets the same variant whatever the transport, alone and in a batch; what each variant
// answered is logged and counted.
func TestTraffic(t *testing.T) {
	w := newWorld()
	reader := sdkmetric.NewManualReader()
	var err error
	if w.telemetry, err = NewTelemetry(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), nil); err != nil {
		t.Fatal(err)
	}
	s := w.serve(t, ServerOptions{})
	if _, err := s.operators().SetTraffic(t.Context(), &pb.SetTrafficRequest{Name: DefaultModel, Actor: "anna", Route: &pb.Route{
		Variants: []*pb.RouteVariant{{Name: "control", Version: "2", Percent: 50}, {Name: "treatment", Version: "1", Percent: 50}},
	}}); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{"control": "2", "treatment": "1"}
	batch := new(pb.BatchPredictRequest)
	variants := map[string]string{} // by key
	seen := map[string]int{}
	for i := range 40 {
		key := fmt.Sprintf("user-%d", i)
		request := pairing("Arsenal", "Chelsea")
		request.AssignmentKey = key
		batch.Requests = append(batch.Requests, request)
		for _, c := range predictors(t, s) {
			answer, st := c.call(t.Context(), request)
			if st != nil {
				t.Fatal(c.name, st)
			}
			model := answer.GetPrediction().GetModel()
			if versions[model.GetVariant()] != model.GetVersion() {
				t.Fatalf("%s: got %s", c.name, text(model))
			}
			if known := variants[key]; known != "" && known != model.GetVariant() {
				t.Errorf("%s: key %s came to %s and to %s", c.name, key, known, model.GetVariant())
			}
			variants[key] = model.GetVariant()
		}
		seen[variants[key]]++
	}
	if seen["control"] < 8 || seen["treatment"] < 8 {
		t.Errorf("of 40 keys: got %v", seen)
	}
	answer, err := pb.NewPredictionServiceClient(s.native).BatchPredict(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range answer.GetResults() {
		if got, want := result.GetPrediction().GetModel().GetVariant(), variants[batch.Requests[i].AssignmentKey]; got != want {
			t.Errorf("in a batch key %d came to %q, alone to %q", i, got, want)
		}
	}
	answers := 40 * (len(predictors(t, s)) + 1)
	if n := strings.Count(w.logged(), `"msg":"exposure"`); n != answers {
		t.Errorf("%d exposures logged of %d answers", n, answers)
	}
	if got := series(t, reader, "footballprediction.exposures", "variant"); got["control"]+got["treatment"] != int64(answers) || got["control"] == 0 || got["treatment"] == 0 {
		t.Errorf("exposures counted of %d answers: %v", answers, got)
	}
	// A version that is asked for is not up to the route.
	request := pairing("Arsenal", "Chelsea")
	request.ModelVersion, request.AssignmentKey = "1", "user-1"
	single, err := pb.NewPredictionServiceClient(s.native).Predict(t.Context(), request)
	if err != nil || single.GetPrediction().GetModel().GetVersion() != "1" || single.GetPrediction().GetModel().GetVariant() != "" {
		t.Errorf("got %v %v", single.GetPrediction().GetModel(), err)
	}
}

// A version whose answers are of no use is taken out of service, and the one before restored: metrics,
// log and record say so, and who watches is told.
func TestQuarantineInService(t *testing.T) {
	w := newWorld()
	reader := sdkmetric.NewManualReader()
	var err error
	if w.telemetry, err = NewTelemetry(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), nil); err != nil {
		t.Fatal(err)
	}
	sick := false
	w.versions[DefaultModel]["2"].run = func(_ context.Context, _, outcomes, _ []float32) error {
		if sick {
			outcomes[0] = float32(math.NaN())
		}
		return nil
	}
	s := w.serve(t, ServerOptions{})
	predictions := pb.NewPredictionServiceClient(s.native)
	watch, err := s.operators().WatchModels(t.Context(), &pb.WatchModelsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if !watch.Receive() || watch.Msg().GetModel().GetServingVersion() != "2" {
		t.Fatalf("at first: %v %v", watch.Msg(), watch.Err())
	}
	w.versions[DefaultModel]["2"].mu.Lock()
	sick = true
	w.versions[DefaultModel]["2"].mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	failed := 0
	for {
		answer, err := predictions.Predict(ctx, pairing("Arsenal", "Chelsea"))
		if err == nil {
			if got := answer.GetPrediction().GetModel().GetVersion(); got != "1" {
				t.Errorf("version %s answers", got)
			}
			break
		}
		if ctx.Err() != nil {
			t.Fatal("nothing stands in")
		}
		failed++
	}
	got, err := s.operators().GetModel(ctx, &pb.GetModelRequest{Name: DefaultModel})
	if err != nil {
		t.Fatal(err)
	}
	v := got.GetModel().GetVersions()[1]
	if failed < 16 || got.GetModel().GetServingVersion() != "1" || v.GetState() != pb.ModelState_MODEL_STATE_FAILED || !strings.Contains(v.GetStateReason(), "quarantined") {
		t.Errorf("after %d failures: got %s", failed, text(got.GetModel()))
	}
	if !watch.Receive() || watch.Msg().GetModel().GetServingVersion() != "1" {
		t.Errorf("who watches: %v %v", watch.Msg(), watch.Err())
	}
	if err := watch.Close(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(w.logged(), `"level":"ERROR","msg":"model version quarantined: it fails in service","model":"match-outcome","version":"2"`) {
		t.Errorf("the log does not say so:\n%s", w.logged())
	}
	if got := series(t, reader, "footballprediction.model.quarantines", "model"); got[DefaultModel] != 1 {
		t.Errorf("quarantines: %v", got)
	}
	if got := series(t, reader, "footballprediction.model.state", "state"); got["FAILED"] != 1 || got["AVAILABLE"] != 1 {
		t.Errorf("states: %v", got)
	}
	for { // the record is written once the requests are answered
		changes, err := s.operators().ListModelChanges(ctx, &pb.ListModelChangesRequest{Name: DefaultModel})
		if err != nil {
			t.Fatal(err)
		}
		if all := changes.GetChanges(); len(all) > 0 {
			if c := all[0]; c.GetAction() != "quarantine" || c.GetFromVersion() != "2" || c.GetVersion() != "1" || c.GetReason() == "" {
				t.Errorf("on record: %s", text(c))
			}
			break
		}
	}
}
