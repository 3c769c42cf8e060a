package serving

import (
	"slices"
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
				name += " " + string(rune('0'+int(selection.GetLine()))) + ".5"
			}
			all = append(all, name)
			by[market.GetMarket().String()+"/"+name] = selection.GetProbability()
			if selection.GetPushProbability() != 0 || !(selection.GetProbability() >= 0 && selection.GetProbability() <= 1) {
				t.Errorf("selection %s of %s: got %s", name, market.GetMarket(), text(selection))
			}
		}
		names = append(names, all)
	}
	if scores := names[0]; len(scores) != 121 || scores[0] != "0-0" || scores[1] != "0-1" || scores[11] != "1-0" || scores[120] != "10-10" {
		t.Errorf("scores: got %v", scores)
	}
	if want := []string{"over 0.5", "under 0.5", "over 1.5", "under 1.5"}; len(names[1]) != 14 || !slices.Equal(names[1][:4], want) || names[1][13] != "under 6.5" {
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

// Each market is either answered or said not to be built: none is forgotten.
func TestEveryMarketIsAnsweredOrNotBuilt(t *testing.T) {
	s, _ := newWorld().service(t)
	for number := range pb.Market_name {
		market := pb.Market(number)
		request := pairing("Arsenal", "Chelsea")
		request.Markets = []pb.Market{market}
		response, err := s.Predict(t.Context(), request)
		switch {
		case err == nil && len(response.GetPrediction().GetMarkets()[0].GetSelections()) > 0:
		case err != nil && market == pb.Market_MARKET_UNSPECIFIED && explain(err).Reason == FieldInvalid:
		case err != nil && explain(err).Reason == NotBuilt && explain(err).Metadata["what"] == "market "+market.String():
		default:
			t.Errorf("%s: got %v, %v", market, response, err)
		}
	}
}
