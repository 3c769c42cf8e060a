package scoreline

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// checkCoherence asserts what holds between markets for any grid.
func checkCoherence(t *testing.T, g *Grid) {
	t.Helper()
	const rounding = 1e-12
	home, draw, away := g.MatchResult()
	near(t, "match result", home+draw+away, 1, rounding)

	homeOrDraw, homeOrAway, drawOrAway := g.DoubleChance()
	near(t, "home or draw", homeOrDraw, home+draw, rounding)
	near(t, "home or away", homeOrAway, home+away, rounding)
	near(t, "draw or away", drawOrAway, draw+away, rounding)

	totals, margin := g.TotalGoals(), g.Margin()
	homeGoals, awayGoals := g.HomeGoals(), g.AwayGoals()
	checkLines(t, "total goals", &totals, 0, 2*MaxGoals)
	checkLines(t, "home goals", &homeGoals, 0, MaxGoals)
	checkLines(t, "away goals", &awayGoals, 0, MaxGoals)
	checkLines(t, "margin", &margin, -MaxGoals, MaxGoals)
	near(t, "under 0.5", totals.At(.5).Under, g.At(0, 0), rounding)
	near(t, "handicap -0.5", margin.At(.5).Over, home, rounding)
	near(t, "handicap -0.5 of the away team", margin.At(-.5).Under, away, rounding)
	near(t, "handicap +0.5", margin.At(-.5).Over, homeOrDraw, rounding)
	near(t, "handicap 0", margin.At(0).Over, home, rounding)
	near(t, "push at handicap 0", margin.At(0).Push, draw, rounding)
	near(t, "handicap -0.25", margin.At(.25).Over, home, rounding)
	near(t, "push at handicap -0.25", margin.At(.25).Push, draw/2, rounding)
	near(t, "half lost at handicap -0.25", margin.At(.25).Under, away+draw/2, rounding)

	homeSheet, awaySheet := g.CleanSheet()
	homeNil, awayNil := g.WinToNil()
	near(t, "home clean sheet", homeSheet, awayGoals.At(.5).Under, rounding)
	near(t, "away clean sheet", awaySheet, homeGoals.At(.5).Under, rounding)
	near(t, "home win to nil", homeNil, homeSheet-g.At(0, 0), rounding)
	near(t, "away win to nil", awayNil, awaySheet-g.At(0, 0), rounding)
	near(t, "both score by clean sheets", g.BothScore(), 1-homeSheet-awaySheet+g.At(0, 0), rounding)

	homeHalf, drawHalf, awayHalf := g.HalfTimeResult()
	near(t, "half-time result", homeHalf+drawHalf+awayHalf, 1, rounding)
	if drawHalf < g.At(0, 0)-rounding {
		t.Errorf("draw at half-time: want at least %v, that of no goals at all, got %v", g.At(0, 0), drawHalf)
	}

	neither := g.At(0, 0)
	for k := 1; k <= MaxGoals; k++ {
		neither += g.At(k, 0) + g.At(0, k)
	}
	near(t, "both score", g.BothScore(), 1-neither, rounding)
	for _, p := range []float64{
		home, draw, away, homeOrDraw, homeOrAway, drawOrAway, g.BothScore(), totals.At(-1).Over, totals.At(21).Under,
		homeSheet, awaySheet, homeNil, awayNil, homeHalf, drawHalf, awayHalf,
	} {
		if !(p >= 0 && p <= 1) {
			t.Errorf("want a probability, got %v", p)
		}
	}
}

// checkLines asserts what holds between the lines of a number from least to most, at all quarters.
func checkLines(t *testing.T, what string, c *Counts, least, most int) {
	t.Helper()
	const rounding = 1e-12
	before := Split{Over: 1}
	at := func(quarter int) Split { return c.At(float64(quarter) / 4) }
	for quarter := 4*least - 4; quarter <= 4*most+4; quarter++ {
		s := at(quarter)
		near(t, what, s.Over+s.Under+s.Push, 1, rounding)
		if s.Over > before.Over+rounding || s.Under < before.Under-rounding || s.Push < 0 {
			t.Errorf("%s at line %v: want less over and more under than %+v, got %+v", what, float64(quarter)/4, before, s)
		}
		switch quarter & 3 {
		case 0:
			near(t, what, s.Push, at(quarter-2).Over-at(quarter+2).Over, rounding)
		case 2:
			near(t, what, s.Push, 0, 0)
		default:
			near(t, what, s.Over, (at(quarter-1).Over+at(quarter+1).Over)/2, rounding)
			near(t, what, s.Push, (at(quarter-1).Push+at(quarter+1).Push)/2, rounding)
		}
		before = s
	}
	near(t, what, before.Under, 1, rounding)
}

