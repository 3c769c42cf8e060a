package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// A series is one quantity, measured once in every round beside its counterpart at the echo.
type series struct {
	Name string    `json:"name"`
	Unit string    `json:"unit"` // of Ours and Echo
	Ours []float64 `json:"ours,omitempty"`
	Echo []float64 `json:"echo,omitempty"`
	// Beside is what stands in the echo's place, such as the same server undisturbed; empty: the echo.
	Beside string `json:"beside,omitempty"`

	// Judged is what goal and guard speak of, a number per round: mostly ours relative to the echo's,
	// since both saw the same machine within seconds.
	Judged []float64 `json:"judged"`
	Is     string    `json:"is"` // what Judged is
	Goal   *bound    `json:"goal,omitempty"`
	Guard  *bound    `json:"guard,omitempty"`
}

// A bound is a limit of a median.
type bound struct {
	AtMost bool    `json:"at_most"` // else at least
	Value  float64 `json:"value"`
}

func atMost(v float64) *bound  { return &bound{true, v} }
func atLeast(v float64) *bound { return &bound{false, v} }

// allows says whether v keeps to the bound.
func (b *bound) allows(v float64) bool {
	if b.AtMost {
		return v <= b.Value
	}
	return v >= b.Value
}

func (b *bound) String() string {
	if b.AtMost {
		return "≤ " + short(b.Value)
	}
	return "≥ " + short(b.Value)
}

// beside names the counterpart.
func (s *series) beside() string { return cmp.Or(s.Beside, "echo") }

// relative adds a round judged by ours relative to the echo's.
func (s *series) relative(ours, echo float64) { s.add(ours, echo, ours/echo) }

func (s *series) add(ours, echo, judged float64) {
	s.Ours, s.Echo, s.Judged = append(s.Ours, ours), append(s.Echo, echo), append(s.Judged, judged)
}

// settled says whether the rounds so far leave no doubt on which side of the guard the median is.
func (s *series) settled() bool {
	if s.Guard == nil {
		return true
	}
	low, high := interval(s.Judged)
	return s.Guard.allows(low) == s.Guard.allows(high)
}

// broken says whether the guard is overstepped beyond doubt: nothing in the median's interval keeps
// to it.
func (s *series) broken() bool {
	if s.Guard == nil {
		return false
	}
	low, high := interval(s.Judged)
	return !s.Guard.allows(low) && !s.Guard.allows(high)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// confidence is that of the intervals of medians.
const confidence = .95

// interval is a confidence interval of the median that supposes nothing about how the values are
// distributed but that rounds are independent: each is below the true median or above it as a coin
// falls. Under six values there is none, and it is everything.
func interval(values []float64) (low, high float64) {
	n := len(values)
	below := math.Pow(.5, float64(n)) // chance that no more than k values are below the median
	k, term := -1, below
	for below <= (1-confidence)/2 {
		k++
		term *= float64(n-k) / float64(k+1)
		below += term
	}
	if k < 0 {
		return math.Inf(-1), math.Inf(1)
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[k], sorted[n-1-k]
}

// rounds measures until every series is settled: at least so many rounds and at most so many. All of
// them count: none is thrown away, repeated in the hope of a better one, or judged by itself. Rounds
// are added where the verdict is in doubt, whichever way it leans, so that they cannot turn a
// regression into a pass; they narrow the interval around it.
func rounds(least, most int, measure func(round int) error, all ...*series) error {
	for round := range most {
		if err := measure(round); err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
		if round+1 >= least && !slices.ContainsFunc(all, func(s *series) bool { return !s.settled() }) {
			return nil
		}
	}
	return nil
}

// short writes a number with three digits that count.
func short(v float64) string {
	switch {
	case v == 0 || math.IsInf(v, 0) || math.IsNaN(v):
		return fmt.Sprint(v)
	case math.Abs(v) >= 1000:
		return fmt.Sprintf("%.0f", v)
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return fmt.Sprintf("%.*f", max(0, digits), v)
}
