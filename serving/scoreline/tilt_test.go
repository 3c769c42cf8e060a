package scoreline

import (
	"math"
	"math/rand/v2"
	"testing"
)

func mustNew(t *testing.T, targets Targets, rho float64) Grid {
	t.Helper()
	g, err := New(targets, rho)
	if err != nil {
		t.Fatalf("%+v, rho %v: %v", targets, rho, err)
	}
	return g
}

func mustProduct(t *testing.T, targets Targets, rho float64) product {
	t.Helper()
	p, err := newProduct(targets.HomeGoals, targets.AwayGoals, rho)
	if err != nil {
		t.Fatalf("%+v, rho %v: %v", targets, rho, err)
	}
	return p
}

func checkResult(t *testing.T, g *Grid, targets Targets, tolerance float64) {
	t.Helper()
	sum := targets.HomeWin + targets.Draw + targets.AwayWin
	home, draw, away := g.MatchResult()
	near(t, "home win", home, targets.HomeWin/sum, tolerance)
	near(t, "draw", draw, targets.Draw/sum, tolerance)
	near(t, "away win", away, targets.AwayWin/sum, tolerance)
}

func checkMeans(t *testing.T, g *Grid, targets Targets, tolerance float64) {
	t.Helper()
	home, away := g.Means()
	near(t, "home goals", home, targets.HomeGoals, tolerance)
	near(t, "away goals", away, targets.AwayGoals, tolerance)
}

// calibrated is what a match model gives: rates, and their match result changed by a temperature
// and a bias.
func calibrated(rng *rand.Rand, low, high, change float64) (Targets, float64) {
	rate := func() float64 { return low * math.Pow(high/low, rng.Float64()) }
	t := Targets{HomeGoals: rate(), AwayGoals: rate()}
	rho := -0.08 * rng.Float64()
	g, err := DixonColes(t.HomeGoals, t.AwayGoals, rho)
	if err != nil {
		panic(err)
	}
	home, draw, away := g.MatchResult()
	temperature := 1 + change*(2*rng.Float64()-1)
	bend := func(p float64) float64 { return math.Pow(p, temperature) * math.Exp(change*(2*rng.Float64()-1)) }
	home, draw, away = bend(home), bend(draw), bend(away)
	sum := home + draw + away
	t.HomeWin, t.Draw, t.AwayWin = home/sum, draw/sum, away/sum
	return t, rho
}

func TestTargetsOfCalibratedModelsAreMet(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var most, sum int
	const n = 20_000
	for range n {
		targets, rho := calibrated(rng, .2, 4.5, .1)
		p := mustProduct(t, targets, rho)
		_, steps := p.solve(p.tilted(0, 0, &targets), &targets)
		most, sum = max(most, steps), sum+steps
		var g Grid
		met, err := p.tilt(targets, &g)
		if err != nil || !met {
			t.Fatalf("%+v, rho %v: want the targets met, got %v, %v", targets, rho, met, err)
		}
		checkDistribution(t, &g)
		checkResult(t, &g, targets, 1e-12)
		checkMeans(t, &g, targets, 1e-6)
		if t.Failed() {
			t.Fatalf("%+v, rho %v", targets, rho)
		}
	}
	t.Logf("Newton steps: mean %.2f, most %d", float64(sum)/n, most)
	if mean := float64(sum) / n; mean > 4 {
		t.Errorf("Newton steps: want at most 4 on average, got %.2f", mean)
	}
}

// Targets read off a grid that is far from the first one, but of the same shape, can be met.
func TestFarTargetsAreMetWhereFeasible(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 5_000 {
		from, rho := calibrated(rng, .3, 4, .1)
		far, _ := calibrated(rng, .3, 4, .5)
		p := mustProduct(t, from, rho)
		truth := mustNew(t, far, 0)
		var want Targets
		want.HomeWin, want.Draw, want.AwayWin = truth.MatchResult()
		want.HomeGoals, want.AwayGoals = truth.Means()
		var g Grid
		met, err := p.tilt(want, &g)
		if err != nil || !met {
			t.Fatalf("from %+v to %+v: want the targets met, got %v, %v", from, want, met, err)
		}
		checkDistribution(t, &g)
		checkResult(t, &g, want, 1e-12)
		checkMeans(t, &g, want, 1e-6)
		if t.Failed() {
			t.FailNow()
		}
	}
}

