package features

import (
	"encoding/json"
	"fmt"
	"math"
)

// What is counted of each side in a match. Ratings and form are kept in units of the league's
// running mean of the count at that venue, so 1 is an average side and no league needs its own scale.
const (
	goals = iota
	shotsOnTarget
	shots
	corners
	points
	numCounts
)

var countNames = [numCounts]string{"goals", "shots_on_target", "shots", "corners", "points"}

// countMeans are the means of each count, by venue.
type countMeans [numCounts][2]float64

// Venues.
const (
	atHome = iota
	away
)

// ratings are all that is known of how good a side is, as one flat vector: a newcomer inherits a
// mean of such vectors, and a store keeps them as they are. The indices follow.
type ratings [numRatings]float64

const (
	elo = iota
	// Pi-ratings of Constantinou & Fenton (2013): at home and away, in transformed goals.
	piHome
	piAway
	// Attack and defence of an online Poisson regression, as log factors; slow and fast.
	attack
	defence // > 0 concedes more than the average side
	attackFast
	defenceFast
	// GAP ratings of Wheatcroft on shots on target and on shots: four each, in the order
	// home attack, home defence, away attack, away defence.
	gapOnTarget
	gapShots = gapOnTarget + 4
	// Form: exponentially weighted means of what a side did and allowed: per venue, per count.
	form         = gapShots + 4
	matchRatings = form + 2*2*numCounts // what results and statistics tell
	// What the odds of past matches tell, as log odds; 0 is an average side, or one without odds.
	marketStrength     = matchRatings
	marketStrengthFast = matchRatings + 1
	marketGoals        = matchRatings + 2
	numRatings         = matchRatings + 3
)

// formIndex locates a form mean: venue atHome or away; allowed tells the opponent's count.
func formIndex(venue, count int, allowed bool) int {
	i := form + (venue*numCounts+count)*2
	if allowed {
		i++
	}
	return i
}

// MarshalJSON leaves out what past odds tell where there were none.
func (r ratings) MarshalJSON() ([]byte, error) {
	if [numRatings - matchRatings]float64(r[matchRatings:]) == [numRatings - matchRatings]float64{} {
		return json.Marshal(r[:matchRatings])
	}
	return json.Marshal(r[:])
}

// UnmarshalJSON reads what MarshalJSON writes: encoding/json alone would pad or cut an array.
func (r *ratings) UnmarshalJSON(text []byte) error {
	var values []float64
	if err := json.Unmarshal(text, &values); err != nil {
		return err
	}
	if len(values) != matchRatings && len(values) != numRatings {
		return fmt.Errorf("ratings: expected %d or %d numbers, got %d", matchRatings, numRatings, len(values))
	}
	*r = ratings{}
	copy(r[:], values)
	return nil
}

// neutral is a side of which nothing is known.
func neutral() ratings {
	var r ratings
	r[elo] = constants.EloStart
	for i := gapOnTarget; i < matchRatings; i++ {
		r[i] = 1
	}
	return r
}

// carried returns the ratings at the start of a new season: the summer takes a share of what
// set a side apart.
func (r ratings) carried() ratings {
	n := neutral()
	for i := range matchRatings {
		r[i] = n[i] + constants.Carry*(r[i]-n[i])
	}
	for i := matchRatings; i < numRatings; i++ {
		r[i] *= marketConstants.Carry
	}
	return r
}

// result is a match as the ratings see it.
type result struct {
	counts countMeans // what happened, by count and venue; NaN where not known
	means  countMeans // of the league before the match
}

// ratio is a side's count as a multiple of the league's mean; NaN where the count is not known.
// The mean is bounded below, so that a file full of zeros cannot make the next real match infinite.
func (g *result) ratio(count, venue int) float64 {
	return g.counts[count][venue] / max(g.means[count][venue], .1)
}

// update moves both sides' ratings by one match. Every change is computed from the ratings before
// the match.
func update(home, visitor *ratings, g *result) {
	updateElo(home, visitor, g)
	updatePi(home, visitor, g)
	updateAttack(home, visitor, g, attack, defence, constants.AttackRate)
	updateAttack(home, visitor, g, attackFast, defenceFast, constants.AttackRateFast)
	updateGap(home, visitor, g, gapOnTarget, shotsOnTarget)
	updateGap(home, visitor, g, gapShots, shots)
	for count := range numCounts {
		updateForm(home, atHome, g, count)
		updateForm(visitor, away, g, count)
	}
}

