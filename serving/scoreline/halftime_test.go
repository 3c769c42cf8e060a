package scoreline

import (
	"math"
	"math/rand/v2"
	"testing"
)

// 1-0: the goal fell in the first half, or not. 1-1: one side alone was first to score in it. 2-1: the
// home team leads with one or two goals against none, or two against one.
func TestHalfTimeByHand(t *testing.T) {
	const p, q = FirstHalfShare, 1 - FirstHalfShare
	for _, c := range []struct {
		home, away int
		lead, fall float64
	}{
		{0, 0, 0, 0},
		{1, 0, p, 0},
		{1, 1, p * q, q * p},
		{2, 1, (2*p*q+p*p)*q + p*p*p, q * q * p},
		{0, 10, 0, 1 - math.Pow(q, 10)},
	} {
		var g Grid
		g[c.home][c.away] = 1
		home, draw, away := g.HalfTimeResult()
		near(t, "home", home, c.lead, 1e-15)
		near(t, "away", away, c.fall, 1e-15)
		near(t, "draw", draw, 1-c.lead-c.fall, 1e-15)
	}
}

// Poisson final scores have Poisson scores at half-time, at the share of the rates.
func TestHalfTimeOfPoissonScores(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for range 200 {
		lambda, mu := .05+1.5*rng.Float64(), .05+1.5*rng.Float64() // ten goals are as good as all
		g, err := DixonColes(lambda, mu, 0)
		if err != nil {
			t.Fatal(err)
		}
		half, err := DixonColes(FirstHalfShare*lambda, FirstHalfShare*mu, 0)
		if err != nil {
			t.Fatal(err)
		}
		home, draw, away := g.HalfTimeResult()
		wantHome, wantDraw, wantAway := half.MatchResult()
		near(t, "home", home, wantHome, 1e-5)
		near(t, "draw", draw, wantDraw, 1e-5)
		near(t, "away", away, wantAway, 1e-5)
	}
}
