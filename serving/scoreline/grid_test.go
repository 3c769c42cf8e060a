package scoreline

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	if !(math.Abs(got-want) <= tolerance) {
		t.Helper() // only here: it is slow, and this is called millions of times
		t.Errorf("%s: want %.12g, got %.12g", what, want, got)
	}
}

// checkDistribution asserts that the cells are probabilities that sum to 1.
func checkDistribution(t *testing.T, g *Grid) {
	t.Helper()
	var sum float64
	for x := range g {
		for y, p := range &g[x] {
			if !(p >= 0 && p <= 1+1e-12) {
				t.Fatalf("cell %d-%d: want a probability, got %v", x, y, p)
			}
			sum += p
		}
	}
	if !(math.Abs(sum-1) <= 1e-12) {
		t.Fatalf("sum of the cells: want 1 within 1e-12, got 1%+.3g", sum-1)
	}
}

// e^-1.5·e^-1 = .0820849986 is the 0-0 of two Poisson rates 1.5 and 1.0; the corrections of
// rho = -.05 are 1.075, .925, .95 and 1.05. The tail beyond ten goals is 5e-7.
func TestDixonColesByHand(t *testing.T) {
	g, err := DixonColes(1.5, 1.0, -0.05)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		home, away int
		want       float64
	}{
		{0, 0, 0.0820849986 * 1.075},
		{0, 1, 0.0820849986 * 0.925},
		{1, 0, 0.1231274979 * 0.95},
		{1, 1, 0.1231274979 * 1.05},
		{2, 1, 0.0923456235},
		{0, 2, 0.0410424993},
		{3, 2, 0.0230864059},
	} {
		near(t, "cell", g.At(c.home, c.away), c.want, 2e-7)
	}
	checkDistribution(t, &g)
}

func TestDixonColesAgainstDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		lambda, mu := 4*rng.Float64()+.05, 4*rng.Float64()+.05
		low, high := max(-1/lambda, -1/mu), min(1/(lambda*mu), 1)
		rho := low + (high-low)*rng.Float64()
		got, err := DixonColes(lambda, mu, rho)
		if err != nil {
			t.Fatal(err)
		}
		var want Grid
		var sum float64
		for x := range want {
			for y := range want[x] {
				lx, _ := math.Lgamma(float64(x + 1))
				ly, _ := math.Lgamma(float64(y + 1))
				p := math.Exp(float64(x)*math.Log(lambda) - lambda - lx + float64(y)*math.Log(mu) - mu - ly)
				switch [2]int{x, y} {
				case [2]int{0, 0}:
					p *= 1 - lambda*mu*rho
				case [2]int{0, 1}:
					p *= 1 + lambda*rho
				case [2]int{1, 0}:
					p *= 1 + mu*rho
				case [2]int{1, 1}:
					p *= 1 - rho
				}
				want[x][y] = p
				sum += p
			}
		}
		for x := range want {
			for y := range want[x] {
				near(t, "cell", got[x][y], want[x][y]/sum, 1e-13)
			}
		}
	}
}

// A rho beyond its range gives the grid of the nearest one in it.
func TestDixonColesMovesRhoIntoRange(t *testing.T) {
	for _, c := range []struct{ home, away, rho, nearest float64 }{
		{2, 1, -9, -0.5},
		{1, 4, -9, -0.25},
		{2, 1, 9, 0.5},
		{0.5, 0.5, 9, 1},
		{50, 50, -0.055, -0.02},
	} {
		got, err := DixonColes(c.home, c.away, c.rho)
		if err != nil {
			t.Fatal(err)
		}
		want, err := DixonColes(c.home, c.away, c.nearest)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("rates %v, %v: rho %v is not taken as %v", c.home, c.away, c.rho, c.nearest)
		}
		checkDistribution(t, &got)
	}
}

func TestBadInputIsNamed(t *testing.T) {
	good := Targets{HomeWin: .5, Draw: .3, AwayWin: .2, HomeGoals: 1.5, AwayGoals: 1}
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name   string
		rho    float64
		change func(*Targets)
		want   string
	}{
		{"home goals NaN", 0, func(t *Targets) { t.HomeGoals = nan }, "home goals: want a finite number of at least 0, got NaN"},
		{"away goals negative", 0, func(t *Targets) { t.AwayGoals = -.1 }, "away goals: want a finite number of at least 0, got -0.1"},
		{"away goals infinite", 0, func(t *Targets) { t.AwayGoals = inf }, "away goals: want a finite number of at least 0, got +Inf"},
		{"rho NaN", nan, func(*Targets) {}, "rho: want a finite number, got NaN"},
		{"rho infinite", -inf, func(*Targets) {}, "rho: want a finite number, got -Inf"},
		{"home win NaN", 0, func(t *Targets) { t.HomeWin = nan }, "home win probability: want a finite number of at least 0, got NaN"},
		{"draw negative", 0, func(t *Targets) { t.Draw, t.HomeWin = -.1, .9 }, "draw probability: want a finite number of at least 0, got -0.1"},
		{"away win infinite", 0, func(t *Targets) { t.AwayWin = inf }, "away win probability: want a finite number of at least 0, got +Inf"},
		{"sum over 1", 0, func(t *Targets) { t.AwayWin = .3 }, "probabilities: want a sum of 1, got 1.1"},
		{"sum under 1", 0, func(t *Targets) { t.AwayWin = .1 }, "probabilities: want a sum of 1, got 0.9"},
		{"all zero", 0, func(t *Targets) { t.HomeWin, t.Draw, t.AwayWin = 0, 0, 0 }, "probabilities: want a sum of 1, got 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			targets := good
			c.change(&targets)
			g, err := New(targets, c.rho)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got %v", c.want, err)
			}
			if g != (Grid{}) {
				t.Error("want no grid beside an error")
			}
		})
	}
}

func TestTiltRefusesAResultWithoutCells(t *testing.T) {
	var p product
	p.home[1], p.away[0], p.tau[1][0] = 1, 1, 1
	var g Grid
	_, err := p.tilt(Targets{HomeWin: .5, Draw: .5, HomeGoals: 1}, &g)
	if err == nil || !strings.Contains(err.Error(), "draw") || g != (Grid{}) {
		t.Errorf("want an error that names the draw and no grid, got %v", err)
	}
}
