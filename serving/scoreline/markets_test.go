package scoreline

import (
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

	before := 1.0
	for line := MinTotalLine; line <= MaxTotalLine; line++ {
		over, under := g.Over(line), g.Under(line)
		near(t, "over and under", over+under, 1, rounding)
		if over > before+rounding {
			t.Errorf("over %v: want at most %v, that of the line before, got %v", line, before, over)
		}
		push := 1 - g.Over(line+.5) - g.Under(line+.5)
		near(t, "push at a whole line", push, over-g.Over(line+1), rounding)
		before = over
	}
	near(t, "under 0.5", g.Under(.5), g.At(0, 0), rounding)

	neither := g.At(0, 0)
	for k := 1; k <= MaxGoals; k++ {
		neither += g.At(k, 0) + g.At(0, k)
	}
	near(t, "both score", g.BothScore(), 1-neither, rounding)
	for _, p := range []float64{home, draw, away, homeOrDraw, homeOrAway, drawOrAway, g.BothScore(), g.Over(-1), g.Under(21)} {
		if !(p >= 0 && p <= 1) {
			t.Errorf("want a probability, got %v", p)
		}
	}
}

func TestMarketsAreCoherent(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 2_000 {
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
	for _, c := range []struct{ line, over, under float64 }{
		{-1, 1, 0}, {.5, .8, .2}, {1.5, .6, .4}, {2.5, .6, .4}, {3, .4, .4}, {3.5, .4, .6}, {4.5, .2, .8}, {6.5, .2, .8}, {20, 0, .8}, {20.5, 0, 1},
	} {
		near(t, "over", g.Over(c.line), c.over, 1e-15)
		near(t, "under", g.Under(c.line), c.under, 1e-15)
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
		if home+goals+g.Over(2.5)+g.BothScore() == 0 {
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
		for line := MinTotalLine; line <= MaxTotalLine; line++ {
			sum += g.Over(line)
		}
		if !(sum > 1) {
			b.Fatal(sum)
		}
	}
}
