package scoreline

import (
	"fmt"
	"math"
)

// overLine is the line of total goals that a grid can be tilted to.
const overLine = 2.5

// NewOver is New with the probability over of more than 2.5 goals as a target in place of the mean
// goals. The expected goals of t are the Poisson rates only; the means follow from the rest.
func NewOver(t Targets, over, rho float64) (Grid, error) {
	g, err := DixonColes(t.HomeGoals, t.AwayGoals, rho)
	if err != nil {
		return Grid{}, err
	}
	if _, err := g.TiltOver(t, over); err != nil {
		return Grid{}, err
	}
	return g, nil
}

// TiltOver moves g to the match result of t and the probability over of more than 2.5 goals, by the
// least change in Kullback-Leibler divergence: each cell is multiplied by
// exp(a·[x+y>2.5] + c·[x>y] + d·[x=y]). Both are met to rounding. Where no such grid can meet both,
// the match result is met alone, over is met as nearly as it can be, and met is false.
//
// Errors are those of New, and an over that is no probability.
func (g *Grid) TiltOver(t Targets, over float64) (met bool, err error) {
	if t, err = t.Normalised(); err != nil {
		return false, err
	}
	if !(over >= 0 && over <= 1) {
		return false, fmt.Errorf("over %v probability: want a number from 0 to 1, got %v", overLine, over)
	}
	low, high := g.halves()
	wanted := [3]float64{t.HomeWin, t.Draw, t.AwayWin}
	for i, want := range wanted {
		if want > 0 && !(low[i] > minMass) && !(high[i] > minMass) {
			return false, fmt.Errorf("grid: want weight on scores of a %s, whose probability is %v, got %v", resultNames[i], want, low[i]+high[i])
		}
	}
	share, met := shareOver(wanted, low, high, over)
	var under, above [3]float64
	for i, want := range wanted {
		if low[i] > minMass {
			under[i] = want * (1 - share[i]) / low[i]
		}
		if high[i] > minMass {
			above[i] = want * share[i] / high[i]
		}
	}
	for x := range g {
		for y := range g[x] {
			if r := resultOf(x, y); float64(x+y) > overLine {
				g[x][y] *= above[r]
			} else {
				g[x][y] *= under[r]
			}
		}
	}
	return met, nil
}

var resultNames = [3]string{"home win", "draw", "away win"}

// resultOf is the place of a score's result among home win, draw and away win.
func resultOf(x, y int) int {
	switch {
	case x > y:
		return 0
	case x == y:
		return 1
	}
	return 2
}

// halves are the weights of the three results below and above overLine.
func (g *Grid) halves() (low, high [3]float64) {
	for x := range g {
		for y, p := range &g[x] {
			if r := resultOf(x, y); float64(x+y) > overLine {
				high[r] += p
			} else {
				low[r] += p
			}
		}
	}
	return low, high
}

// shareOver is how much of each result lies over the line once the odds of over against under have
// been multiplied by the same factor exp(a) in all three, and whether that gives over in all. In a
// that sum is a rising function, whose root is searched by Newton's method between two bounds that
// close in on it.
func shareOver(wanted, low, high [3]float64, over float64) (share [3]float64, met bool) {
	const (
		far      = 40 // where nothing is left of a share in float64
		goal     = 1e-14
		mostStep = 200
	)
	var logOdds [3]float64
	least, most := math.Inf(1), math.Inf(-1)
	for i, want := range wanted {
		switch {
		case want == 0:
		case !(low[i] > minMass):
			logOdds[i] = math.Inf(1) // over, whatever a is
		case !(high[i] > minMass):
			logOdds[i] = math.Inf(-1)
		default:
			logOdds[i] = math.Log(high[i] / low[i])
			least, most = min(least, logOdds[i]), max(most, logOdds[i])
		}
	}
	bottom, top := -most-far, -least+far
	var a float64
	if bottom < top {
		a = min(max(math.Log(over/(1-over))-(least+most)/2, bottom), top)
	} else { // no result has scores on both sides
		bottom, top = 0, 0
	}
	for range mostStep {
		miss, slope := -over, 0.0
		for i, want := range wanted {
			share[i] = 1 / (1 + math.Exp(-a-logOdds[i]))
			miss += want * share[i]
			slope += want * share[i] * (1 - share[i])
		}
		if met = math.Abs(miss) <= meanTolerance; math.Abs(miss) <= goal || bottom >= top {
			break
		}
		if miss > 0 {
			top = a
		} else {
			bottom = a
		}
		next := a - miss/slope
		if !(next > bottom && next < top) {
			next = bottom + (top-bottom)/2
		}
		if next == a {
			break
		}
		a = next
	}
	return share, met
}
