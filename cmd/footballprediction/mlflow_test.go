package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
	"footballprediction/inference/mlflow/mlflowtest"
	"footballprediction/serving"
)

func TestMLflowSettingIsChecked(t *testing.T) {
	const secret = "s3cret"
	for _, address := range []string{"localhost:" + secret, secret, "sqlite:///" + secret, "http://u:" + secret + "@h/?x"} {
		r := runWith(t, []string{"MLFLOW_TRACKING_URI=" + address}, "serve")
		if r.status != exitUsage || !strings.Contains(r.stderr, "MLFLOW_TRACKING_URI") || strings.Contains(r.stderr, secret) {
			t.Errorf("%s: status %d, %s", address, r.status, r.stderr)
		}
	}
}

// What came with the program serves until MLflow answers; from then on the version that MLflow's
// alias names, if it passes, and the last good one if not or if MLflow goes away, also after a restart.
func TestServeWithMLflow(t *testing.T) {
	tracking, err := mlflowtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tracking.Close(); err != nil {
			t.Error(err)
		}
	})
	door, down := doorTo(t, tracking.URL)
	down.Store(true)

	data := t.TempDir()
	environment := []string{"MLFLOW_TRACKING_URI=" + strings.Replace(door, "://", "://anna:s3cret@", 1)}
	arguments := []string{"--data-dir", data, "--poll-interval", "50ms"}
	s := startServerWith(t, environment, arguments...)
	models, predictions := clientsOf(t, s)
	request := &pb.PredictRequest{Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{HomeTeam: "Arsenal", AwayTeam: "Chelsea"}}, Markets: []pb.Market{pb.Market_MARKET_TOTAL_GOALS}}
	predict := func(version string) *pb.Prediction {
		t.Helper()
		request.ModelVersion = version
		answer, err := predictions.Predict(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Prediction
	}

	// MLflow is down.
	if got := predict("").Model.Version; got != "2" {
		t.Errorf("MLflow is down: version %s serves", got)
	}
	if got := versionOf(t.Context(), t, models, "2"); got.State != pb.ModelState_MODEL_STATE_AVAILABLE || !strings.Contains(got.StateReason, "has not answered since the start") {
		t.Errorf("MLflow is down: %v", got)
	}
	if metrics := textOf(t, s.operator+"/metrics"); !strings.Contains(metrics, `breaker="mlflow"`) || strings.Contains(metrics, "s3cret") {
		t.Error("the breaker around MLflow is not among the metrics")
	}
	first, second := predict("1"), predict("2")

	// MLflow numbers the versions as the program does, and means others: there 1 is our 2.
	released := filepath.Join(filepath.Dir(filepath.Dir(program)), "models", "released", serving.DefaultModel)
	one, two := mlflowtest.Folder(t, filepath.Join(released, "1")), mlflowtest.Folder(t, filepath.Join(released, "2"))
	promote := func(files map[string][]byte) string {
		t.Helper()
		version := tracking.Register(t, serving.DefaultModel, files)
		tracking.Alias(t, serving.DefaultModel, inference.Champion, version)
		return version
	}
	promote(two)
	down.Store(false)
	eventually(t, "MLflow's version to serve", func() bool { return predict("").Model.Version == "1" })
	sameForecast(t, "MLflow's version 1", predict(""), second)
	if got := versionOf(t.Context(), t, models, "1"); got.StateReason != "" {
		t.Errorf("MLflow answers: %v", got)
	}

	// Versions that are not what was trained are refused, and nobody notices.
	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  string
	}{
		{"a coefficient off by 1e-3", with(two, "model.onnx", weights(t, two["model.onnx"], func(w []float32) { w[7] += 1e-3 })), "golden rows: output "},
		{"permuted features", with(two, "model.onnx", weights(t, two["model.onnx"], func(w []float32) {
			for i := range 2 { // two rows of two rates each
				w[i], w[i+2] = w[i+2], w[i]
			}
		})), "golden rows: output "},
		{"permuted names of features", with(two, "manifest.json", bytes.Replace(two["manifest.json"],
			[]byte(`"home_elo", "away_elo"`), []byte(`"away_elo", "home_elo"`), 1)), `manifest.json: features: feature 1: expected "home_elo", got "away_elo"`},
		{"another schema", with(two, "manifest.json", bytes.Replace(two["manifest.json"],
			[]byte(`"feature_schema_hash": "`), []byte(`"feature_schema_hash": "0`), 1)), "manifest.json: feature_schema_hash: expected "},
	} {
		version := promote(c.files)
		var got *pb.ModelVersion
		eventually(t, c.name+" to be refused", func() bool {
			got = versionOf(t.Context(), t, models, version)
			return got.GetState() == pb.ModelState_MODEL_STATE_FAILED
		})
		if !strings.HasPrefix(got.StateReason, c.want) {
			t.Errorf("%s: %s, expected %s", c.name, got.StateReason, c.want)
		}
		if got := predict(""); got.Model.Version != "1" {
			t.Errorf("%s: version %s serves", c.name, got.Model.Version)
		}
	}
	good := promote(one)
	eventually(t, "a good version to serve", func() bool { return predict("").Model.Version == good })
	sameForecast(t, "a good version", predict(""), first)

	// MLflow goes away, and the server starts again without it.
	down.Store(true)
	eventually(t, "the status to say so", func() bool {
		return strings.Contains(versionOf(t.Context(), t, models, good).GetStateReason(), "has not answered since 20")
	})
	sameForecast(t, "MLflow is away", predict(""), first)
	s = startServerWith(t, environment, arguments...)
	models, predictions = clientsOf(t, s)
	if got := predict(""); got.Model.Version != good {
		t.Errorf("after a restart version %s serves", got.Model.Version)
	}
	sameForecast(t, "after a restart", predict(""), first)
	if got := versionOf(t.Context(), t, models, good).GetStateReason(); !strings.Contains(got, "it goes on as MLflow said at ") || strings.Contains(got, "s3cret") {
		t.Errorf("after a restart: %s", got)
	}
}

// doorTo returns the address of a proxy, behind which nobody answers while down is true.
func doorTo(t *testing.T, address string) (door string, down *atomic.Bool) {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	down = new(atomic.Bool)
	forward := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // it stops with the test
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, down
}

func clientsOf(t *testing.T, s *server) (pb.ModelServiceClient, pb.PredictionServiceClient) {
	t.Helper()
	connection, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() }) // it is not used any more
	return pb.NewModelServiceClient(connection), pb.NewPredictionServiceClient(connection)
}

func textOf(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// with returns files with another content of one.
func with(files map[string][]byte, name string, data []byte) map[string][]byte {
	changed := map[string][]byte{}
	for n := range files {
		changed[n] = files[n]
	}
	changed[name] = data
	return changed
}

// weights returns the match model with the weights of its features, rows of two rates, changed.
func weights(t *testing.T, model []byte, change func([]float32)) []byte {
	t.Helper()
	// In the graph's protobuf: field 8, the name of a constant, before field 9, its bytes.
	mark := []byte("\x42\x07weights\x4a")
	at := bytes.Index(model, mark) + len(mark)
	size, n := binary.Uvarint(model[max(at, 0):])
	if at < len(mark) || n <= 0 || size%8 != 0 {
		t.Fatal("the match model has no weights where they are looked for")
	}
	model = bytes.Clone(model)
	raw := model[at+n : at+n+int(size)]
	values := make([]float32, size/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	change(values)
	for i, v := range values {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(v))
	}
	return model
}
