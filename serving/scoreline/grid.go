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
// targets. It fails only on input that is no forecast (see DixonColes and tilt).
func New(t Targets, rho float64) (g Grid, err error) {
	err = g.Fill(t, rho)
	return g, err
}

// Fill makes g the grid that New returns, without a copy on the way; after an error it is as it was.
func (g *Grid) Fill(t Targets, rho float64) error {
	p, err := newProduct(t.HomeGoals, t.AwayGoals, rho)
	if err != nil {
		return err
	}
	_, err = p.tilt(t, g)
	return err
}

// DixonColes returns the grid of two Poisson rates (goals a match) whose four lowest scores are
// corrected by rho, cut at MaxGoals and normalised. rho is moved into the range in which no
// correction is negative. NaN, infinite and negative rates and a rho that is not finite are errors.
func DixonColes(homeRate, awayRate, rho float64) (g Grid, err error) {
	p, err := newProduct(homeRate, awayRate, rho)
	if err != nil {
		return g, err
	}
	p.multiply(&g, 0, 0, [3]float64{1, 1, 1})
	return g, nil
}

// product is the grid of DixonColes in its factors, from which sums over the grid are quicker to have
// than from its cells: cell x, y is home[x]·away[y], for x and y below 2 times tau[x][y].
type product struct {
	home, away [size]float64
	tau        [2][2]float64
}

func newProduct(homeRate, awayRate, rho float64) (product, error) {
	if err := checkNonNegative("home goals", homeRate); err != nil {
		return product{}, err
	}
	if err := checkNonNegative("away goals", awayRate); err != nil {
		return product{}, err
	}
	if math.IsNaN(rho) || math.IsInf(rho, 0) {
		return product{}, fmt.Errorf("rho: want a finite number, got %v", rho)
	}
	lambda := min(max(homeRate, minRate), maxRate)
	mu := min(max(awayRate, minRate), maxRate)
	rho = min(max(rho, -1/lambda, -1/mu), 1/(lambda*mu), 1)
	// Rounding may leave a correction at the edge of rho's range just below 0.
	p := product{home: poisson(lambda), away: poisson(mu), tau: [2][2]float64{
		{max(0, 1-lambda*mu*rho), max(0, 1+lambda*rho)},
		{max(0, 1+mu*rho), max(0, 1-rho)},
	}}
	// Both factors sum to 1, so the whole differs from 1 by the four corrections only.
	total := 1.0
	for x := range p.tau {
		for y, tau := range p.tau[x] {
			total += p.home[x] * p.away[y] * (tau - 1)
		}
	}
	for x := range p.home {
		p.home[x] /= total
	}
	return p, nil
}

// multiply makes g the product, each cell also times exp(a·x + b·y) and the factor of its result: home
// win, draw, away win.
func (p *product) multiply(g *Grid, a, b float64, factor [3]float64) {
	v := powers(&p.away, math.Exp(b))
	u, ea := 1.0, math.Exp(a)
	for x := range g {
		row, w := &g[x], u*p.home[x]
		home, draw, away := w*factor[0], w*factor[1], w*factor[2]
		for y := range x {
			row[y] = v[y] * home
		}
		row[x] = v[x] * draw
		for y := x + 1; y < size; y++ {
			row[y] = v[y] * away
		}
		u *= ea
	}
	for x := range p.tau {
		for y, tau := range p.tau[x] {
			g[x][y] *= tau
		}
	}
}

// powers multiplies element k by base^k.
func powers(of *[size]float64, base float64) (out [size]float64) {
	power := 1.0
	for k, p := range of {
		out[k] = p * power
		power *= base
	}
	return out
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