// The change must have the form of the least divergence: log(q/g) = a·x + b·y + a constant of the
// region. Then no other grid that meets the targets is nearer.
func TestTiltHasTheFormOfLeastDivergence(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		targets, rho := calibrated(rng, .4, 3.5, .2)
		p := mustProduct(t, targets, rho)
		var g, q Grid
		p.multiply(&g, 0, 0, [3]float64{1, 1, 1})
		met, err := p.tilt(targets, &q)
		if err != nil || !met {
			t.Fatalf("want the targets met, got %v, %v", met, err)
		}
		change := func(x, y int) float64 { return math.Log(q[x][y] / g[x][y]) }
		a := change(3, 0) - change(2, 0)
		b := change(2, 1) - change(2, 0)
		home, draw, away := change(1, 0)-a, change(0, 0), change(0, 1)-b
		for x := range g {
			for y := range g[x] {
				want := a*float64(x) + b*float64(y)
				switch {
				case x > y:
					want += home
				case x == y:
					want += draw
				default:
					want += away
				}
				near(t, "log(q/g)", change(x, y), want, 1e-9)
			}
		}
	}
}

func TestTiltOfMetTargetsChangesNothing(t *testing.T) {
	p := mustProduct(t, Targets{HomeGoals: 1.6, AwayGoals: 1.1}, -.05)
	var g, q Grid
	p.multiply(&g, 0, 0, [3]float64{1, 1, 1})
	var targets Targets
	targets.HomeWin, targets.Draw, targets.AwayWin = g.MatchResult()
	targets.HomeGoals, targets.AwayGoals = g.Means()
	met, err := p.tilt(targets, &q)
	if err != nil || !met {
		t.Fatalf("want the targets met, got %v, %v", met, err)
	}
	for x := range g {
		for y := range g[x] {
			near(t, "cell", q[x][y], g[x][y], 1e-12)
		}
	}
}

// What a grid cannot meet: the match result is met alone, by reweighting its three regions, and
// scores of the same result keep their proportions.
func TestInfeasibleTargetsKeepTheMatchResult(t *testing.T) {
	for _, c := range []struct {
		name    string
		targets Targets
	}{
		{"half the matches won with a tenth of a goal", Targets{.5, .3, .2, .1, 1}},
		{"certain draw of unequal teams", Targets{0, 1, 0, 2, 1}},
		{"certain win without a goal", Targets{1, 0, 0, 0, 0}},
		{"certain win with fewer goals", Targets{1, 0, 0, 1, 2}},
		{"more goals than the grid has", Targets{.4, .2, .4, 50, 50}},
		{"as many goals as the grid has", Targets{.4, .2, .4, 10, 10}},
		{"no goals, no draws", Targets{.5, 0, .5, 0, 0}},
		{"tiny rates, even result", Targets{.4, .2, .4, 1e-9, 1e-9}},
		{"tiny and huge", Targets{.9, .05, .05, 1e-9, 1e300}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := mustProduct(t, c.targets, -.05)
			var g, q Grid
			p.multiply(&g, 0, 0, [3]float64{1, 1, 1})
			met, err := p.tilt(c.targets, &q)
			if err != nil {
				t.Fatal(err)
			}
			if met {
				t.Error("want the means given up")
			}
			checkDistribution(t, &q)
			checkResult(t, &q, c.targets, 1e-12)
			home, draw, away := g.MatchResult()
			for x := range g {
				for y := range g[x] {
					factor := c.targets.Draw / draw
					if x > y {
						factor = c.targets.HomeWin / home
					} else if x < y {
						factor = c.targets.AwayWin / away
					}
					near(t, "cell", q[x][y], g[x][y]*factor, 1e-12)
				}
			}
		})
	}
}

