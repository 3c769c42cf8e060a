package serving

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	pb "footballprediction/api/gen/footballprediction/v1"
)

func TestMarkets(t *testing.T) {
	s, _ := newWorld().service(t)
	request := pairing("Arsenal", "Chelsea")
	request.Markets = []pb.Market{
		pb.Market_MARKET_CORRECT_SCORE, pb.Market_MARKET_TOTAL_GOALS, pb.Market_MARKET_MATCH_RESULT,
		pb.Market_MARKET_BOTH_TEAMS_TO_SCORE, pb.Market_MARKET_DOUBLE_CHANCE,
	}
	response, err := s.Predict(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	p := response.GetPrediction()
	by := make(map[string]float64) // market/name/line
	var names [][]string
	for i, market := range p.GetMarkets() {
		if market.GetMarket() != request.Markets[i] {
			t.Errorf("market %d: got %s, want %s", i, market.GetMarket(), request.Markets[i])
		}
		var all []string
		for _, selection := range market.GetSelections() {
			name := selection.GetName()
			if selection.Line != nil {
				name = fmt.Sprint(name, " ", selection.GetLine())
			}
			all = append(all, name)
			by[market.GetMarket().String()+"/"+name] = selection.GetProbability()
			if push := selection.GetPushProbability(); push != 0 != (math.Mod(selection.GetLine(), 1) != .5) && selection.Line != nil || !(selection.GetProbability() >= 0 && selection.GetProbability() <= 1) {
				t.Errorf("selection %s of %s: got %s", name, market.GetMarket(), text(selection))
			}
		}
		names = append(names, all)
	}
	if scores := names[0]; len(scores) != 121 || scores[0] != "0-0" || scores[1] != "0-1" || scores[11] != "1-0" || scores[120] != "10-10" {
		t.Errorf("scores: got %v", scores)
	}
	if want := []string{"over 0.5", "under 0.5", "over 1.5", "under 1.5"}; len(names[1]) != 50 || !slices.Equal(names[1][:4], want) ||
		names[1][13] != "under 6.5" || names[1][14] != "over 0.75" || names[1][49] != "under 6.25" {
		t.Errorf("totals: got %v", names[1])
	}
	for i, want := range [][]string{{"home", "draw", "away"}, {"yes", "no"}, {"home_or_draw", "home_or_away", "draw_or_away"}} {
		if !slices.Equal(names[2+i], want) {
			t.Errorf("selections: got %v, want %v", names[2+i], want)
		}
	}

	// They contradict neither each other nor the match result.
	var sum, home, goals3 float64
	for i, name := range scoreNames {
		q := by["MARKET_CORRECT_SCORE/"+name]
		sum += q
		if i/11 > i%11 {
			home += q
		}
		if i/11+i%11 > 2 {
			goals3 += q
		}
	}
	near(t, "all scores", sum, 1)
	near(t, "home by scores", home, p.GetMatchResult().GetHomeProbability())
	near(t, "home", by["MARKET_MATCH_RESULT/home"], p.GetMatchResult().GetHomeProbability())
	near(t, "home or draw", by["MARKET_DOUBLE_CHANCE/home_or_draw"], 1-p.GetMatchResult().GetAwayProbability())
	near(t, "over 2.5", by["MARKET_TOTAL_GOALS/over 2.5"], goals3)
	near(t, "under 2.5", by["MARKET_TOTAL_GOALS/under 2.5"], 1-goals3)
	near(t, "yes and no", by["MARKET_BOTH_TEAMS_TO_SCORE/yes"]+by["MARKET_BOTH_TEAMS_TO_SCORE/no"], 1)
}

// Every market is answered: none is forgotten.
func TestEveryMarketIsAnswered(t *testing.T) {
	s, _ := newWorld().service(t)
	for number := range pb.Market_name {
		market := pb.Market(number)
		request := pairing("Arsenal", "Chelsea")
		request.Markets = []pb.Market{market}
		response, err := s.Predict(t.Context(), request)
		if market == pb.Market_MARKET_UNSPECIFIED {
			if err == nil || explain(err).Reason != FieldInvalid {
				t.Errorf("%s: got %v, %v", market, response, err)
			}
			continue
		}
		if err != nil || len(response.GetPrediction().GetMarkets()[0].GetSelections()) == 0 {
			t.Errorf("%s: got %v, %v", market, response, err)
		}
	}
}

// quotes answers all markets of a match: by market, and by name with the line behind it.
func quotes(t *testing.T, s *Service, request *pb.PredictRequest) (*pb.Prediction, map[pb.Market]map[string]*pb.Selection) {
	t.Helper()
	request.Markets = nil
	for number := range pb.Market_name {
		if number != 0 {
			request.Markets = append(request.Markets, pb.Market(number))
		}
	}
	response, err := s.Predict(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[pb.Market]map[string]*pb.Selection)
	for _, market := range response.GetPrediction().GetMarkets() {
		by := make(map[string]*pb.Selection)
		for _, selection := range market.GetSelections() {
			name := selection.GetName()
			if selection.Line != nil {
				name = fmt.Sprint(name, " ", selection.GetLine())
			}
			if by[name] != nil {
				t.Errorf("%s: %s twice", market.GetMarket(), name)
			}
			by[name] = selection
		}
		all[market.GetMarket()] = by
	}
	return response.GetPrediction(), all
}

// Whatever rates a model gives, from none to fifty goals, the markets agree with one another.
func TestMarketsOfRatesOfZeroAndFifty(t *testing.T) {
	w := newWorld()
	s, _ := w.service(t)
	for _, rates := range [][2]float32{{0, 0}, {0, 50}, {50, 0}, {50, 50}, {1e-30, 1e-30}, {.01, 50}, {1e30, 1}} {
		for _, result := range [][3]float32{{.45, .25, .3}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {.5, 0, .5}} {
			w.versions[DefaultModel]["2"].run = func(_ context.Context, _, outcomes, goals []float32) error {
				copy(outcomes, result[:])
				copy(goals, rates[:])
				return nil
			}
			p, all := quotes(t, s, pairing("Arsenal", "Chelsea"))
			checkQuotes(t, p, all)
			if t.Failed() {
				t.Fatalf("rates of %v, results %v", rates, result)
			}
		}
	}
}

// checkQuotes asserts that the markets of an answer contradict neither each other nor the match result.
func checkQuotes(t *testing.T, p *pb.Prediction, all map[pb.Market]map[string]*pb.Selection) {
	t.Helper()
	of := func(market pb.Market, name string) float64 {
		t.Helper()
		selection := all[market][name]
		if selection == nil {
			t.Fatalf("%s: no selection %q", market, name)
		}
		return selection.GetProbability()
	}
	r := p.GetMatchResult()
	home, draw, away := r.GetHomeProbability(), r.GetDrawProbability(), r.GetAwayProbability()
	for _, c := range []struct {
		name   string
		market pb.Market
		want   float64
	}{
		{"home", pb.Market_MARKET_DRAW_NO_BET, home},
		{"away", pb.Market_MARKET_DRAW_NO_BET, away},
		{"home -0.5", pb.Market_MARKET_ASIAN_HANDICAP, home},
		{"away -0.5", pb.Market_MARKET_ASIAN_HANDICAP, away},
		{"home 0.5", pb.Market_MARKET_ASIAN_HANDICAP, home + draw},
		{"home 0", pb.Market_MARKET_ASIAN_HANDICAP, home},
		{"away 0", pb.Market_MARKET_ASIAN_HANDICAP, away},
		{"away -0.25", pb.Market_MARKET_ASIAN_HANDICAP, away},
		{"away 0.25", pb.Market_MARKET_ASIAN_HANDICAP, away + draw/2},
		{"away_under 0.5", pb.Market_MARKET_TEAM_TOTAL_GOALS, of(pb.Market_MARKET_CLEAN_SHEET, "home")},
		{"home_under 0.5", pb.Market_MARKET_TEAM_TOTAL_GOALS, of(pb.Market_MARKET_CLEAN_SHEET, "away")},
		{"under 0.5", pb.Market_MARKET_TOTAL_GOALS, of(pb.Market_MARKET_CORRECT_SCORE, "0-0")},
		{"home", pb.Market_MARKET_WIN_TO_NIL, of(pb.Market_MARKET_CLEAN_SHEET, "home") - of(pb.Market_MARKET_CORRECT_SCORE, "0-0")},
		{"away", pb.Market_MARKET_WIN_TO_NIL, of(pb.Market_MARKET_CLEAN_SHEET, "away") - of(pb.Market_MARKET_CORRECT_SCORE, "0-0")},
		{"draw", pb.Market_MARKET_WINNING_MARGIN, draw},
		{"home_or_draw", pb.Market_MARKET_DOUBLE_CHANCE, of(pb.Market_MARKET_ASIAN_HANDICAP, "home 0.5")},
		{"home", pb.Market_MARKET_MATCH_RESULT, home},
	} {
		near(t, fmt.Sprint(c.market, " ", c.name), of(c.market, c.name), c.want)
	}
	near(t, "push of draw no bet", all[pb.Market_MARKET_DRAW_NO_BET]["away"].GetPushProbability(), draw)
	near(t, "home win by margins", of(pb.Market_MARKET_WINNING_MARGIN, "home_1")+of(pb.Market_MARKET_WINNING_MARGIN, "home_2")+
		of(pb.Market_MARKET_WINNING_MARGIN, "home_3")+of(pb.Market_MARKET_WINNING_MARGIN, "home_4_or_more"), home)
	near(t, "away win by margins", of(pb.Market_MARKET_WINNING_MARGIN, "away_1")+of(pb.Market_MARKET_WINNING_MARGIN, "away_2")+
		of(pb.Market_MARKET_WINNING_MARGIN, "away_3")+of(pb.Market_MARKET_WINNING_MARGIN, "away_4_or_more"), away)

	// Of both sides of a line together: over, under and push are all that can happen.
	for market, sums := range map[pb.Market]float64{
		pb.Market_MARKET_TOTAL_GOALS: 25, pb.Market_MARKET_TEAM_TOTAL_GOALS: 2 * 17, pb.Market_MARKET_ASIAN_HANDICAP: 33, pb.Market_MARKET_DRAW_NO_BET: 1,
		pb.Market_MARKET_MATCH_RESULT: 1, pb.Market_MARKET_HALF_TIME_RESULT: 1, pb.Market_MARKET_WINNING_MARGIN: 1, pb.Market_MARKET_CORRECT_SCORE: 1,
	} {
		var sum float64
		for name, s := range all[market] {
			sum += s.GetProbability() + s.GetPushProbability()/2
			if s.Line == nil {
				continue
			}
			line := s.GetLine()
			other := strings.NewReplacer("over", "under", "under", "over").Replace(name)
			if market == pb.Market_MARKET_ASIAN_HANDICAP {
				other = fmt.Sprint(strings.NewReplacer("home", "away", "away", "home").Replace(s.GetName()), " ", 0-line)
			}
			o := all[market][other]
			if o == nil || o.GetPushProbability() != s.GetPushProbability() {
				t.Errorf("%s %s: other side %s is %s", market, name, other, text(o))
			}
			near(t, fmt.Sprint(market, name, " and ", other), s.GetProbability()+o.GetProbability()+s.GetPushProbability(), 1)
		}
		near(t, fmt.Sprint(market, " in all"), sum, sums)
	}
}

// All markets of all pairings agree.
func TestMarketsAgree(t *testing.T) {
	w := newWorld()
	s, _ := w.service(t)
	for _, home := range w.teams {
		for _, away := range w.teams {
			if home.ID != away.ID {
				p, all := quotes(t, s, pairing(home.ID, away.ID))
				checkQuotes(t, p, all)
			}
		}
	}
}

// What was quoted before quarter lines were is where it was.
func TestHalfLinesComeFirst(t *testing.T) {
	s, _ := newWorld().service(t)
	request := pairing("Arsenal", "Chelsea")
	request.Markets = []pb.Market{pb.Market_MARKET_TOTAL_GOALS}
	response, err := s.Predict(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	for i, selection := range response.GetPrediction().GetMarkets()[0].GetSelections()[:14] {
		name := [2]string{"over", "under"}[i%2]
		if selection.GetName() != name || selection.GetLine() != float64(i/2)+.5 || selection.GetPushProbability() != 0 {
			t.Errorf("selection %d: got %s", i, text(selection))
		}
	}
}
