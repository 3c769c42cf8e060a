package serving

import (
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
)

func TestDeVig(t *testing.T) {
	// Inverses .5, .3 and .25: an overround of 1.05.
	f, err := DeVig(2, 10.0/3, 4)
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "home", f.Home, .5/1.05, 1e-15)
	wantNear(t, "draw", f.Draw, .3/1.05, 1e-15)
	wantNear(t, "away", f.Away, .25/1.05, 1e-15)

	// Inverses .5 and .6: an overround of 1.1.
	over, err := DeVigOver(2, 1/.6)
	if err != nil {
		t.Fatal(err)
	}
	wantNear(t, "over", over, .5/1.1, 1e-15)
	if _, err := DeVigOver(2, math.NaN()); err == nil || !strings.Contains(err.Error(), "under odds: want a finite decimal number over 1, got NaN") {
		t.Errorf("want an error that names the odds, got %v", err)
	}

	for _, c := range []struct {
		name             string
		home, draw, away float64
		want             string
	}{
		{"odds of 1", 1, 3, 4, "home odds: want a finite decimal number over 1, got 1"},
		{"no odds", 2, 0, 4, "draw odds: want a finite decimal number over 1, got 0"},
		{"NaN", 2, 3, math.NaN(), "away odds: want a finite decimal number over 1, got NaN"},
		{"infinite", 2, 3, math.Inf(1), "away odds: want a finite decimal number over 1, got +Inf"},
		{"negative", -2, 3, 4, "home odds: want a finite decimal number over 1, got -2"},
		{"sure loss", 4, 4, 4, "home, draw, away odds: want an overround (the sum of their inverses) from 0.98 to 1.25, got 0.75"},
		{"no customer", 1.5, 2, 4, "from 0.98 to 1.25, got 1.41"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := DeVig(c.home, c.draw, c.away); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got %v", c.want, err)
			}
		})
	}
	for _, c := range []struct {
		overround float64
		fine      bool
	}{{.9799, false}, {.9801, true}, {1.2499, true}, {1.2501, false}} {
		if _, err := DeVig(2, 4, 1/(c.overround-.75)); (err == nil) != c.fine {
			t.Errorf("an overround of %v: %v", c.overround, err)
		}
		if _, err := DeVigOver(2, 1/(c.overround-.5)); (err == nil) != c.fine {
			t.Errorf("an overround of %v, goals: %v", c.overround, err)
		}
	}
	for _, odds := range []float64{1, 1 - 1e-16, math.Nextafter(1, 0)} {
		if _, err := DeVig(odds, 1e9, 1e9); err == nil {
			t.Errorf("odds of %v are let pass", odds)
		}
	}
	if _, err := DeVig(math.Nextafter(1, 2), 1e9, 1e9); err != nil {
		t.Error(err)
	}
}

// What odds come to is met, what they do not speak of stays the model's, and all markets agree.
func TestOddsMoveTheGrid(t *testing.T) {
	s, _ := newWorld().service(t)
	for _, c := range []struct {
		name         string
		odds         *pb.Odds
		result, over bool
	}{
		{"match result", &pb.Odds{Home: 1.8, Draw: 3.75, Away: 4.75}, true, false},
		{"match result against the model", &pb.Odds{Home: 6, Draw: 4, Away: 1.6}, true, false},
		{"goals", &pb.Odds{Over_2_5: 1.5, Under_2_5: 2.6}, false, true},
		{"both", &pb.Odds{Home: 1.8, Draw: 3.75, Away: 4.75, Over_2_5: 2.4, Under_2_5: 1.6}, true, true},
		{"without a margin", &pb.Odds{Home: 2, Draw: 4, Away: 4, Over_2_5: 2, Under_2_5: 2}, true, true},
		{"all but certain", &pb.Odds{Home: 1 + 1e-9, Draw: 1e12, Away: math.MaxFloat64, Over_2_5: 1e15, Under_2_5: 1.0001}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			plain, _ := quotes(t, s, pairing("Arsenal", "Chelsea"))
			request := pairing("Arsenal", "Chelsea")
			request.Odds = c.odds
			p, all := quotes(t, s, request)
			checkQuotes(t, p, all)
			want := Forecast{.45, .25, .30}
			if c.result {
				sum := 1/c.odds.Home + 1/c.odds.Draw + 1/c.odds.Away
				want = Forecast{1 / c.odds.Home / sum, 1 / c.odds.Draw / sum, 1 / c.odds.Away / sum}
			}
			near(t, "home", p.GetMatchResult().GetHomeProbability(), want.Home)
			near(t, "draw", p.GetMatchResult().GetDrawProbability(), want.Draw)
			near(t, "away", p.GetMatchResult().GetAwayProbability(), want.Away)
			if c.over {
				near(t, "over 2.5", all[pb.Market_MARKET_TOTAL_GOALS]["over 2.5"].GetProbability(),
					1/c.odds.Over_2_5/(1/c.odds.Over_2_5+1/c.odds.Under_2_5))
			} else {
				near(t, "home goals", p.GetExpectedGoals().GetHome(), plain.GetExpectedGoals().GetHome())
				near(t, "away goals", p.GetExpectedGoals().GetAway(), plain.GetExpectedGoals().GetAway())
			}
		})
	}
}

