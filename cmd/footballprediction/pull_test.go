package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
	"footballprediction/inference/mlflow/mlflowtest"
	"footballprediction/serving"
)

func startMLflow(t *testing.T) *mlflowtest.Server {
	t.Helper()
	tracking, err := mlflowtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tracking.Close(); err != nil {
			t.Error(err)
		}
	})
	return tracking
}

// releasedFiles returns a released version of the match model.
func releasedFiles(t *testing.T, version string) map[string][]byte {
	t.Helper()
	return mlflowtest.Folder(t, filepath.Join(filepath.Dir(filepath.Dir(program)), "models", "released", serving.DefaultModel, version))
}

func arsenalChelsea() *pb.PredictRequest {
	return &pb.PredictRequest{Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{HomeTeam: "Arsenal", AwayTeam: "Chelsea"}}}
}

// TestMLflowStory tells what a data scientist and an operator do with MLflow between them: a version is
// pulled, looked at and served from a folder; MLflow's webhook has a server that hardly ever polls serve
// another within a moment; MLflow goes away for good, and what was fetched is pulled and served all the
// same.
func TestMLflowStory(t *testing.T) {
	tracking := startMLflow(t)
	door, down := doorTo(t, tracking.URL)
	first := tracking.Register(t, serving.DefaultModel, releasedFiles(t, "1"))
	second := tracking.Register(t, serving.DefaultModel, releasedFiles(t, "2"))
	tracking.Alias(t, serving.DefaultModel, inference.Champion, first)
	tracking.Alias(t, serving.DefaultModel, "challenger", second)
	data, to := t.TempDir(), filepath.Join(t.TempDir(), "candidates")
	const secret = "between MLflow and us"
	environment := []string{
		"MLFLOW_TRACKING_URI=" + door, "MLFLOW_TRACKING_TOKEN=s3cret",
		"FOOTBALLPREDICTION_MLFLOW_WEBHOOK_SECRET=" + secret,
	}
	pull := func(args ...string) result {
		return runWith(t, environment, append([]string{"models", "pull", "--data-dir", data}, args...)...)
	}

	// A version is pulled, by alias, by number or as the champion, into a folder that can be served.
	answer := regexp.MustCompile(`^match-outcome version (\d+): ok\nsha256:[0-9a-f]{64}\n(/.*)\n$`)
	for _, c := range []struct {
		args    []string
		version string
	}{
		{[]string{serving.DefaultModel}, first},
		{[]string{serving.DefaultModel + "@challenger", "--to", to}, second},
		{[]string{serving.DefaultModel + "/" + first, "--to", to}, first},
	} {
		r := pull(c.args...)
		found := answer.FindStringSubmatch(r.stdout)
		if r.status != 0 || found == nil || found[1] != c.version {
			t.Fatalf("%q: status %d\n%s%s", c.args, r.status, r.stdout, r.stderr)
		}
		got := mlflowtest.Folder(t, found[2])
		for name, data := range releasedFiles(t, c.version) {
			if string(got[name]) != string(data) {
				t.Errorf("%q: %s has %d bytes, expected %d", c.args, name, len(got[name]), len(data))
			}
		}
		if len(c.args) > 1 && found[2] != filepath.Join(to, serving.DefaultModel, c.version) {
			t.Errorf("%q: put into %s", c.args, found[2])
		}
	}
	if out := runOK(t, "models", "verify", "--models", to).stdout; strings.Count(out, ": ok") != 2 {
		t.Error(out)
	}
	spoilt := releasedFiles(t, "2")
	spoilt["model.onnx"] = spoilt["model.onnx"][:1000]
	third := tracking.Register(t, serving.DefaultModel, spoilt)
	for what, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"again":       {[]string{serving.DefaultModel, "--to", to}, exitFailed, "is there already"},
		"spoilt":      {[]string{serving.DefaultModel + "/" + third, "--to", to}, exitFailed, "would not serve: FAILED: open model: "},
		"no alias":    {[]string{serving.DefaultModel + "@nobody"}, exitFailed, `has no alias "nobody"`},
		"no version":  {[]string{serving.DefaultModel + "/99"}, exitFailed, "version=99) not found"},
		"no model":    {[]string{"nothing"}, exitFailed, "RESOURCE_DOES_NOT_EXIST"},
		"no name":     {[]string{"../x"}, exitUsage, "expected MODEL, MODEL@ALIAS or MODEL/VERSION"},
		"half a name": {[]string{serving.DefaultModel + "@"}, exitUsage, "expected MODEL, MODEL@ALIAS or MODEL/VERSION"},
		"a word":      {[]string{serving.DefaultModel + "/latest"}, exitUsage, "expected MODEL, MODEL@ALIAS or MODEL/VERSION"},
	} {
		if r := pull(c.args...); r.status != c.status || !strings.Contains(r.stderr, c.want) || strings.Contains(r.stderr, "s3cret") {
			t.Errorf("%s: status %d, %s", what, r.status, r.stderr)
		}
	}
	if r := run(t, "models", "pull", serving.DefaultModel); r.status != exitUsage || !strings.Contains(r.stderr, "MLFLOW_TRACKING_URI") {
		t.Errorf("no MLflow: status %d, %s", r.status, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(to, serving.DefaultModel, third)); !os.IsNotExist(err) {
		t.Errorf("a version that would not serve is in its place: %v", err)
	}

	// MLflow tells the server, which would not have asked for an hour.
	s := startServerWith(t, environment, "--data-dir", data, "--poll-interval", "1h")
	_, predictions := clientsOf(t, s)
	version := func() string {
		got, err := predictions.Predict(t.Context(), arsenalChelsea())
		if err != nil {
			t.Fatal(err)
		}
		return got.Prediction.Model.Version
	}
	if got := version(); got != first {
		t.Fatalf("version %s serves", got)
	}
	tracking.Webhook(t, s.http+"/webhooks/mlflow", secret)
	tracking.Alias(t, serving.DefaultModel, inference.Champion, second)
	eventually(t, "the version that the webhook tells of", func() bool { return version() == second })
	response, err := http.Post(s.http+"/webhooks/mlflow", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("what MLflow did not sign: %s, %v", response.Status, err)
	}
	metrics := textOf(t, s.operator+"/metrics")
	for _, series := range []string{
		`footballprediction_webhooks_total{path="/webhooks/mlflow",taken="true"} 1`,
		`footballprediction_webhooks_total{path="/webhooks/mlflow",taken="false"} 1`,
	} {
		if !strings.Contains(metrics, series) {
			t.Errorf("/metrics lacks %s", series)
		}
	}

	// MLflow is down when a server starts over what the first has fetched.
	down.Store(true)
	s = startServerWith(t, environment, "--data-dir", data, "--poll-interval", "50ms")
	models, predictions := clientsOf(t, s)
	if got, err := predictions.Predict(t.Context(), arsenalChelsea()); err != nil || got.Prediction.Model.Version != second {
		t.Errorf("MLflow is down: %v, %v", got, err)
	}
	reason := versionOf(t.Context(), t, models, second).GetStateReason()
	if !strings.Contains(reason, "has not answered since the start") || !strings.Contains(reason, "it goes on as MLflow said at 20") || strings.Contains(reason, data) {
		t.Errorf("MLflow is down: %s", reason)
	}
	if metrics := textOf(t, s.operator+"/metrics"); !strings.Contains(metrics, `footballprediction_model_source_problem{model="match-outcome"} 1`) {
		t.Error("MLflow is down: the metrics do not say so")
	}
}

