package serving

import (
	"fmt"
	"math"
	"strings"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// What the inverses of all odds on one question may sum to. Below it a bookmaker would lose for
// certain, above it find no customer: such odds are mistyped, or of different matches or times.
const (
	MinOverround = 0.98
	MaxOverround = 1.25
)

// DeVig takes the bookmaker's margin off decimal 1X2 odds, by normalising their inverses. Odds that
// are not finite numbers over 1, and an overround outside MinOverround to MaxOverround, are errors.
func DeVig(home, draw, away float64) (Forecast, error) {
	p, err := deVig([]string{"home", "draw", "away"}, home, draw, away)
	if err != nil {
		return Forecast{}, fmt.Errorf("%s odds: want %s, got %v", strings.Join(err.names, ", "), err.want, err.got)
	}
	return Forecast{p[0], p[1], p[2]}, nil
}

// DeVigOver does the same with the odds of over and under a half line, of which exactly one happens,
// and returns the probability of over.
func DeVigOver(over, under float64) (float64, error) {
	p, err := deVig([]string{"over", "under"}, over, under)
	if err != nil {
		return 0, fmt.Errorf("%s odds: want %s, got %v", strings.Join(err.names, ", "), err.want, err.got)
	}
	return p[0], nil
}

// badOdds says which odds are at fault.
type badOdds struct {
	names []string
	want  string
	got   float64
}

// deVig returns the probabilities behind the odds of two or three things of which exactly one happens.
func deVig(names []string, odds ...float64) (p [3]float64, err *badOdds) {
	var sum float64
	for i, o := range odds {
		if !(o > 1) || math.IsInf(o, 1) {
			return p, &badOdds{names[i : i+1], "a finite decimal number over 1", o}
		}
		p[i] = 1 / o
		sum += p[i]
	}
	if !(sum >= MinOverround && sum <= MaxOverround) {
		return p, &badOdds{names, fmt.Sprintf("an overround (the sum of their inverses) from %v to %v", MinOverround, MaxOverround), sum}
	}
	for i := range p {
		p[i] /= sum
	}
	return p, nil
}

// fairOdds are the probabilities that the odds of a request come to, which take the place of what the
// model says.
type fairOdds struct {
	hasResult, hasOver bool
	result             Forecast
	over               float64 // of more than 2.5 goals
}

// readOdds checks the odds of a request. The odds of one question are given in full or not at all.
func readOdds(odds *pb.Odds) (*fairOdds, error) {
	fair := &fairOdds{
		hasResult: odds.Home != 0 || odds.Draw != 0 || odds.Away != 0,
		hasOver:   odds.Over_2_5 != 0 || odds.Under_2_5 != 0,
	}
	if !fair.hasResult && !fair.hasOver {
		return nil, ErrorAt("odds", OddsInvalid, "odds: expected home, draw and away, or over_2_5 and under_2_5, got none")
	}
	if fair.hasResult {
		p, err := deVig([]string{"odds.home", "odds.draw", "odds.away"}, odds.Home, odds.Draw, odds.Away)
		if err != nil {
			return nil, err.refused()
		}
		fair.result = Forecast{p[0], p[1], p[2]}
	}
	if fair.hasOver {
		p, err := deVig([]string{"odds.over_2_5", "odds.under_2_5"}, odds.Over_2_5, odds.Under_2_5)
		if err != nil {
			return nil, err.refused()
		}
		fair.over = p[0]
	}
	return fair, nil
}

// refused is what the caller who sent the odds is told.
func (b *badOdds) refused() *Error {
	e := errorf(OddsInvalid, "%s: expected %s, got %v", strings.Join(b.names, ", "), b.want, b.got)
	for _, name := range b.names {
		e = e.at(name)
	}
	return e
}