func TestExtremesThatCanBeMet(t *testing.T) {
	for _, c := range []struct {
		name    string
		targets Targets
	}{
		{"no draws", Targets{.6, 0, .4, 1.5, 1.2}},
		{"no home win", Targets{0, .4, .6, .8, 1.7}},
		{"certain home win", Targets{1, 0, 0, 2.5, .7}},
		{"certain draw", Targets{0, 1, 0, 1.3, 1.3}},
		{"no goals", Targets{0, 1, 0, 0, 0}},
		{"hardly a goal", Targets{1e-9, 1 - 2e-9, 1e-9, 1e-9, 1e-9}},
		{"nine goals each", Targets{.4, .2, .4, 9, 9}},
		{"nine to a half", Targets{.999, .0008, .0002, 9, .5}},
		{"sums to 1 in float32", Targets{.5200001, .25, .23, 1.7, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := mustNew(t, c.targets, -.05)
			checkDistribution(t, &g)
			checkResult(t, &g, c.targets, 1e-12)
			checkMeans(t, &g, c.targets, 1e-6)
		})
	}
}

// Every pairing of extremes gives a grid with the match result asked for.
func TestAnyRatesWithAnyResult(t *testing.T) {
	rates := []float64{0, math.SmallestNonzeroFloat64, 1e-300, 1e-9, 1e-3, .5, 1, 3, 9.99, 10, 11, 50, 1e9, math.MaxFloat64}
	rhos := []float64{-math.MaxFloat64, -2, -1, -.055, 0, .3, 1, 2, math.MaxFloat64}
	results := [][3]float64{
		{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {.5, .5, 0}, {.5, 0, .5}, {0, .5, .5}, {.4, .3, .3},
		{1 - 1e-300, 1e-300, 0}, {math.SmallestNonzeroFloat64, 1, 0}, {1e-12, 1 - 2e-12, 1e-12},
	}
	for _, home := range rates {
		for _, away := range rates {
			for _, rho := range rhos {
				for _, r := range results {
					targets := Targets{r[0], r[1], r[2], home, away}
					g := mustNew(t, targets, rho)
					checkDistribution(t, &g)
					checkResult(t, &g, targets, 1e-12)
					if t.Failed() {
						t.Fatalf("%+v, rho %v", targets, rho)
					}
				}
			}
		}
	}
}

func FuzzNew(f *testing.F) {
	f.Add(.5, .3, .2, 1.5, 1.0, -.05)
	f.Add(1.0, .0, .0, .0, 50.0, 1.0)
	f.Add(.4, .2, .4, 1e-9, 1e-9, -1e9)
	f.Add(math.NaN(), .5, .5, math.Inf(1), -1.0, 0.0)
	f.Fuzz(func(t *testing.T, home, draw, away, homeGoals, awayGoals, rho float64) {
		for _, targets := range []Targets{
			{home, draw, away, homeGoals, awayGoals},
			normalised(home, draw, away, homeGoals, awayGoals), // nearly all others are refused
		} {
			g, err := New(targets, rho)
			if err != nil {
				continue
			}
			checkDistribution(t, &g)
			checkResult(t, &g, targets, 1e-9)
			checkCoherence(t, &g)
			if g, err = NewOver(targets, targets.HomeWin, rho); err != nil {
				t.Fatalf("%+v, rho %v: %v", targets, rho, err)
			}
			checkDistribution(t, &g)
			checkResult(t, &g, targets, 1e-9)
		}
	})
}

func normalised(home, draw, away, homeGoals, awayGoals float64) Targets {
	home, draw, away = math.Abs(home), math.Abs(draw), math.Abs(away)
	largest := max(home, draw, away)
	home, draw, away = home/largest, draw/largest, away/largest
	sum := home + draw + away
	return Targets{home / sum, draw / sum, away / sum, math.Abs(homeGoals), math.Abs(awayGoals)}
}

func BenchmarkNew(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 10))
	var targets [256]Targets
	var rhos [256]float64
	for i := range targets {
		targets[i], rhos[i] = calibrated(rng, .4, 3.5, .1)
	}
	run := func(name string, targets []Targets) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				k := i % len(targets)
				g, err := New(targets[k], rhos[k])
				if err != nil || !(g[0][0] > 0) {
					b.Fatal(g[0][0], err)
				}
			}
		})
	}
	run("calibrated", targets[:])
	run("infeasible", []Targets{{.5, .3, .2, .1, 1}, {.4, .2, .4, 10, 10}})
	b.Run("DixonColes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g, err := DixonColes(1.5, 1.1, -.05)
			if err != nil || !(g[0][0] > 0) {
				b.Fatal(g[0][0], err)
			}
		}
	})
}