// updateElo: E = 1/(1+10^(−(Rh+H−Ra)/400)); R ± K·G·(S−E), with G rising with the margin.
func updateElo(home, visitor *ratings, g *result) {
	margin := g.counts[goals][atHome] - g.counts[goals][away]
	score := .5
	if margin > 0 {
		score = 1
	} else if margin < 0 {
		score = 0
	}
	weight := 1.0
	switch m := math.Abs(margin); {
	case m == 2:
		weight = 1.5
	case m > 2:
		weight = (11 + m) / 8
	}
	expected := 1 / (1 + math.Pow(10, -(home[elo]+constants.EloHome-visitor[elo])/400))
	change := constants.EloK * weight * (score - expected)
	home[elo] += change
	visitor[elo] -= change
}

// piGoals is ĝ(R) = sign(R)·(b^(|R|/c) − 1), the goals by which a side of rating R beats an
// average one.
func piGoals(rating float64) float64 {
	return math.Copysign(math.Pow(constants.PiBase, math.Abs(rating)/constants.PiScale)-1, rating)
}

// updatePi: e = (gh−ga) − (ĝ(RHh)−ĝ(RAa)); ψ = sign(e)·c·log10(1+|e|).
func updatePi(home, visitor *ratings, g *result) {
	e := g.counts[goals][atHome] - g.counts[goals][away] - (piGoals(home[piHome]) - piGoals(visitor[piAway]))
	psi := math.Copysign(constants.PiScale*math.Log10(1+math.Abs(e)), e)
	home[piHome] += constants.PiLambda * psi
	home[piAway] += constants.PiLambda * constants.PiGamma * psi
	visitor[piAway] -= constants.PiLambda * psi
	visitor[piHome] -= constants.PiLambda * constants.PiGamma * psi
}

// updateAttack is one gradient step of a Poisson regression λ = mean·exp(α_i+β_j) towards a target
// that trusts goals less than chances.
func updateAttack(home, visitor *ratings, g *result, attack, defence int, rate float64) {
	step := func(by, against *ratings, venue int) float64 {
		// Bounded, so that one absurd result cannot send the next step out of proportion.
		expected := g.means[goals][venue] * math.Exp(min(by[attack]+against[defence], 2))
		target := g.counts[goals][venue]
		if onTarget := g.ratio(shotsOnTarget, venue); !math.IsNaN(onTarget) {
			target = constants.GoalWeight*target + (1-constants.GoalWeight)*onTarget*g.means[goals][venue]
		}
		return rate * (target - expected)
	}
	byHome, byAway := step(home, visitor, atHome), step(visitor, home, away)
	home[attack] += byHome
	visitor[defence] += byHome
	visitor[attack] += byAway
	home[defence] += byAway
}

// updateGap follows Wheatcroft's generalised attacking performance on one count: at is the first
// of the four indices (home attack, home defence, away attack, away defence).
func updateGap(home, visitor *ratings, g *result, at, count int) {
	eh := g.ratio(count, atHome) - (home[at]+visitor[at+3])/2
	ea := g.ratio(count, away) - (visitor[at+2]+home[at+1])/2
	if math.IsNaN(eh) || math.IsNaN(ea) {
		return
	}
	main, other := constants.GapLambda*constants.GapPhi, constants.GapLambda*(1-constants.GapPhi)
	home[at] += main * eh
	home[at+2] += other * eh
	home[at+1] += main * ea
	home[at+3] += other * ea
	visitor[at+2] += main * ea
	visitor[at] += other * ea
	visitor[at+3] += main * eh
	visitor[at+1] += other * eh
}

// updateForm moves the side's exponentially weighted means at the venue it played at.
func updateForm(side *ratings, venue int, g *result, count int) {
	for i, seen := range [2]float64{g.ratio(count, venue), g.ratio(count, 1-venue)} {
		if !math.IsNaN(seen) {
			mean := &side[formIndex(venue, count, i == 1)]
			*mean += constants.FormRate * (seen - *mean)
		}
	}
}
