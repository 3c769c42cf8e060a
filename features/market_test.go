package features

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
)

// The expected numbers are worked by hand from the formulas that FORECASTING gives.
func TestMarketFormulas(t *testing.T) {
	near := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: %.15f, expected %.15f", name, got, want)
		}
	}
	home, visitor, league := neutral(), neutral(), leagueMarket{}
	home[marketStrength], visitor[marketStrength] = .5, -.25
	home[marketGoals], league.Goals = .1, .05
	updateMarket(&home, &visitor, &league, Market{Home: .6, Away: .15, Over: .75})
	e := math.Log(4) - (.75 + .45)
	near("strength of the home side", home[marketStrength], .5+.12*e)
	near("strength of the away side", visitor[marketStrength], -.25-.12*e)
	near("home advantage", league.home(), .45+.004*e)
	near("fast strength", home[marketStrengthFast], .3*(math.Log(4)-.45))
	near("fast strength of the away side", visitor[marketStrengthFast], -.3*(math.Log(4)-.45))
	g := math.Log(3) - .15
	near("goals of the home side", home[marketGoals], .1+.08*g)
	near("goals of the away side", visitor[marketGoals], .08*g)
	near("goals of the league", league.Goals, .05+.004*g)
}

func TestMarketIgnoresWhatIsNoProbability(t *testing.T) {
	for _, odds := range []Market{
		{}, {Home: .5}, {Away: .5}, {Home: 1, Away: .2}, {Home: .5, Away: math.NaN(), Over: math.NaN()},
		{Home: -.5, Away: .2, Over: -.1}, {Over: 1}, {Home: math.Inf(1), Away: math.Inf(1), Over: math.Inf(1)},
	} {
		home, visitor, league := neutral(), neutral(), leagueMarket{}
		updateMarket(&home, &visitor, &league, odds)
		if home != neutral() || visitor != neutral() || league != (leagueMarket{}) {
			t.Errorf("%+v changed a rating", odds)
		}
	}
}

// Odds are no part of the default recipe: neither its vectors nor its states change by them.
func TestTheDefaultRecipeKnowsNoOdds(t *testing.T) {
	with, without := history(), history()
	for i := range without {
		without[i].Market = Market{}
	}
	a, b := NewReplay(matchRecipe), NewReplay(matchRecipe)
	want := vectors(t, b, without)
	for id, got := range vectors(t, a, with) {
		if !same(got, want[id]) {
			t.Fatalf("odds changed the vector of %s", id)
		}
	}
	gotState, wantState := snapshotText(t, a), snapshotText(t, b)
	if gotState != wantState {
		t.Fatal("odds changed the state")
	}
	// The other recipe's vectors begin with the default's.
	for id, got := range vectors(t, NewReplay(pastOddsRecipe), with) {
		if !same(got[:len(want[id])], want[id]) {
			t.Fatalf("%s: odds changed the features that know none", id)
		}
	}
}

func snapshotText(t *testing.T, r *Replay) string {
	t.Helper()
	text, err := json.Marshal(r.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A side that the odds favour is rated above the others, and the vector says so.
func TestPastOddsTellTheFavourite(t *testing.T) {
	matches := history()
	for i := range matches {
		m := &matches[i]
		m.Market = Market{Home: .4, Away: .3, Over: .5}
		switch "eng-a" {
		case m.Home:
			m.Market = Market{Home: .8, Away: .08, Over: .7}
		case m.Away:
			m.Market = Market{Home: .15, Away: .65, Over: .7}
		}
	}
	r := NewReplay(pastOddsRecipe)
	if err := r.Advance(matches, nil); err != nil {
		t.Fatal(err)
	}
	v := pastOddsRecipe.Compare(r.League("E0"), r.Team("eng-a"), r.Team("eng-b"), "2012-13", 20000, nil)
	value := func(name string) float64 {
		return float64(v.Values[slices.IndexFunc(pastOddsRecipe.Schema.Features, func(f Feature) bool { return f.Name == name })])
	}
	if s, fast := value("market_difference"), value("market_difference_fast"); math.Abs(s-math.Log(10)) > .3 || math.Abs(fast-math.Log(10)) > .3 {
		t.Errorf("expected about %.2f, got %.2f and %.2f", math.Log(10), s, fast)
	}
	if goals := value("market_goals"); goals < .4 || goals > 1 {
		t.Errorf("log odds of more than 2.5 goals: expected about .85, got %.2f", goals)
	}
}
