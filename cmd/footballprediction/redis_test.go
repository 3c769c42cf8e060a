package main

import (
	"context"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features/store"
	"footballprediction/features/store/redistest"
)

func TestRedisSettingIsChecked(t *testing.T) {
	const secret = "s3cret"
	for name, c := range map[string]struct {
		environment []string
		args        []string
		status      int
		want        string
	}{
		"serve, no such address":       {[]string{"REDIS_URL=localhost:" + secret}, []string{"serve"}, exitUsage, "REDIS_URL"},
		"serve, a password in the way": {[]string{"REDIS_URL=redis://u:" + secret + "/x@h"}, []string{"serve"}, exitUsage, "REDIS_URL"},
		"materialize, no address":      {nil, []string{"features", "materialize"}, exitUsage, "REDIS_URL"},
		"materialize, a bad address":   {[]string{"REDIS_URL=http://" + secret}, []string{"features", "materialize"}, exitUsage, "REDIS_URL"},
		"materialize, an argument":     {[]string{"REDIS_URL=redis://h"}, []string{"features", "materialize", "all"}, exitUsage, "expected 0 arguments"},
		"materialize, nobody there":    {[]string{"REDIS_URL=redis://u:" + secret + "@127.0.0.1:1"}, []string{"features", "materialize"}, exitFailed, "127.0.0.1:1"},
	} {
		r := runWith(t, c.environment, c.args...)
		if r.status != c.status || !strings.Contains(r.stderr, c.want) || strings.Contains(r.stdout+r.stderr, secret) {
			t.Errorf("%s: status %d, %s", name, r.status, r.stderr)
		}
	}
}

// The features come from Redis once it is there and filled; while it is away or frozen, every call is
// answered with the same numbers and says so.
func TestServeWithRedis(t *testing.T) {
	redis := redistest.Reserve(t)
	redis.Password = "open sesame"
	state := filepath.Join(t.TempDir(), "state")
	runOK(t, "features", "export", "--data", writeHistory(t), "--state", state)
	environment := []string{"REDIS_URL=" + redis.URL()}

	s := startServerWith(t, environment, "--state", state) // before Redis
	connection, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	predictions := pb.NewPredictionServiceClient(connection)
	matches, err := pb.NewMatchServiceClient(connection).ListMatches(t.Context(), &pb.ListMatchesRequest{Competition: "E0", Status: pb.MatchStatus_MATCH_STATUS_SCHEDULED})
	if err != nil || len(matches.Matches) == 0 {
		t.Fatal(matches, err)
	}
	match := matches.Matches[0]
	requests := []*pb.PredictRequest{
		{Target: &pb.PredictRequest_MatchId{MatchId: match.MatchId}},
		{Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{Competition: "E0", HomeTeam: match.HomeTeam.Name, AwayTeam: match.AwayTeam.Name, Date: match.Kickoff.AsTime().Format("2006-01-02")}}},
	}
	// ask returns why the answers are degraded, which must be the same for all requests.
	var want *pb.MatchResult
	ask := func(ctx context.Context) string {
		t.Helper()
		reasons := map[string]bool{}
		for _, request := range requests {
			answer, err := predictions.Predict(ctx, request)
			if err != nil {
				t.Error(err)
				return "an error"
			}
			got := answer.Prediction.MatchResult
			if math.Abs(got.HomeProbability-want.HomeProbability) > 1e-6 || math.Abs(got.AwayProbability-want.AwayProbability) > 1e-6 {
				t.Errorf("got %v, expected %v", got, want)
			}
			reason := ""
			for _, d := range answer.Prediction.Degradations {
				reason += d.Reason
			}
			reasons[reason] = true
		}
		var all []string
		for reason := range reasons {
			all = append(all, reason)
		}
		return strings.Join(all, " or ")
	}
	first, err := predictions.Predict(t.Context(), requests[0])
	if err != nil {
		t.Fatal(err)
	}
	want = first.Prediction.MatchResult
	if got := ask(t.Context()); got != store.RedisUnavailable {
		t.Errorf("before Redis: degraded by %q", got)
	}
	if !strings.Contains(metrics(t, s), `footballprediction_breaker_state{breaker="redis",state="open"} 1`) {
		t.Error("the metrics do not show the open breaker")
	}

	redis.Launch()
	eventually(t, "Redis to be found empty", func() bool { return ask(t.Context()) == store.FromTeamStates })
	for range 2 {
		if out := runWith(t, environment, "features", "materialize", "--state", state).stdout; !strings.Contains(out, "20 teams, 2 leagues, 180 matches") || strings.Contains(out, "sesame") {
			t.Fatal(out)
		}
	}
	eventually(t, "answers from Redis", func() bool { return ask(t.Context()) == "" })

	// Frozen under load.
	ctx, stop := context.WithCancel(t.Context())
	var answered atomic.Int64
	var callers sync.WaitGroup
	defer callers.Wait()
	defer stop()
	for range 8 {
		callers.Go(func() {
			for ctx.Err() == nil {
				ask(t.Context())
				answered.Add(1)
			}
		})
	}
	redis.Freeze()
	eventually(t, "the breaker to open", func() bool { return strings.Contains(metrics(t, s), `{breaker="redis",state="open"} 1`) })
	before := answered.Load()
	eventually(t, "answers without Redis", func() bool { return answered.Load() > before+200 })
	if got := ask(t.Context()); got != store.RedisUnavailable {
		t.Errorf("while frozen: degraded by %q", got)
	}
	redis.Thaw()
	eventually(t, "answers from Redis", func() bool { return ask(t.Context()) == "" })
}

func metrics(t *testing.T, s *server) string {
	t.Helper()
	response, err := http.Get(s.operator + "/metrics")
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
