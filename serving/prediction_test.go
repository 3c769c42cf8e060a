package serving

import (
	"context"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) < 1e-6) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// Arsenal's 1.8 and Chelsea's 1.2 are goals; .75·1.8/3 and .75·1.2/3 of the wins.
func TestPredictOverEveryTransport(t *testing.T) {
	w := newWorld()
	s := w.serve(t, ServerOptions{})
	var first *pb.PredictResponse
	for _, c := range predictors(t, s) {
		t.Run(c.name, func(t *testing.T) {
			got, st := c.call(t.Context(), &pb.PredictRequest{
				Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{
					Competition: "E0", HomeTeam: "the gunners", AwayTeam: "eng-chelsea", Date: "2025-12-05",
				}},
				Markets: []pb.Market{pb.Market_MARKET_DOUBLE_CHANCE},
			})
			if st != nil {
				t.Fatal(st)
			}
			p := got.GetPrediction()
			if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(p.GetPredictionId()) {
				t.Errorf("prediction id %q is no UUID version 7", p.GetPredictionId())
			}
			near(t, "home", p.GetMatchResult().GetHomeProbability(), .45)
			near(t, "draw", p.GetMatchResult().GetDrawProbability(), .25)
			near(t, "away", p.GetMatchResult().GetAwayProbability(), .30)
			near(t, "home goals", p.GetExpectedGoals().GetHome(), float64(float32(1.8)))
			near(t, "away goals", p.GetExpectedGoals().GetAway(), float64(float32(1.2)))
			p.PredictionId = ""
			if first == nil {
				first = got
			}
			if !proto.Equal(got, first) {
				t.Errorf("transports differ:\n%s\n%s", text(got), text(first))
			}
		})
	}
	p := first.GetPrediction()
	match := p.GetMatch()
	if match.GetMatchId() != "" || match.GetCompetition() != "E0" || match.GetSeason() != "2025-26" ||
		match.GetHomeTeam().GetTeamId() != "eng-arsenal" || match.GetAwayTeam().GetName() != "Chelsea" ||
		match.GetStatus() != pb.MatchStatus_MATCH_STATUS_SCHEDULED || match.GetScore() != nil ||
		!match.GetKickoff().AsTime().Equal(time.Date(2025, 12, 5, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("match: got %s", text(match))
	}
	if m := p.GetModel(); m.GetName() != "match-outcome" || m.GetVersion() != "2" || m.GetVariant() != "champion" {
		t.Errorf("model: got %s", text(m))
	}
	if p.GetFeatureStatus() != pb.FeatureStatus_FEATURE_STATUS_PRESENT || !p.GetFeaturesAsOf().AsTime().Equal(w.asOf.Time()) ||
		p.GetSource() != pb.PredictionSource_PREDICTION_SOURCE_INFERENCE || len(p.GetDegradations()) != 0 ||
		!p.GetPredictedAt().AsTime().Equal(today) || len(p.GetMarkets()) != 1 {
		t.Errorf("prediction: got %s", text(p))
	}
}