func TestOddsOverEveryTransport(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	request := &pb.PredictRequest{
		Target: &pb.PredictRequest_MatchId{MatchId: "E0-20250621-arsenal-chelsea"},
		Odds:   &pb.Odds{Home: 2.1, Draw: 3.4, Away: 3.6, Over_2_5: 1.9, Under_2_5: 1.95}, Explain: true,
		Markets: []pb.Market{pb.Market_MARKET_ASIAN_HANDICAP},
	}
	var first *pb.Prediction
	same := func(name string, got *pb.Prediction) {
		t.Helper()
		got.PredictionId = ""
		if first == nil {
			first = got
		}
		if !proto.Equal(got, first) {
			t.Errorf("%s: got %s, want %s", name, text(got), text(first))
		}
	}
	for _, c := range predictors(t, s) {
		got, st := c.call(t.Context(), request)
		if st != nil {
			t.Fatal(c.name, st)
		}
		same(c.name, got.GetPrediction())
	}
	near(t, "home", first.GetMatchResult().GetHomeProbability(), 1/2.1/(1/2.1+1/3.4+1/3.6))
	if len(first.GetExplanation().GetEffects()) != 2 {
		t.Errorf("explanation: got %s", text(first))
	}
	for _, query := range []string{
		"odds.home=2.1&odds.draw=3.4&odds.away=3.6&odds.over_2_5=1.9&odds.under_2_5=1.95&explain=true&markets=MARKET_ASIAN_HANDICAP",
		"odds.home=2.1&odds.draw=3.4&odds.away=3.6&odds.over25=1.9&odds.under25=1.95&explain=true&markets=8",
	} {
		got := new(pb.PredictResponse)
		if code, st := s.rest(t.Context(), t, "GET", "/predictions/match/E0-20250621-arsenal-chelsea?"+query, "", got); st != nil {
			t.Fatal(code, st)
		}
		same("GET", got.GetPrediction())
	}
	for query, field := range map[string]string{
		"odds.home=NaN&odds.draw=3.4&odds.away=3.6": "odds.home", "odds.home=2.1&odds.draw=Infinity&odds.away=3.6": "odds.draw",
		"odds.over_2_5=1.9": "odds.under_2_5", "odds.home=0&odds.draw=0&odds.away=0": "odds",
	} {
		code, st := s.rest(t.Context(), t, "GET", "/predictions/match/E0-20250621-arsenal-chelsea?"+query, "", new(pb.PredictResponse))
		if code != 400 {
			t.Errorf("%s: got HTTP status %d", query, code)
		}
		wrong{code: 3, reason: "ODDS_INVALID", fields: []string{field}}.check(t, st)
	}
}

// Odds are refused with the field at fault, or answered with what they come to.
func FuzzOdds(f *testing.F) {
	f.Add(1.8, 3.75, 4.75, 2.4, 1.6)
	f.Add(2.0, 4.0, 4.0, 0.0, 0.0)
	f.Add(0.0, 0.0, 0.0, 1.9, 1.9)
	f.Add(math.NaN(), math.Inf(1), 1.0, -2.0, 5e-324)
	f.Add(1+1e-15, math.MaxFloat64, math.MaxFloat64, 1+1e-15, math.MaxFloat64)
	s, _ := newWorld().service(f)
	f.Fuzz(func(t *testing.T, home, draw, away, over, under float64) {
		request := pairing("Arsenal", "Chelsea")
		request.Odds = &pb.Odds{Home: home, Draw: draw, Away: away, Over_2_5: over, Under_2_5: under}
		request.Markets = []pb.Market{pb.Market_MARKET_CORRECT_SCORE}
		response, err := s.Predict(t.Context(), request)
		if err != nil {
			e := explain(err)
			if e.Reason != OddsInvalid || len(e.Fields) == 0 || slices.ContainsFunc(e.Fields, func(f Field) bool { return !strings.HasPrefix(f.Path, "odds") }) {
				t.Errorf("%v: got %v", request.Odds, e)
			}
			return
		}
		p := response.GetPrediction()
		if home != 0 {
			fair, err := DeVig(home, draw, away)
			if err != nil {
				t.Fatalf("%v: %v is let pass", request.Odds, err)
			}
			near(t, "home", p.GetMatchResult().GetHomeProbability(), fair.Home)
			near(t, "away", p.GetMatchResult().GetAwayProbability(), fair.Away)
		}
		var sum, more float64
		for i, score := range p.GetMarkets()[0].GetSelections() {
			sum += score.GetProbability()
			if i/11+i%11 > 2 {
				more += score.GetProbability()
			}
		}
		near(t, "all scores", sum, 1)
		if over != 0 {
			fair, err := DeVigOver(over, under)
			if err != nil {
				t.Fatalf("%v: %v is let pass", request.Odds, err)
			}
			near(t, "over 2.5", more, fair)
		}
	})
}

func BenchmarkPredictWithOdds(b *testing.B) {
	s, _ := newWorld().service(b)
	request := pairing("Arsenal", "Chelsea")
	request.Odds = &pb.Odds{Home: 1.8, Draw: 3.75, Away: 4.75, Over_2_5: 2.4, Under_2_5: 1.6}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Predict(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
}
