// Package scoreline turns expected goals and match-result probabilities into one grid of final
// scores, from which every market is read. Since all markets are sums over the same cells, they
// cannot contradict each other. It is arithmetic alone: nothing here allocates, keeps state or
// knows a team; a Grid that nobody writes may be read by many goroutines.
package scoreline

import (
	"fmt"
	"math"
)

// MaxGoals is the most goals of one team that a grid knows. What a Poisson tail has beyond it
// (under 1e-5 for two expected goals) is spread over the grid by normalising.
const MaxGoals = 10

const size = MaxGoals + 1

// Rates are moved into this range before a grid is built. Below and above it a grid does not
// change visibly, and within it every cell keeps enough of its digits that each of home win, draw
// and away win has weight, so that any match result can be put upon any rates.
const (
	minRate = 1e-9
	maxRate = 1e3
)

// Grid holds the probabilities of final scores: g[h][a] is that of h home and a away goals. The
// cells are not negative and sum to 1. The zero Grid is no distribution; New makes one.
type Grid [size][size]float64

// Targets are what a model says about a match, and what its grid must give back.
type Targets struct {
	// HomeWin, Draw and AwayWin are probabilities that sum to 1; what float32 or four decimals
	// leave of a difference is normalised away.
	HomeWin, Draw, AwayWin float64
	// HomeGoals and AwayGoals are the expected goals: the Poisson rates, and the means wanted.
	HomeGoals, AwayGoals float64
}

// sumTolerance is how far from 1 the match-result probabilities may sum.
const sumTolerance = 1e-4

// Normalised returns t with a match result that sums to 1, or an error that names the field at fault.
func (t Targets) Normalised() (Targets, error) {
	for _, f := range [...]struct {
		name  string
		value float64
	}{
		{"home win probability", t.HomeWin}, {"draw probability", t.Draw}, {"away win probability", t.AwayWin},
		{"home goals", t.HomeGoals}, {"away goals", t.AwayGoals},
	} {
		if err := checkNonNegative(f.name, f.value); err != nil {
			return Targets{}, err
		}
	}
	sum := t.HomeWin + t.Draw + t.AwayWin
	if !(math.Abs(sum-1) <= sumTolerance) {
		return Targets{}, fmt.Errorf("home win, draw and away win probabilities: want a sum of 1, got %v", sum)
	}
	t.HomeWin /= sum
	t.Draw /= sum
	t.AwayWin /= sum
	return t, nil
}

func checkNonNegative(name string, v float64) error {
	if !(v >= 0) || math.IsInf(v, 1) {
		return fmt.Errorf("%s: want a finite number of at least 0, got %v", name, v)
	}
	return nil
}

// New returns the grid of a match: Dixon-Coles from the expected goals and rho, then tilted to the
// targets. It fails only on input that is no forecast (see DixonColes and Tilt).
func New(t Targets, rho float64) (Grid, error) {
	g, err := DixonColes(t.HomeGoals, t.AwayGoals, rho)
	if err != nil {
		return Grid{}, err
	}
	if _, err := g.Tilt(t); err != nil {
		return Grid{}, err
	}
	return g, nil
}

// DixonColes returns the grid of two Poisson rates (goals a match) whose four lowest scores are
// corrected by rho, cut at MaxGoals and normalised. rho is moved into the range in which no
// correction is negative. NaN, infinite and negative rates and a rho that is not finite are errors.
func DixonColes(homeRate, awayRate, rho float64) (Grid, error) {
	if err := checkNonNegative("home goals", homeRate); err != nil {
		return Grid{}, err
	}
	if err := checkNonNegative("away goals", awayRate); err != nil {
		return Grid{}, err
	}
	if math.IsNaN(rho) || math.IsInf(rho, 0) {
		return Grid{}, fmt.Errorf("rho: want a finite number, got %v", rho)
	}
	lambda := min(max(homeRate, minRate), maxRate)
	mu := min(max(awayRate, minRate), maxRate)
	rho = min(max(rho, -1/lambda, -1/mu), 1/(lambda*mu), 1)

	home, away := poisson(lambda), poisson(mu)
	// Rounding may leave a correction at the edge of rho's range just below 0.
	tau := [2][2]float64{
		{max(0, 1-lambda*mu*rho), max(0, 1+lambda*rho)},
		{max(0, 1+mu*rho), max(0, 1-rho)},
	}
	// Both factors sum to 1, so the whole differs from 1 by the four corrections only.
	total := 1.0
	for x := range tau {
		for y := range tau[x] {
			total += home[x] * away[y] * (tau[x][y] - 1)
		}
	}
	var g Grid
	for x := range g {
		p, row := home[x]/total, &g[x]
		for y := range row {
			row[y] = p * away[y]
		}
	}
	for x := range tau {
		for y := range tau[x] {
			g[x][y] *= tau[x][y]
		}
	}
	return g, nil
}

// poisson returns the probabilities of 0 to MaxGoals goals, given that there are no more.
func poisson(rate float64) [size]float64 {
	var p [size]float64
	sum := 1.0
	if rate <= MaxGoals {
		p[0] = 1
		for k := 1; k < size; k++ {
			p[k] = p[k-1] * rate / float64(k)
			sum += p[k]
		}
	} else { // from the far end, where such a rate has its weight
		p[MaxGoals] = 1
		for k := MaxGoals; k > 0; k-- {
			p[k-1] = p[k] * float64(k) / rate
			sum += p[k-1]
		}
	}
	for k := range p {
		p[k] /= sum
	}
	return p
}
