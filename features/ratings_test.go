package features

import (
	"math"
	"testing"
)

// game is a 2-0 between average sides in a league whose means are all 2 at home and 1 away.
func game() *result {
	g := &result{}
	for i := range g.means {
		g.means[i] = [2]float64{2, 1}
		g.counts[i] = [2]float64{math.NaN(), math.NaN()}
	}
	g.counts[goals] = [2]float64{2, 0}
	return g
}

// The expected numbers are worked by hand from the formulas that FORECASTING cites.
func TestRatingFormulas(t *testing.T) {
	near := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %.12f, expected %.12f", name, got, want)
		}
	}

	home, visitor := neutral(), neutral()
	updateElo(&home, &visitor, game())
	expected := 1 / (1 + math.Pow(10, -constants.EloHome/400))
	near("elo", home[elo]-1500, constants.EloK*1.5*(1-expected)) // a margin of two counts 1.5
	near("elo is a zero sum", home[elo]+visitor[elo], 3000)

	home, visitor = neutral(), neutral()
	updatePi(&home, &visitor, game())
	psi := 3 * math.Log10(3) // e = 2 − 0
	near("pi home", home[piHome], constants.PiLambda*psi)
	near("pi away", visitor[piAway], -constants.PiLambda*psi)
	near("pi of the other venue", home[piAway], constants.PiLambda*constants.PiGamma*psi)
	near("ĝ(3)", piGoals(3), 9) // 10^(3/3) − 1
	near("ĝ(−3)", piGoals(-3), -9)

	home, visitor = neutral(), neutral()
	g := game()
	updateAttack(&home, &visitor, g, attack, defence, .1)
	near("attack, no shots known", home[attack], 0) // two goals were expected
	near("defence of the home side", home[defence], .1*(0-1))
	g.counts[shotsOnTarget] = [2]float64{4, 1} // twice and once the league's mean
	home, visitor = neutral(), neutral()
	updateAttack(&home, &visitor, g, attack, defence, .1)
	near("attack with shots", home[attack], .1*(constants.GoalWeight*2+(1-constants.GoalWeight)*4-2))
	near("defence of the visitor", visitor[defence], home[attack])

	home, visitor = neutral(), neutral()
	updateGap(&home, &visitor, g, gapOnTarget, shotsOnTarget)
	l, phi := constants.GapLambda, constants.GapPhi
	near("GAP home attack", home[gapOnTarget], 1+l*phi*1) // saw 2, expected 1
	near("GAP away attack of the home side", home[gapOnTarget+2], 1+l*(1-phi)*1)
	near("GAP home defence", home[gapOnTarget+1], 1) // saw 1, expected 1
	near("GAP away defence of the visitor", visitor[gapOnTarget+3], 1+l*phi*1)
	before := home
	updateGap(&home, &visitor, game(), gapOnTarget, shotsOnTarget)
	if home != before {
		t.Error("GAP moved without shots")
	}

	home = neutral()
	updateForm(&home, atHome, g, shotsOnTarget)
	near("form", home[formIndex(atHome, shotsOnTarget, false)], 1+constants.FormRate)
	near("form against", home[formIndex(atHome, shotsOnTarget, true)], 1)
	near("form elsewhere", home[formIndex(away, shotsOnTarget, false)], 1)
}

func TestFormIndicesAreDistinct(t *testing.T) {
	seen := map[int]bool{}
	for _, venue := range []int{atHome, away} {
		for count := range numCounts {
			for _, allowed := range []bool{false, true} {
				i := formIndex(venue, count, allowed)
				if i < form || i >= numRatings || seen[i] {
					t.Fatalf("venue %d count %d allowed %v: index %d", venue, count, allowed, i)
				}
				seen[i] = true
			}
		}
	}
}

func TestCarriedKeepsAShare(t *testing.T) {
	r := neutral()
	r[elo], r[attack], r[form] = 1600, .5, 2
	c := r.carried()
	if math.Abs(c[elo]-(1500+100*constants.Carry)) > 1e-9 || math.Abs(c[attack]-.5*constants.Carry) > 1e-12 || math.Abs(c[form]-(1+constants.Carry)) > 1e-12 {
		t.Fatalf("carried to %v, %v, %v", c[elo], c[attack], c[form])
	}
}