func TestPredictStoredMatch(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	for _, c := range predictors(t, s) {
		got, st := c.call(t.Context(), &pb.PredictRequest{Target: &pb.PredictRequest_MatchId{MatchId: "E0-20250621-arsenal-chelsea"}})
		if st != nil {
			t.Fatal(c.name, st)
		}
		match := got.GetPrediction().GetMatch()
		if match.GetMatchId() != "E0-20250621-arsenal-chelsea" || !match.GetIllustrative() || match.GetSeason() != "2024-25" ||
			!match.GetKickoff().AsTime().Equal(time.Date(2025, 6, 21, 14, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: got %s", c.name, text(match))
		}
		near(t, "home", got.GetPrediction().GetMatchResult().GetHomeProbability(), .45)
	}
	got := new(pb.PredictResponse)
	code, st := s.rest(t.Context(), t, "GET", "/predictions/match/E0-20250621-arsenal-chelsea?markets=MARKET_TOTAL_GOALS&markets=4&modelVersion=1", "", got)
	if st != nil {
		t.Fatal(code, st)
	}
	if p := got.GetPrediction(); len(p.GetMarkets()) != 2 || p.GetModel().GetVersion() != "1" || p.GetModel().GetVariant() != "" {
		t.Errorf("GET with parameters: got %s", text(got))
	}
}

// What an empty field means, and what is said of an answer that is worse than usual.
func TestPredictDefaultsAndDegradations(t *testing.T) {
	w := newWorld()
	w.aliases = map[string]map[string]string{DefaultModel: {"champion": "1", "challenger": "2"}}
	s, _ := w.service(t)
	predict := func(request *pb.PredictRequest) *pb.Prediction {
		t.Helper()
		response, err := s.Predict(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		return response.GetPrediction()
	}

	p := predict(pairing("Bayern Munich", "Arsenal"))
	if got := p.GetMatch(); got.GetCompetition() != "D1" || !got.GetKickoff().AsTime().Equal(today.Truncate(24*time.Hour)) || got.GetSeason() != "2024-25" {
		t.Errorf("empty competition and date: got %s", text(got))
	}
	if d := p.GetDegradations(); len(d) != 1 || d[0].GetReason() != "RATINGS_NOT_LINKED" || d[0].GetDetail() == "" {
		t.Errorf("two countries: got degradations %v", d)
	}
	if m := p.GetModel(); m.GetVersion() != "1" || m.GetVariant() != "champion" {
		t.Errorf("the champion: got %s", text(m))
	}

	request := pairing("Arsenal", "Chelsea")
	request.ModelVersion = "challenger"
	if m := predict(request).GetModel(); m.GetVersion() != "2" || m.GetVariant() != "challenger" {
		t.Errorf("an alias: got %s", text(m))
	}
	request.ModelVersion = "champion"
	if m := predict(request).GetModel(); m.GetVersion() != "1" || m.GetVariant() != "champion" {
		t.Errorf("the alias champion: got %s", text(m))
	}

	w.asOf = features.DateOf(today) - 30
	if p := predict(pairing("Arsenal", "Chelsea")); p.GetFeatureStatus() != pb.FeatureStatus_FEATURE_STATUS_STALE || len(p.GetDegradations()) != 0 {
		t.Errorf("features of more than 30 days ago: got %s", text(p))
	}
	w.asOf++
	if p := predict(pairing("Arsenal", "Chelsea")); p.GetFeatureStatus() != pb.FeatureStatus_FEATURE_STATUS_PRESENT {
		t.Errorf("features of 29 days ago: got %s", text(p))
	}
}

func TestPredictAllocatesLittle(t *testing.T) {
	s, _ := newWorld().service(t)
	request := pairing("Arsenal", "Chelsea")
	got := testing.AllocsPerRun(200, func() {
		if _, err := s.Predict(context.Background(), request); err != nil {
			t.Fatal(err)
		}
	})
	// The fake model and stores have their share.
	if got > 15 {
		t.Errorf("got %v allocations, want at most 15", got)
	}
}

// abroad knows names alike only where no country is asked for.
type abroad struct{ *world }

func (a abroad) FindTeam(ctx context.Context, name, country string) (features.Team, error) {
	team, err := a.world.FindTeam(ctx, name, country)
	if err != nil && country != "" {
		return team, &features.TeamUnknownError{Name: name}
	}
	return team, err
}

// A name that is like none of its country's is like some elsewhere.
func TestSuggestionsFromAbroad(t *testing.T) {
	w := newWorld()
	s, _ := w.service(t)
	s.matches = abroad{w}
	_, err := s.Predict(t.Context(), pairing("Arsenal", "Bayern Munichh"))
	wrong{code: codes.NotFound, reason: "TEAM_UNKNOWN", fields: []string{"pairing.away_team"},
		metadata: map[string]string{"suggestions": "eng-arsenal,eng-chelsea"}}.check(t, explain(err).Status())
}

// A store that gives what is not finite fails, and the model is not asked.
func TestFeaturesAreFinite(t *testing.T) {
	for _, value := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
		w := newWorld()
		w.strengths["eng-arsenal"] = float32(value)
		s := w.serve(t, ServerOptions{})
		model := w.versions[DefaultModel]["2"]
		model.forget()
		for _, path := range []string{"/predictions/match/E0-20250614-arsenal-chelsea", "/features/match/E0-20250614-arsenal-chelsea"} {
			_, st := s.rest(t.Context(), t, "GET", path, "", new(pb.PredictResponse))
			wrong{code: codes.Internal, message: "internal error"}.check(t, st)
		}
		if runs := model.runs(); len(runs) > 0 {
			t.Errorf("%v: the model ran over %v rows", value, runs)
		}
		if n := strings.Count(w.logged(), "expected a finite home_strength"); n != 2 {
			t.Errorf("%v: logged %d times, want 2: %s", value, n, w.logged())
		}
	}
}

// What a rule says of a list is for a person to read.
func TestListsAreDescribed(t *testing.T) {
	s, _ := newWorld().service(t)
	request := pairing("Arsenal", "Chelsea")
	request.Markets = []pb.Market{pb.Market_MARKET_TOTAL_GOALS, pb.Market_MARKET_TOTAL_GOALS}
	err := s.rules.check(request)
	if err == nil || !strings.HasSuffix(err.Error(), ", got [MARKET_TOTAL_GOALS, MARKET_TOTAL_GOALS]") {
		t.Errorf("got %v", err)
	}
}
