package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/api/gen/footballprediction/v1/footballpredictionv1connect"
)

// TestFirstAnswerStory tells, with the real binary, how match history becomes a served prediction:
// files are replayed into a state, the released models are verified, a server answers a backend
// over gRPC, a browser over Connect and gRPC-Web and a person over REST and on the command line,
// all with the same numbers; a broken model does not disturb it, a good one takes over, and when it
// is told to stop, it answers what it has accepted.
func TestFirstAnswerStory(t *testing.T) {
	ctx := t.Context()
	work := t.TempDir()

	// History becomes a state to serve from, and a training set.
	state := filepath.Join(work, "state")
	runOK(t, "features", "export", "--data", writeHistory(t), "--state", state, "--parquet", filepath.Join(work, "features.parquet"))
	if info, err := os.Stat(filepath.Join(work, "features.parquet")); err != nil || info.Size() < 10_000 {
		t.Fatal(info, err)
	}

	// The released models would serve, and the server starts on a copy of them.
	if out := runOK(t, "models", "verify").stdout; !strings.Contains(out, "match-outcome version 1: ok") || !strings.Contains(out, "match-outcome version 2: ok") {
		t.Fatal(out)
	}
	released := filepath.Join(filepath.Dir(filepath.Dir(program)), "models", "released")
	models := filepath.Join(work, "models")
	copyModel(t, filepath.Join(released, "match-outcome", "1"), filepath.Join(models, "match-outcome", "1"))
	copyModel(t, filepath.Join(released, "match-outcome", "2"), filepath.Join(models, "match-outcome", "2"))
	s := startServer(t, "--state", state, "--models", models, "--poll-interval", "50ms")

	backend, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	predictions := pb.NewPredictionServiceClient(backend)

	// Somebody looks for a match to come and asks about it.
	matches, err := pb.NewMatchServiceClient(backend).ListMatches(ctx, &pb.ListMatchesRequest{Competition: "E0", Status: pb.MatchStatus_MATCH_STATUS_SCHEDULED})
	if err != nil || len(matches.Matches) != 50 || matches.NextPageToken == "" {
		t.Fatal(len(matches.GetMatches()), err)
	}
	match := matches.Matches[7]
	if !match.Illustrative {
		t.Errorf("a made-up fixture does not say so: %v", match)
	}
	request := &pb.PredictRequest{
		Target:  &pb.PredictRequest_MatchId{MatchId: match.MatchId},
		Markets: []pb.Market{pb.Market_MARKET_TOTAL_GOALS, pb.Market_MARKET_CORRECT_SCORE},
	}
	answer, err := predictions.Predict(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	want := answer.Prediction
	if got := want.Model; got.Name != "match-outcome" || got.Version != "2" || got.Variant != "champion" {
		t.Errorf("answered by %v", got)
	}
	checkCoherent(t, want)

	// Every transport gives the same numbers.
	for name, client := range map[string]footballpredictionv1connect.PredictionServiceClient{
		"Connect":          footballpredictionv1connect.NewPredictionServiceClient(http.DefaultClient, s.http),
		"Connect, JSON":    footballpredictionv1connect.NewPredictionServiceClient(http.DefaultClient, s.http, connect.WithProtoJSON()),
		"Connect over GET": footballpredictionv1connect.NewPredictionServiceClient(http.DefaultClient, s.http, connect.WithHTTPGet()),
		"gRPC-Web":         footballpredictionv1connect.NewPredictionServiceClient(http.DefaultClient, s.http, connect.WithGRPCWeb()),
	} {
		got, err := client.Predict(ctx, request)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sameForecast(t, name, got.Prediction, want)
	}
	var rest pb.PredictResponse
	getJSON(t, s.http+"/predictions/match/"+match.MatchId+"?markets=MARKET_TOTAL_GOALS", &rest)
	sameForecast(t, "REST", rest.Prediction, want)
	var typed pb.PredictResponse
	line := runOK(t, "predict", match.HomeTeam.Name, strings.ToUpper(match.AwayTeam.Name), "--json",
		"--date", match.Kickoff.AsTime().Format("2006-01-02"), "--state", state, "--models", models).stdout
	if err := protojson.Unmarshal([]byte(line), &typed); err != nil {
		t.Fatal(err)
	}
	sameForecast(t, "the command line", typed.Prediction, want)

	// In a batch each item succeeds or fails by itself.
	batch, err := predictions.BatchPredict(ctx, &pb.BatchPredictRequest{Requests: []*pb.PredictRequest{
		request,
		{Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{HomeTeam: "E0 Towm A", AwayTeam: "E0 Town B"}}},
		{Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{HomeTeam: "e0 town a", AwayTeam: "D1 Town B"}}},
	}})
	if err != nil || len(batch.Results) != 3 {
		t.Fatal(batch, err)
	}
	sameForecast(t, "a batch", batch.Results[0].GetPrediction(), want)
	if got := batch.Results[1].GetError(); codes.Code(got.GetCode()) != codes.NotFound || !strings.Contains(got.GetMessage(), "E0 Town A") {
		t.Errorf("a misspelled team: %v", got)
	}
	if got := batch.Results[2].GetPrediction(); len(got.GetDegradations()) != 1 || got.Degradations[0].Reason != "RATINGS_NOT_LINKED" {
		t.Errorf("teams of two countries: %v", batch.Results[2])
	}

	// The features behind a prediction can be seen.
	vector, err := pb.NewFeatureServiceClient(backend).GetMatchFeatures(ctx, &pb.GetMatchFeaturesRequest{MatchId: match.MatchId})
	if err != nil || len(vector.Features) < 36 || vector.AsOf.AsTime().Year() != 2026 {
		t.Errorf("features: %v, %v", vector, err)
	}

	// A broken version is refused and named; what serves goes on.
	broken := filepath.Join(models, "match-outcome", "3")
	copyModel(t, filepath.Join(released, "match-outcome", "2"), broken+".aside")
	if err := os.Truncate(filepath.Join(broken+".aside", "model.onnx"), 100); err != nil {
		t.Fatal(err)
	}
	rename(t, broken+".aside", broken)
	service := pb.NewModelServiceClient(backend)
	eventually(t, "the broken version to be refused", func() bool {
		v := versionOf(ctx, t, service, "3")
		return v.GetState() == pb.ModelState_MODEL_STATE_FAILED && v.StateReason != ""
	})
	if got, err := predictions.Predict(ctx, request); err != nil || got.Prediction.Model.Version != "2" {
		t.Errorf("beside a broken version: %v, %v", got.GetPrediction().GetModel(), err)
	}

	// A good one takes over without a word being said to the server.
	copyModel(t, filepath.Join(released, "match-outcome", "1"), filepath.Join(work, "good"))
	rename(t, filepath.Join(work, "good"), filepath.Join(models, "match-outcome", "4"))
	eventually(t, "the new version to serve", func() bool {
		got, err := predictions.Predict(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		return got.Prediction.Model.Version == "4"
	})
	pinned := &pb.PredictRequest{Target: request.Target, Markets: request.Markets, ModelVersion: "2"}
	old, err := predictions.Predict(ctx, pinned)
	if err != nil {
		t.Fatal(err)
	}
	sameForecast(t, "the old version, by number", old.Prediction, want)

	stopsAfterAnswering(t, s, backend, request)
}