// Whatever MLflow does while a server starts, it serves within moments what it has, and stops at once
// when it is told to.
func TestStartWithABadMLflow(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"hangs": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"answers without end": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-tick.C:
				case <-r.Context().Done():
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan struct{}, 100)
			bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case asked <- struct{}{}:
				default:
				}
				answer(w, r)
			}))
			t.Cleanup(bad.CloseClientConnections)
			environment := []string{"MLFLOW_TRACKING_URI=" + bad.URL}
			s := startServerWith(t, environment, "--data-dir", t.TempDir(), "--poll-interval", "50ms")
			models, _ := clientsOf(t, s)
			if got := versionOf(t.Context(), t, models, "2"); !strings.Contains(got.GetStateReason(), "has not answered since the start") {
				t.Errorf("got %v", got)
			}
			for len(asked) > 0 {
				<-asked
			}
			<-asked // it is asked again, and hangs
			if err := s.process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case status := <-s.exited:
				if status != 0 {
					t.Errorf("the server exited with %d", status)
				}
			case <-time.After(15 * time.Second):
				t.Error("the server does not stop")
			}
		})
	}
}

// A server that waits for MLflow's first answer is alive and not ready, and stops in peace when it is
// told to.
func TestStopWhileStarting(t *testing.T) {
	asked := make(chan struct{}, 100)
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(hangs.CloseClientConnections)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "serve", "--data-dir", t.TempDir(),
		"--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0", "--operator-address", "127.0.0.1:0")
	cmd.Env = []string{"HOME=" + t.TempDir(), "MLFLOW_TRACKING_URI=" + hangs.URL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked:
	case <-ctx.Done():
	}
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		found := loadingLine.FindStringSubmatch(lines.Text())
		if found == nil {
			continue
		}
		for path, status := range map[string]int{"/livez": 200, "/readyz": 503, "/metrics": 200} {
			(&server{operator: "http://" + found[1]}).await(t, path, status)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(said.String(), "stopped before it served") {
		t.Errorf("%v\n%s", err, said.String())
	}
}

var loadingLine = regexp.MustCompile(`msg="loading models" operators=(\S+)`)

// stuck is a source on a disk that does not answer.
type stuck struct{ forever chan struct{} }

func (s stuck) List(context.Context) ([]inference.Aspired, error) {
	<-s.forever
	return nil, os.ErrDeadlineExceeded
}

func (s stuck) Fetch(context.Context, string, string) (string, error) { return "", os.ErrNotExist }

// A disk that does not answer keeps nobody from stopping a server that starts.
func TestStartOnADeadDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stuck{make(chan struct{})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		registry := inference.NewRegistry(s, nil, inference.Options{Logger: slog.New(slog.DiscardHandler)})
		begun := time.Now()
		err := closing(poll(ctx, registry), registry)
		if err == nil || time.Since(begun) > time.Second+closeTimeout {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		close(s.forever)
	})
}
