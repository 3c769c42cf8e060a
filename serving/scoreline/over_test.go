package scoreline

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func overOf(g *Grid) float64 {
	totals := g.TotalGoals()
	return totals.At(overLine).Over
}

// Whatever the odds say of result and goals is met by a grid of any rates, and the change has the form
// of the least divergence: log(q/g) = a·[over] + a constant of the result.
func TestTiltOverMeetsAnyOdds(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	for range 2_000 {
		targets, rho := calibrated(rng, .05, 9, .3)
		other, _ := calibrated(rng, .3, 4, .5)
		other.HomeGoals, other.AwayGoals = targets.HomeGoals, targets.AwayGoals
		over := math.Pow(rng.Float64(), 3)
		g, err := DixonColes(targets.HomeGoals, targets.AwayGoals, rho)
		if err != nil {
			t.Fatal(err)
		}
		q := g
		met, err := q.TiltOver(other, over)
		if err != nil || !met {
			t.Fatalf("from %+v to %+v, over %v: want the targets met, got %v, %v", targets, other, over, met, err)
		}
		checkDistribution(t, &q)
		checkResult(t, &q, other, 1e-12)
		near(t, "over", overOf(&q), over, 1e-12)
		change := func(x, y int) float64 { return math.Log(q[x][y] / g[x][y]) }
		a := change(3, 0) - change(1, 0)
		for x := range g {
			for y := range g[x] {
				want := [3]float64{change(1, 0), change(0, 0), change(0, 1)}[resultOf(x, y)]
				if x+y > 2 {
					want += a
				}
				near(t, "log(q/g)", change(x, y), want, 1e-9)
			}
		}
		if t.Failed() {
			t.Fatalf("from %+v to %+v, over %v", targets, other, over)
		}
	}
}

func TestMarketsAreCoherentAfterBlending(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	for range 200 {
		targets, rho := calibrated(rng, .05, 9, .3)
		far, _ := calibrated(rng, .3, 4, .5)
		far.HomeGoals, far.AwayGoals = targets.HomeGoals, targets.AwayGoals
		g := mustNew(t, far, rho)
		checkCoherence(t, &g)
		checkResult(t, &g, far, 1e-12)
		g, err := NewOver(far, rng.Float64(), rho)
		if err != nil {
			t.Fatal(err)
		}
		checkCoherence(t, &g)
		if t.Failed() {
			t.Fatalf("from %+v to %+v", targets, far)
		}
	}
}

// Every pairing of extremes gives a grid with the match result asked for, and over as near as may be.
func TestAnyRatesWithAnyOver(t *testing.T) {
	for _, home := range []float64{0, 1e-300, 1e-3, 1, 10, 50, math.MaxFloat64} {
		for _, away := range []float64{0, 1e-9, .5, 1, 50} {
			for _, rho := range []float64{-math.MaxFloat64, -.055, 0, 1, math.MaxFloat64} {
				for _, r := range [][3]float64{{1, 0, 0}, {0, 1, 0}, {.5, 0, .5}, {.4, .3, .3}, {1 - 1e-300, 1e-300, 0}} {
					for _, over := range []float64{0, 1e-300, 1e-9, .5, 1 - 1e-9, 1} {
						targets := Targets{r[0], r[1], r[2], home, away}
						g, err := NewOver(targets, over, rho)
						if err != nil {
							t.Fatalf("%+v, over %v, rho %v: %v", targets, over, rho, err)
						}
						checkDistribution(t, &g)
						checkResult(t, &g, targets, 1e-12)
						if rho <= 0 && rho > -1 { // all scores are possible
							near(t, "over", overOf(&g), over, 1e-6)
						}
						if t.Failed() {
							t.Fatalf("%+v, over %v, rho %v", targets, over, rho)
						}
					}
				}
			}
		}
	}
}

// A certain draw without 0-0 and 1-1 has four goals or more, whatever the odds say.
func TestInfeasibleOverKeepsTheMatchResult(t *testing.T) {
	g, err := DixonColes(1, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	targets := Targets{Draw: 1, HomeGoals: 1, AwayGoals: 1}
	if met, err := g.TiltOver(targets, .4); err != nil || met {
		t.Fatalf("want over given up, got %v, %v", met, err)
	}
	checkDistribution(t, &g)
	checkResult(t, &g, targets, 1e-12)
	near(t, "over", overOf(&g), 1, 1e-12)
}

func TestTiltOverRefuses(t *testing.T) {
	good := Targets{HomeWin: .5, Draw: .3, AwayWin: .2, HomeGoals: 1.5, AwayGoals: 1}
	for _, c := range []struct {
		name   string
		change func(*Targets)
		over   float64
		want   string
	}{
		{"over NaN", func(*Targets) {}, math.NaN(), "over 2.5 probability: want a number from 0 to 1, got NaN"},
		{"over negative", func(*Targets) {}, -.1, "want a number from 0 to 1, got -0.1"},
		{"over above 1", func(*Targets) {}, 1.1, "want a number from 0 to 1, got 1.1"},
		{"rate NaN", func(t *Targets) { t.HomeGoals = math.NaN() }, .5, "home goals: want a finite number"},
		{"sum", func(t *Targets) { t.Draw = .4 }, .5, "want a sum of 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			targets := good
			c.change(&targets)
			g, err := NewOver(targets, c.over, -.05)
			if err == nil || !strings.Contains(err.Error(), c.want) || g != (Grid{}) {
				t.Errorf("want no grid and an error with %q, got %v", c.want, err)
			}
		})
	}
	var g Grid
	g[1][0] = 1
	before := g
	if _, err := g.TiltOver(good, .5); err == nil || !strings.Contains(err.Error(), "draw") || g != before {
		t.Errorf("a result without cells: want an error that names the draw and the grid left as it was, got %v", err)
	}
}

func BenchmarkNewOver(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		g, err := NewOver(Targets{.45, .28, .27, 1.5, 1.1}, .5, -.05)
		if err != nil || !(g[0][0] > 0) {
			b.Fatal(g[0][0], err)
		}
	}
}
