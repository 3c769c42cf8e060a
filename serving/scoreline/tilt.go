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

// tilt makes g the grid of p, moved to the targets by the least change in Kullback-Leibler divergence:
// each cell is multiplied by exp(a·x + b·y + c·[x>y] + d·[x=y]), the only form that such a change has,
// so that the match result is met to rounding and the mean goals to 1e-6. Where no grid of this size
// can meet them all, or the search is longer than 20 Newton steps, the match result is met alone
// (a = b = 0), the means follow from it, and met is false.
//
// Targets that are NaN, infinite, negative or do not sum to 1, and a result of positive probability
// for which p has no cell, are errors, and leave g as it was.
func (p *product) tilt(t Targets, g *Grid) (met bool, err error) {
	if t, err = t.Normalised(); err != nil {
		return false, err
	}
	start := p.tilted(0, 0, &t)
	for i, name := range resultNames {
		if want := start.wanted[i]; want > 0 && !start.usable(i) {
			return false, fmt.Errorf("grid: want weight on each score of a %s, whose probability is %v, got %v", name, want, start.regions[i].mass)
		}
	}
	end, _ := p.solve(start, &t)
	if met = end.within(meanTolerance); !met {
		end = start
	}
	var factor [3]float64
	for i, want := range end.wanted {
		if want > 0 {
			factor[i] = want / end.regions[i].mass
		}
	}
	p.multiply(g, end.a, end.b, factor)
	return met, nil
}

// moments are the sums of a region's weights w, and of w times goals: x home, y away.
type moments struct{ mass, x, y, xx, xy, yy float64 }

// sums are those of weights w of away goals y: of w, w·y and w·y².
type sums [3]float64

// row adds the row of x home goals: u times the sums over its away goals.
func (m *moments) row(u, x float64, s *sums) {
	s0, s1 := u*s[0], u*s[1]
	xs0 := x * s0
	m.mass += s0
	m.x += xs0
	m.y += s1
	m.xx += x * xs0
	m.xy += x * s1
	m.yy += u * s[2]
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

// value is what the search makes least.
func (p *point) value(t *Targets) float64 {
	value := -p.a*t.HomeGoals - p.b*t.AwayGoals
	for i, want := range p.wanted {
		if want == 0 {
			continue
		}
		if !p.usable(i) {
			return math.Inf(1)
		}
		value += want * math.Log(p.regions[i].mass)
	}
	return value
}

// tilted measures p under the exponents a and b. Errors of +Inf say that they are out of reach.
func (p *product) tilted(a, b float64, t *Targets) point {
	at := point{a: a, b: b, wanted: [3]float64{t.HomeWin, t.Draw, t.AwayWin}}
	p.measure(a, b, &at.regions)
	at.errX, at.errY = -t.HomeGoals, -t.AwayGoals
	for i, want := range at.wanted {
		if want == 0 {
			continue
		}
		if !at.usable(i) {
			at.errX, at.errY = math.Inf(1), math.Inf(1)
			return at
		}
		r := &at.regions[i]
		share := 1 / r.mass
		meanX, meanY := r.x*share, r.y*share
		at.errX += want * meanX
		at.errY += want * meanY
		at.xx += want * (r.xx*share - meanX*meanX)
		at.xy += want * (r.xy*share - meanX*meanY)
		at.yy += want * (r.yy*share - meanY*meanY)
	}
	return at
}

// measure sums the regions of p under exp(a·x + b·y). A row's part of a region begins or ends where
// home and away goals are equal, so its sums are those of the next row and one cell.
func (p *product) measure(a, b float64, regions *[3]moments) {
	u, v := powers(&p.home, math.Exp(a)), powers(&p.away, math.Exp(b))
	var cell, above [size]sums // of y alone, and of all that is above
	for y := MaxGoals; y >= 0; y-- {
		fy := float64(y)
		w := v[y]
		cell[y] = sums{w, w * fy, w * fy * fy}
		if y > 0 {
			above[y-1] = sums{above[y][0] + w, above[y][1] + w*fy, above[y][2] + w*fy*fy}
		}
	}
	home, draw, away := &regions[0], &regions[1], &regions[2]

	// The rows of no and of one home goal hold the corrected cells.
	t, w := &p.tau, &cell[1]
	draw.mass = u[0]*v[0]*t[0][0] + u[1]*w[0]*t[1][1]
	one := u[1] * w[0] * t[1][1]
	draw.x, draw.xx = one, one
	away.row(u[0], 0, &sums{t[0][1]*w[0] + above[1][0], t[0][1]*w[1] + above[1][1], t[0][1]*w[2] + above[1][2]})
	away.row(u[1], 1, &above[1])
	home.row(u[1], 1, &sums{t[1][0] * v[0], 0, 0})

	below := sums{v[0] + w[0], w[1], w[2]}
	for x := 2; x < size; x++ {
		fx, c := float64(x), &cell[x]
		home.row(u[x], fx, &below)
		draw.mass += u[x] * c[0]
		draw.x += u[x] * c[1]
		draw.xx += u[x] * c[2]
		away.row(u[x], fx, &above[x])
		below[0] += c[0]
		below[1] += c[1]
		below[2] += c[2]
	}
	draw.y, draw.xy, draw.yy = draw.x, draw.xx, draw.xx
}

// solve takes damped Newton steps from a point until the means are met or hope is gone, and returns where
// it came to and after how many steps.
func (p *product) solve(at point, t *Targets) (point, int) {
	for step := range maxSteps {
		if at.within(meanGoal) {
			return at, step
		}
		da, db := at.stride()
		slope := at.errX*da + at.errY*db
		if !(slope < 0) || !p.descend(&at, da, db, slope, t) {
			return at, step
		}
	}
	return at, maxSteps
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

// descend moves a point by the step, halved until the value falls as a convex function's should, and
// reports whether that came about.
func (p *product) descend(at *point, da, db, slope float64, t *Targets) bool {
	const (
		share    = 1e-4  // of the fall that the slope promises
		rounding = 1e-13 // of the value, near the goal
		near     = 0.25  // of the errors before: what squares them needs no look at the value
	)
	before := math.NaN()
	for scale := 1.0; scale > 1e-6; scale /= 2 {
		a, b := at.a+scale*da, at.b+scale*db
		if math.Abs(a) > maxTilt || math.Abs(b) > maxTilt {
			continue
		}
		next := p.tilted(a, b, t)
		if next.within(near * max(math.Abs(at.errX), math.Abs(at.errY))) {
			*at = next
			return true
		}
		if math.IsNaN(before) {
			before = at.value(t)
		}
		if next.value(t) <= before+share*scale*slope+rounding {
			*at = next
			return true
		}
	}
	return false
}
