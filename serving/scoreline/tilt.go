package scoreline

import (
	"fmt"
	"math"
)

const (
	// maxSteps is how many Newton steps a tilt may take. Calibrated forecasts need two or three.
	maxSteps = 20
	// meanGoal is how near to the means the search ends, and meanTolerance how near is near enough
	// where it ends for another reason; both in goals. Newton's last step gives the difference for
	// nothing.
	meanGoal      = 1e-8
	meanTolerance = 1e-6
	// maxTilt bounds the exponents a and b. Targets that ask for more lie on the edge of what a grid
	// can meet, or beyond, and exp(maxTilt·(MaxGoals+MaxGoals)) is still finite.
	maxTilt = 30
	// maxStride bounds one Newton step, whose quadratic model knows nothing that far away.
	maxStride = 4
	// minMass is the least weight of a region that is still trusted: below it digits are lost.
	minMass = 1e-290
)

// Tilt moves g to the targets by the least change in Kullback-Leibler divergence: each cell is
// multiplied by exp(a·x + b·y + c·[x>y] + d·[x=y]), the only form that such a change has, so that
// the match result is met to rounding and the mean goals to 1e-6. Where no grid of this size can
// meet them all, or the search is longer than 20 Newton steps, the match result is met alone
// (a = b = 0), the means follow from it, and met is false.
//
// Targets that are NaN, infinite, negative or do not sum to 1, and a result of positive probability
// for which g has no cell, are errors, and leave g as it was.
func (g *Grid) Tilt(t Targets) (met bool, err error) {
	t, err = t.Normalised()
	if err != nil {
		return false, err
	}
	start := g.tilted(0, 0, &t)
	for i, name := range resultNames {
		if want := start.wanted[i]; want > 0 && !start.usable(i) {
			return false, fmt.Errorf("grid: want weight on each score of a %s, whose probability is %v, got %v", name, want, start.regions[i].mass)
		}
	}
	p, _ := g.solve(start, &t)
	met = p.within(meanTolerance)
	if !met {
		p = start
	}
	g.apply(&p)
	return met, nil
}

// moments are the sums of a region's weights w, and of w times goals: x home, y away.
type moments struct{ mass, x, y, xx, xy, yy float64 }

// add adds the weights of row x: u times the sums over y of w, w·y and w·y².
func (m *moments) add(u, x, s0, s1, s2 float64) {
	s0, s1, s2 = u*s0, u*s1, u*s2
	m.mass += s0
	m.x += x * s0
	m.y += s1
	m.xx += x * x * s0
	m.xy += x * s1
	m.yy += s2
}

// point is a place in the search. Given a and b, the best c and d are known in closed form: they
// weigh the three regions (home win, draw, away win) so that the match result is exact. What is
// left to search is the convex dual in two variables,
//
//	value(a, b) = Σ wanted_r·log mass_r(a, b) − a·HomeGoals − b·AwayGoals,
//
// whose gradient is the error of the means and whose curvature is the mean covariance within the
// regions.
type point struct {
	a, b       float64
	wanted     [3]float64
	regions    [3]moments
	value      float64
	errX       float64
	errY       float64
	xx, xy, yy float64
}

// usable reports whether region r has a weight that numbers can be trusted with.
func (p *point) usable(r int) bool {
	return p.regions[r].mass > minMass && !math.IsInf(p.regions[r].mass, 1)
}

// within reports whether both means are that near.
func (p *point) within(goals float64) bool {
	return math.Abs(p.errX) <= goals && math.Abs(p.errY) <= goals
}

// tilted measures g under the exponents a and b. A value of +Inf says that they are out of reach.
func (g *Grid) tilted(a, b float64, t *Targets) point {
	p := point{a: a, b: b, wanted: [3]float64{t.HomeWin, t.Draw, t.AwayWin}}
	p.regions = g.measure(a, b)
	p.value = -a*t.HomeGoals - b*t.AwayGoals
	p.errX, p.errY = -t.HomeGoals, -t.AwayGoals
	for i, want := range p.wanted {
		if want == 0 {
			continue
		}
		if !p.usable(i) {
			p.value, p.errX, p.errY = math.Inf(1), math.Inf(1), math.Inf(1)
			return p
		}
		r := &p.regions[i]
		meanX, meanY := r.x/r.mass, r.y/r.mass
		p.value += want * math.Log(r.mass)
		p.errX += want * meanX
		p.errY += want * meanY
		p.xx += want * (r.xx/r.mass - meanX*meanX)
		p.xy += want * (r.xy/r.mass - meanX*meanY)
		p.yy += want * (r.yy/r.mass - meanY*meanY)
	}
	return p
}

