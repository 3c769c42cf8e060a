package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"footballprediction/features"
	"footballprediction/features/collect"
	"footballprediction/serving"
	"footballprediction/serving/scoreline"
)

func played(competition string, date features.Date, home, away int16) *features.Played {
	return &features.Played{Match: &features.Match{Competition: competition, Date: date, HomeGoals: home, AwayGoals: away}}
}

// Base rates know the matches of earlier dates, of their own league alone.
func TestBaseRates(t *testing.T) {
	var b baseRates
	for i, m := range []*features.Played{played("E0", 1, 2, 0), played("E0", 1, 1, 0), played("D1", 1, 0, 3), played("E0", 2, 0, 0)} {
		got := b.before(m)
		want := serving.Forecast{Home: .45, Draw: .27, Away: .28}
		if i == 3 {
			want = serving.Forecast{Home: 6.5 / 12, Draw: 2.7 / 12, Away: 2.8 / 12}
		}
		if math.Abs(got.Home-want.Home)+math.Abs(got.Draw-want.Draw)+math.Abs(got.Away-want.Away) > 1e-12 {
			t.Errorf("match %d: %v, expected %v", i, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	grid, err := scoreline.DixonColes(1.5, 1.1, -.05)
	if err != nil {
		t.Fatal(err)
	}
	var j judge
	base := serving.Forecast{Home: .45, Draw: .27, Away: .28}
	odds := []collect.Odds{
		{Bookmaker: "PSC", Closing: true, Home: 2, Draw: 3.5, Away: 4, Over: 1.9, Under: 1.95},
		{Bookmaker: "BbAv", Over: 1.8, Under: 2.1}, // on goals alone
	}
	for _, m := range []*features.Played{played("E0", 1, 2, 1), played("E0", 2, 12, 0), played("D1", 2, 0, 0)} {
		if err := j.add(&grid, m, base, odds); err != nil {
			t.Fatal(err)
		}
	}
	goals := grid.TotalGoals()
	over := goals.At(2.5).Over
	for i, want := range []struct{ over, score float64 }{
		{-math.Log(over), -math.Log(grid.At(2, 1))}, {-math.Log(over), -math.Log(grid.At(10, 0))}, {-math.Log(1 - over), -math.Log(grid.At(0, 0))},
	} {
		if math.Abs(j.all.over[i]-want.over) > 1e-12 || math.Abs(j.all.score[i]-want.score) > 1e-12 {
			t.Errorf("match %d: over %v and score %v, expected %+v", i, j.all.over[i], j.all.score[i], want)
		}
	}
	if e0, d1 := j.leagues["E0"], j.leagues["D1"]; len(e0.score) != 2 || len(d1.score) != 1 {
		t.Errorf("leagues %v", j.leagues)
	}
	if r := j.rivals["BbAv"]; len(r.over.model) != 3 || len(r.rps.model) != 0 {
		t.Errorf("odds on goals alone: %+v", r)
	}
	var out bytes.Buffer
	if err := j.print(&out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"matches 3 RPS", "over 2.5 log loss", "exact score NLL", "D1 1 ", "E0 2 ", "league's base rates 3 RPS", "PS closing 3 over 2.5", "BbAv 3 over 2.5"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "BbAv 3 RPS") {
		t.Error(out.String())
	}
}
