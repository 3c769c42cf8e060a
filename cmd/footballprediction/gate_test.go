package main

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"connectrpc.com/connect"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/api/gen/footballprediction/v1/footballpredictionv1connect"
	"footballprediction/inference"
	"footballprediction/inference/mlflow/mlflowtest"
	"footballprediction/serving"
)

// registryOf tells what MLflow's own Python client sees of the default model.
const registryOf = `
import json, sys
import mlflow
client = mlflow.MlflowClient(sys.argv[1])
versions = client.search_model_versions(f"name='{sys.argv[2]}'")
print(json.dumps({
    "aliases": client.get_registered_model(sys.argv[2]).aliases,
    "tags": {str(v.version): client.get_model_version(sys.argv[2], v.version).tags for v in versions},
}))
`

type pythonView struct {
	Aliases map[string]json.Number
	Tags    map[string]map[string]string
}

func pythonSees(t *testing.T, trackingURI string) pythonView {
	t.Helper()
	root := filepath.Dir(filepath.Dir(program))
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "models", ".venv", "bin", "python"), "-c", registryOf, trackingURI, serving.DefaultModel)
	cmd.Env = append(cmd.Environ(), "DO_NOT_TRACK=true", "MLFLOW_DISABLE_TELEMETRY=true")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("MLflow's Python client: %v\n%s", err, stderr.String())
	}
	var view pythonView
	if err := json.Unmarshal(text, &view); err != nil {
		t.Fatalf("MLflow's Python client: %v\n%s", err, text)
	}
	return view
}

// A version that the gate refused becomes champion only by force and for a reason, and MLflow's own
// client sees what the operator did.
func TestPromoteHeedsTheGate(t *testing.T) {
	tracking, err := mlflowtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tracking.Close(); err != nil {
			t.Error(err)
		}
	})
	const model, first, second = serving.DefaultModel, "1", "2"
	released := filepath.Join(filepath.Dir(filepath.Dir(program)), "models", "released", model)
	for _, version := range []string{first, second} {
		if got := tracking.Register(t, model, mlflowtest.Folder(t, filepath.Join(released, version))); got != version {
			t.Fatalf("got version %s, want %s", got, version)
		}
	}
	tracking.Alias(t, model, inference.Champion, first)
	tracking.Alias(t, model, "challenger", second)
	const said = "not promoted: its log loss is not shown to be better"
	tracking.Tag(t, model, second, "gate.verdict", "refused")
	tracking.Tag(t, model, second, "gate.reason", said)
	tracking.Tag(t, model, second, "gate.actor", "trainer")

	s := startServerWith(t, []string{"MLFLOW_TRACKING_URI=" + tracking.URL}, "--data-dir", t.TempDir(), "--poll-interval", "50ms")
	operator := strings.TrimPrefix(s.operator, "http://")
	models := func(args ...string) result {
		t.Helper()
		return run(t, append(append([]string{"models"}, args...), "--actor", "anna", "--operator-address", operator)...)
	}
	sees := func(champion, previous, verdict, reason, actor string) {
		t.Helper()
		view := pythonSees(t, tracking.URL)
		if got := view.Aliases; got[inference.Champion].String() != champion || got[inference.Previous].String() != previous || got["challenger"] != second {
			t.Errorf("Python sees aliases %v, want champion %s, previous %q", got, champion, previous)
		}
		tags := view.Tags[second]
		if len(view.Tags) != 2 || tags["gate.verdict"] != verdict || tags["gate.reason"] != reason || tags["gate.actor"] != actor {
			t.Errorf("Python sees tags %v, want %s by %s: %s", view.Tags, verdict, actor, reason)
		}
	}

	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, `the gate's verdict is "refused": ` + said},
		{[]string{"--reason", "it is nice"}, `the gate's verdict is "refused": ` + said},
		{[]string{"--force"}, "reason: expected why the gate is overruled"},
		{[]string{"--force", "--reason", "  "}, "reason: expected why the gate is overruled"},
	} {
		r := models(append([]string{"promote", model, "challenger"}, test.args...)...)
		if r.status != exitFailed || !strings.Contains(r.stderr, test.want) {
			t.Errorf("promote %v: status %d, %s", test.args, r.status, r.stderr)
		}
	}
	client := footballpredictionv1connect.NewModelServiceClient(http.DefaultClient, s.operator)
	_, err = client.PromoteModel(t.Context(), &pb.PromoteModelRequest{Name: model, Version: second, Actor: "anna"})
	if connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), said) {
		t.Errorf("got %v", err)
	}
	sees(first, "", "refused", said, "trainer")

	if r := models("promote", model, "challenger", "--force", "--reason", "we want to see it"); r.status != 0 || !strings.Contains(r.stdout, "version 2 serves") {
		t.Errorf("by force: status %d, %s%s", r.status, r.stdout, r.stderr)
	}
	sees(second, first, "forced", "we want to see it (the gate: "+said+")", "anna")
	changes, err := client.ListModelChanges(t.Context(), &pb.ListModelChangesRequest{Name: model})
	if err != nil || len(changes.GetChanges()) != 1 {
		t.Fatalf("got %v %v, want one change", changes, err)
	}
	if c := changes.GetChanges()[0]; !c.GetForced() || c.GetActor() != "anna" || c.GetReason() != "we want to see it" || c.GetVersion() != second {
		t.Errorf("got %v", c)
	}
	if r := models("rollback", model); r.status != 0 {
		t.Errorf("rollback: status %d, %s", r.status, r.stderr)
	}
	sees(first, second, "forced", "we want to see it (the gate: "+said+")", "anna")
	if r := run(t, "models", "status", model, "--operator-address", operator); !strings.Contains(r.stdout, "promote by force 2") {
		t.Errorf("status said %s", r.stdout)
	}
	// What nobody ever judged is its owner's to promote.
	if r := models("promote", model, first); r.status != 0 {
		t.Errorf("without a verdict: status %d, %s", r.status, r.stderr)
	}

	// No alias names these. One is promoted, one cannot be loaded and is not, one does not exist.
	third := tracking.Register(t, model, mlflowtest.Folder(t, filepath.Join(released, second)))
	foreign := tracking.Register(t, model, map[string][]byte{"model.onnx": []byte("no model")})
	if r := models("promote", model, third); r.status != 0 || !strings.Contains(r.stdout, "version "+third+" serves") {
		t.Errorf("without an alias: status %d, %s", r.status, r.stderr)
	}
	for version, want := range map[string]string{foreign: "stays at version \"" + third + "\"", "99": "model version unknown"} {
		if r := models("promote", model, version); r.status != exitFailed || !strings.Contains(r.stderr, want) {
			t.Errorf("version %s: status %d, %s", version, r.status, r.stderr)
		}
		if got := tracking.Aliased(t, model, inference.Champion); got != third {
			t.Errorf("after version %s MLflow's champion is %s, want %s", version, got, third)
		}
	}
	changes, err = client.ListModelChanges(t.Context(), &pb.ListModelChangesRequest{Name: model})
	if err != nil || changes.GetChanges()[0].GetVersion() != third || changes.GetChanges()[0].GetFromVersion() != first {
		t.Errorf("got %v %v", changes, err)
	}
}