// stopsAfterAnswering begins a call on each port, tells the server to stop, and only then sends what
// is asked: both calls are answered and the server exits in peace.
func stopsAfterAnswering(t *testing.T, s *server, backend *grpc.ClientConn, request *pb.PredictRequest) {
	ctx := t.Context()
	stream, err := backend.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, pb.PredictionService_Predict_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	body, send := io.Pipe()
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, s.http+"/predictions/match", body)
	if err != nil {
		t.Fatal(err)
	}
	post.Header.Set("Content-Type", "application/json")
	type reply struct {
		*http.Response
		error
	}
	replied := make(chan reply, 1)
	go func() {
		response, err := http.DefaultClient.Do(post) //nolint:bodyclose // closed by whoever receives it
		replied <- reply{response, err}
	}()
	if _, err := io.WriteString(send, `{"pairing":`); err != nil { // returns when the transport has taken it
		t.Fatal(err)
	}
	// A whole call on the same connection has come behind the headers of the first.
	if _, err := pb.NewPredictionServiceClient(backend).Predict(ctx, request); err != nil {
		t.Fatal(err)
	}

	if err := s.process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.await(t, "/readyz", http.StatusServiceUnavailable)
	var answer pb.PredictResponse
	if err := stream.SendMsg(request); err != nil {
		t.Error(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
	if err := stream.RecvMsg(&answer); err != nil || answer.Prediction == nil {
		t.Errorf("a call in flight on the gRPC port: %v", err)
	}
	if _, err := io.WriteString(send, `{"homeTeam":"E0 Town A","awayTeam":"E0 Town B"}}`); err != nil {
		t.Error(err)
	}
	if err := send.Close(); err != nil {
		t.Error(err)
	}
	if r := <-replied; r.error != nil || r.StatusCode != http.StatusOK {
		t.Errorf("a call in flight on the HTTP port: %+v, %v", r.Response, r.error)
	} else if err := r.Body.Close(); err != nil {
		t.Error(err)
	}
	if status := <-s.exited; status != 0 {
		t.Errorf("the server exited with %d", status)
	}
}

// TestReleasedStateAnswersForRealTeams asks what the README asks, on the released state.
func TestReleasedStateAnswersForRealTeams(t *testing.T) {
	out := runOK(t, "predict", "arsenal", "CHELSEA").stdout
	for _, want := range []string{"Arsenal – Chelsea, E0", "Draw", "Expected goals", "match-outcome version 2", "25 May 2025 (stale)"} {
		if !strings.Contains(out, want) {
			t.Errorf("expected %q in\n%s", want, out)
		}
	}
	if r := run(t, "predict", "Arsenl", "Chelsea"); r.status != exitUsage || !strings.Contains(r.stderr, `"Arsenal"`) {
		t.Errorf("a slip of the pen: status %d, %s", r.status, r.stderr)
	}
	if r := run(t, "predict", "Arsenal", "The Gunners FC", "--date", "2020-02-30"); r.status != exitUsage {
		t.Errorf("no such day: status %d, %s", r.status, r.stderr)
	}
	if out := runOK(t, "features", "show", "Bayern München", "dortmund").stdout; !strings.Contains(out, "elo_difference") {
		t.Error(out)
	}
	if out := runOK(t, "models", "list").stdout; !strings.Contains(out, "2 (serves)") || !strings.Contains(out, "2025-05-25") {
		t.Error(out)
	}
}

// TestBacktest predicts the last season of a made-up history.
func TestBacktest(t *testing.T) {
	history, out := writeHistory(t), filepath.Join(t.TempDir(), "out.csv")
	window := []string{"backtest", "--data", history, history, "--from", "2025-08-01", "--to", "2026-06-30", "--out", out}
	summary := runOK(t, window...).stdout
	if !strings.Contains(strings.Join(strings.Fields(summary), " "), "matches 180 RPS 0.") || !strings.Contains(summary, "B365") || strings.Contains(summary, "IN SAMPLE") {
		t.Errorf("summary:\n%s", summary)
	}
	file, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	const header = "date,competition,home_team,away_team,home_probability,draw_probability,away_probability,home_expected_goals,away_expected_goals,home_goals,away_goals,model_version"
	if got := strings.Join(rows[0], ","); got != header {
		t.Errorf("header %s", got)
	}
	if len(rows) != 181 { // the same folder twice counts once
		t.Fatalf("%d rows", len(rows))
	}
	for i, row := range rows[1:] {
		sum := 0.0
		for _, field := range row[4:7] {
			p, err := strconv.ParseFloat(field, 64)
			if err != nil || p <= 0 || p >= 1 {
				t.Fatalf("row %d: %v", i, row)
			}
			sum += p
		}
		if math.Abs(sum-1) > 1e-9 || i > 0 && row[0] < rows[i][0] || row[11] != "2" {
			t.Fatalf("row %d: %v", i, row)
		}
	}

	sample := []string{"backtest", "--data", history, "--from", "2025-05-25", "--to", "2025-06-30", "--out", out}
	if r := run(t, sample...); r.status != exitUsage || !strings.Contains(r.stderr, "2025-05-25") || !strings.Contains(r.stderr, "--in-sample") {
		t.Errorf("in sample: status %d, %s", r.status, r.stderr)
	}
	sample[4] = "2024-08-01"
	if summary := runOK(t, append(sample, "--in-sample")...).stdout; !strings.Contains(summary, "IN SAMPLE") {
		t.Errorf("summary:\n%s", summary)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if lines[0] != header+",in_sample" || !strings.HasSuffix(lines[1], ",true") || !strings.HasSuffix(lines[len(lines)-1], ",true") {
		t.Errorf("in sample: %s\n%s", lines[0], lines[1])
	}
	// What was there before is not lost to a slip.
	device := filepath.Join(t.TempDir(), "out")
	if err := syscall.Mkfifo(device, 0o600); err != nil {
		t.Fatal(err)
	}
	piped := make(chan string, 1)
	go func() {
		text, err := os.ReadFile(device)
		if err != nil {
			t.Error(err)
		}
		piped <- string(text)
	}()
	runOK(t, "backtest", "--data", history, "--from", "2025-08-01", "--to", "2026-06-30", "--out", device)
	if info, err := os.Stat(device); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("a pipe became %v, %v", info.Mode(), err)
	}
	if got := <-piped; !strings.HasPrefix(got, header) {
		t.Errorf("through the pipe came %.100q", got)
	}
	link := filepath.Join(t.TempDir(), "link.csv")
	if err := os.Symlink(out, link); err != nil {
		t.Fatal(err)
	}
	runOK(t, "backtest", "--data", history, "--from", "2026-01-01", "--to", "2026-06-30", "--out", link)
	if target, err := os.Readlink(link); err != nil || target != out {
		t.Errorf("a link became %q, %v", target, err)
	}
	nowhere := filepath.Join(history, "none", "out")
	for name, args := range map[string][]string{
		"a file nowhere":        append(window, "--out", nowhere),
		"a file in a file":      append(window, "--out", filepath.Join(out, "out")),
		"a folder for a file":   append(window, "--out", history),
		"training set nowhere":  {"features", "export", "--data", history, "--parquet", nowhere},
		"odds nowhere":          {"features", "export", "--data", history, "--odds", nowhere},
		"no command":            {},
		"a mistyped command":    {"modles"},
		"a mistyped subcommand": {"models", "verfy"},
		"one team twice":        {"features", "show", "Arsenal", "The Gunners"},
		"no data":               {"backtest", "--from", "2025-08-01", "--to", "2026-06-30", "--out", out},
		"no such day":           {"backtest", "--data", history, "--from", "2025-8-1", "--to", "2026-06-30", "--out", out},
		"backwards":             {"backtest", "--data", history, "--from", "2026-08-01", "--to", "2026-06-30", "--out", out},
		"no file":               {"backtest", "--data", history, "--from", "2025-08-01", "--to", "2026-06-30"},
		"no flag":               {"backtest", "--dta", history},
		"no model":              append(window, "--model", filepath.Join(history, "none")),
	} {
		if r := run(t, args...); r.status != exitUsage || strings.Contains(r.stderr, "read ") { // nothing is read first
			t.Errorf("%s: status %d, %s", name, r.status, r.stderr)
		}
	}
	if r := run(t, "backtest", "--data", history, "--from", "2027-01-01", "--to", "2027-06-30", "--out", out+".none"); r.status != exitFailed {
		t.Errorf("nothing played: status %d, %s", r.status, r.stderr)
	} else if _, err := os.Stat(out + ".none"); err == nil {
		t.Error("an empty file was left behind")
	}
}

func checkCoherent(t *testing.T, p *pb.Prediction) {
	t.Helper()
	result := p.MatchResult
	if sum := result.HomeProbability + result.DrawProbability + result.AwayProbability; math.Abs(sum-1) > 1e-9 {
		t.Errorf("1X2 sums to %v", sum)
	}
	home, total := 0.0, 0.0
	for _, s := range p.Markets[1].Selections {
		goals := strings.Split(s.Name, "-")
		if goals[0] > goals[1] && len(goals[0]) == len(goals[1]) || len(goals[0]) > len(goals[1]) {
			home += s.Probability
		}
		total += s.Probability
	}
	if len(p.Markets[1].Selections) != 121 || math.Abs(total-1) > 1e-9 || math.Abs(home-result.HomeProbability) > 1e-9 {
		t.Errorf("scores sum to %v, those won at home to %v of %v", total, home, result.HomeProbability)
	}
}

// sameForecast compares two answers to one question; both answers have the market of total goals.
func sameForecast(t *testing.T, name string, got, want *pb.Prediction) {
	t.Helper()
	if got == nil {
		t.Errorf("%s: no prediction", name)
		return
	}
	total := func(p *pb.Prediction) float64 {
		for _, m := range p.Markets {
			if m.Market == pb.Market_MARKET_TOTAL_GOALS {
				return m.Selections[0].Probability
			}
		}
		return math.NaN()
	}
	for _, pair := range [][2]float64{
		{got.MatchResult.HomeProbability, want.MatchResult.HomeProbability},
		{got.MatchResult.DrawProbability, want.MatchResult.DrawProbability},
		{got.MatchResult.AwayProbability, want.MatchResult.AwayProbability},
		{got.ExpectedGoals.Home, want.ExpectedGoals.Home},
		{total(got), total(want)},
	} {
		if !(math.Abs(pair[0]-pair[1]) <= 1e-6) {
			t.Errorf("%s: %v, expected %v", name, got, want)
			return
		}
	}
}

func versionOf(ctx context.Context, t *testing.T, service pb.ModelServiceClient, version string) *pb.ModelVersion {
	t.Helper()
	list, err := service.ListModels(ctx, &pb.ListModelsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list.Models[0].Versions {
		if v.Version == version {
			return v
		}
	}
	return nil
}

func getJSON(t *testing.T, url string, into *pb.PredictResponse) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !json.Valid(text) {
		t.Fatalf("%s: %s, %s, %v", url, response.Status, text, err)
	}
	if err := protojson.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func copyModel(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
