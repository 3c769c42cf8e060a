package serving

import (
	"fmt"
	"math"
)

// What the inverses of three odds may sum to. Below it a bookmaker would lose for certain,
// above it find no customer: such odds are mistyped, or of different matches or times.
const (
	MinOverround = 0.98
	MaxOverround = 1.25
)

// DeVig takes the bookmaker's margin off decimal 1X2 odds, by normalising their inverses. Odds that
// are not finite numbers over 1, and an overround outside MinOverround to MaxOverround, are errors.
func DeVig(home, draw, away float64) (Forecast, error) {
	for _, o := range [...]struct {
		name  string
		value float64
	}{{"home", home}, {"draw", draw}, {"away", away}} {
		if !(o.value > 1) || math.IsInf(o.value, 1) {
			return Forecast{}, fmt.Errorf("%s odds: want a finite decimal number over 1, got %v", o.name, o.value)
		}
	}
	h, d, a := 1/home, 1/draw, 1/away
	sum := h + d + a
	if sum < MinOverround || sum > MaxOverround {
		return Forecast{}, fmt.Errorf("home, draw and away odds: want an overround from %v to %v, got %v", MinOverround, MaxOverround, sum)
	}
	return Forecast{h / sum, d / sum, a / sum}, nil
}