func TestMarketsAreCoherent(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 500 {
		targets, rho := calibrated(rng, .05, 9, .3)
		g := mustNew(t, targets, rho)
		checkCoherence(t, &g)
	}
}

// Five scores of a fifth each: 0-0, 1-0, 2-1, 1-3 and 10-10.
func TestMarketsByHand(t *testing.T) {
	var g Grid
	for _, s := range [][2]int{{0, 0}, {1, 0}, {2, 1}, {1, 3}, {10, 10}} {
		g[s[0]][s[1]] = .2
	}
	home, draw, away := g.MatchResult()
	near(t, "home win", home, .4, 1e-15)
	near(t, "draw", draw, .4, 1e-15)
	near(t, "away win", away, .2, 1e-15)
	homeGoals, awayGoals := g.Means()
	near(t, "home goals", homeGoals, 2.8, 1e-14)
	near(t, "away goals", awayGoals, 2.8, 1e-14)
	near(t, "both score", g.BothScore(), .6, 1e-15)
	homeSheet, awaySheet := g.CleanSheet()
	near(t, "home clean sheet", homeSheet, .4, 1e-15)
	near(t, "away clean sheet", awaySheet, .2, 1e-15)
	homeNil, awayNil := g.WinToNil()
	near(t, "home win to nil", homeNil, .2, 1e-15)
	near(t, "away win to nil", awayNil, 0, 0)
	totals, homeCount, awayCount, margin := g.TotalGoals(), g.HomeGoals(), g.AwayGoals(), g.Margin()
	for _, c := range []struct {
		name   string
		counts *Counts
		line   float64
		want   Split
	}{
		{"total", &totals, -1, Split{1, 0, 0}},
		{"total", &totals, .5, Split{.8, .2, 0}},
		{"total", &totals, .75, Split{.7, .2, .1}},
		{"total", &totals, 1, Split{.6, .2, .2}},
		{"total", &totals, 1.25, Split{.6, .3, .1}},
		{"total", &totals, 1.5, Split{.6, .4, 0}},
		{"total", &totals, 2.5, Split{.6, .4, 0}},
		{"total", &totals, 2.75, Split{.5, .4, .1}},
		{"total", &totals, 3, Split{.4, .4, .2}},
		{"total", &totals, 3.3, Split{.4, .6, 0}},
		{"total", &totals, 20, Split{0, .8, .2}},
		{"total", &totals, 20.5, Split{0, 1, 0}},
		{"home goals", &homeCount, 1, Split{.4, .2, .4}},
		{"away goals", &awayCount, .5, Split{.6, .4, 0}},
		{"away goals", &awayCount, 1.25, Split{.4, .5, .1}},
		{"margin", &margin, -2, Split{.8, 0, .2}},
		{"margin", &margin, -1.75, Split{.8, .1, .1}},
		{"margin", &margin, 0, Split{.4, .2, .4}},
		{"margin", &margin, .75, Split{.2, .6, .2}},
		{"margin", &margin, 1, Split{0, .6, .4}},
		{"margin", &margin, 1.5, Split{0, 1, 0}},
	} {
		s := c.counts.At(c.line)
		what := fmt.Sprintf("%s at line %v: ", c.name, c.line)
		near(t, what+"over", s.Over, c.want.Over, 1e-15)
		near(t, what+"under", s.Under, c.want.Under, 1e-15)
		near(t, what+"push", s.Push, c.want.Push, 1e-15)
	}
	for _, c := range []struct {
		home, away int
		want       float64
	}{{1, 3, .2}, {3, 1, 0}, {10, 10, .2}, {-1, 0, 0}, {0, 11, 0}} {
		near(t, "score", g.At(c.home, c.away), c.want, 0)
	}
}

func TestNothingAllocates(t *testing.T) {
	targets := Targets{.52, .25, .23, 1.7, 1}
	allocations := testing.AllocsPerRun(100, func() {
		g, err := New(targets, -.05)
		if err != nil {
			t.Fatal(err)
		}
		home, _, _ := g.MatchResult()
		goals, _ := g.Means()
		half, _, _ := g.HalfTimeResult()
		totals := g.TotalGoals()
		if home+goals+half+totals.At(2.75).Over+g.BothScore() == 0 {
			t.Fatal("no markets")
		}
	})
	if allocations != 0 {
		t.Errorf("allocations: want 0, got %v", allocations)
	}
}

func BenchmarkMarkets(b *testing.B) {
	g, err := New(Targets{.52, .25, .23, 1.7, 1}, -.05)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		home, draw, away := g.MatchResult()
		sum := home + draw + away + g.BothScore()
		totals := g.TotalGoals()
		for line := .5; line <= 6.5; line += .25 {
			sum += totals.At(line).Over
		}
		if !(sum > 1) {
			b.Fatal(sum)
		}
	}
}