// measure sums the regions of g under exp(a·x + b·y). The factor is separable, so that two
// exponentials serve all 121 cells.
func (g *Grid) measure(a, b float64) [3]moments {
	var v0, v1, v2 [size]float64
	u, ea, eb := 1.0, math.Exp(a), math.Exp(b)
	v := 1.0
	for y := range v0 {
		fy := float64(y)
		v0[y], v1[y], v2[y] = v, v*fy, v*fy*fy
		v *= eb
	}
	var home, draw, away moments
	for x := range g {
		row, fx := &g[x], float64(x)
		var s0, s1, s2 float64
		for y := range x {
			w := row[y]
			s0 += w * v0[y]
			s1 += w * v1[y]
			s2 += w * v2[y]
		}
		home.add(u, fx, s0, s1, s2)
		w := row[x]
		draw.add(u, fx, w*v0[x], w*v1[x], w*v2[x])
		s0, s1, s2 = 0, 0, 0
		for y := x + 1; y < size; y++ {
			w := row[y]
			s0 += w * v0[y]
			s1 += w * v1[y]
			s2 += w * v2[y]
		}
		away.add(u, fx, s0, s1, s2)
		u *= ea
	}
	return [3]moments{home, draw, away}
}

// solve takes damped Newton steps from p until the means are met or hope is gone, and returns where
// it came to and after how many steps.
func (g *Grid) solve(p point, t *Targets) (point, int) {
	for step := range maxSteps {
		if p.within(meanGoal) {
			return p, step
		}
		da, db := p.stride()
		slope := p.errX*da + p.errY*db
		if !(slope < 0) {
			return p, step
		}
		next, ok := g.descend(&p, da, db, slope, t)
		if !ok {
			return p, step
		}
		p = next
	}
	return p, maxSteps
}

// stride is the Newton step, shortened to maxStride.
func (p *point) stride() (da, db float64) {
	// Where home and away goals are one (a certain draw), the curvature is singular; a ridge far
	// below any visible effect keeps the step finite.
	ridge := 1e-12 * (p.xx + p.yy)
	xx, yy := p.xx+ridge, p.yy+ridge
	det := xx*yy - p.xy*p.xy
	if !(det > 0) {
		return 0, 0
	}
	da = (p.xy*p.errY - yy*p.errX) / det
	db = (p.xy*p.errX - xx*p.errY) / det
	if longest := max(math.Abs(da), math.Abs(db)); longest > maxStride {
		da *= maxStride / longest
		db *= maxStride / longest
	}
	return da, db
}

// descend halves the step until the value falls as a convex function's should.
func (g *Grid) descend(p *point, da, db, slope float64, t *Targets) (point, bool) {
	const (
		share    = 1e-4  // of the fall that the slope promises
		rounding = 1e-13 // of the value, near the goal
	)
	for scale := 1.0; scale > 1e-6; scale /= 2 {
		a, b := p.a+scale*da, p.b+scale*db
		if math.Abs(a) > maxTilt || math.Abs(b) > maxTilt {
			continue
		}
		next := g.tilted(a, b, t)
		if next.value <= p.value+share*scale*slope+rounding {
			return next, true
		}
	}
	return point{}, false
}

// apply multiplies g by the tilt of p, with the c and d that make the match result exact.
func (g *Grid) apply(p *point) {
	var factor [3]float64
	for i, want := range p.wanted {
		if want > 0 {
			factor[i] = want / p.regions[i].mass
		}
	}
	var v [size]float64
	u, ea, eb := 1.0, math.Exp(p.a), math.Exp(p.b)
	v[0] = 1
	for y := 1; y < size; y++ {
		v[y] = v[y-1] * eb
	}
	for x := range g {
		row := &g[x]
		home, draw, away := u*factor[0], u*factor[1], u*factor[2]
		for y := range x {
			row[y] *= v[y] * home
		}
		row[x] *= v[x] * draw
		for y := x + 1; y < size; y++ {
			row[y] *= v[y] * away
		}
		u *= ea
	}
}
