package main

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{4, 1, 2}, 2},
		{[]float64{4, 1, 2, 3}, 2.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("%v: expected %v, got %v", c.values, c.want, got)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("no values: expected NaN, got %v", got)
	}
}

// Tables of order statistics give the ranks.
func TestInterval(t *testing.T) {
	for _, c := range []struct {
		values    int
		low, high float64
	}{
		{0, math.Inf(-1), math.Inf(1)},
		{5, math.Inf(-1), math.Inf(1)},
		{6, 1, 6},
		{9, 2, 8},
		{15, 4, 12},
		{21, 6, 16},
		{51, 19, 33},
	} {
		values := make([]float64, c.values)
		for i := range values {
			values[i] = float64(c.values - i)
		}
		if low, high := interval(values); low != c.low || high != c.high {
			t.Errorf("1 to %d: expected %v to %v, got %v to %v", c.values, c.low, c.high, low, high)
		}
	}
}

func TestRounds(t *testing.T) {
	for name, c := range map[string]struct {
		value func(round int) float64
		want  int
	}{
		"clear":                {func(int) float64 { return .5 }, 9},
		"clearly broken":       {func(int) float64 { return 2 }, 9},
		"in doubt to the end":  {func(round int) float64 { return float64(2 * (round % 2)) }, 20},
		"in doubt for a while": {func(round int) float64 { return []float64{.5, .5, 2}[min(2, 10*round%4)] }, 20},
	} {
		s := series{Guard: atMost(1)}
		if err := rounds(9, 20, func(round int) error { s.Judged = append(s.Judged, c.value(round)); return nil }, &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Judged) != c.want {
			t.Errorf("%s: expected %d rounds, got %d", name, c.want, len(s.Judged))
		}
	}
	broken := errors.New("the server is gone")
	if err := rounds(9, 20, func(int) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("expected %v, got %v", broken, err)
	}
}

// The gauge of CPU tells a regression from its noise: a clean tree never fails, one whose requests
// cost a fifth more always does, however often the dice are rolled.
func TestGuardTellsRegressionFromNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for regression, want := range map[float64]bool{1: false, 1.2: true} {
		for try := range 1000 {
			s := series{Guard: atMost(1.1)}
			const of = computeServers * computeRounds
			err := rounds(of, of, func(int) error {
				s.Judged = append(s.Judged, regression*math.Exp(.07*random.NormFloat64()))
				return nil
			}, &s)
			if err != nil || s.broken() != want {
				t.Fatalf("requests cost %.1f times as much, try %d: expected broken %v, got %v (%v)", regression, try, want, s.broken(), err)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	for _, c := range []struct {
		bound *bound
		value float64
		want  bool
		text  string
	}{
		{atMost(2), 2, true, "≤ 2.00"},
		{atMost(2), 2.1, false, "≤ 2.00"},
		{atLeast(.7), .7, true, "≥ 0.700"},
		{atLeast(.7), .6, false, "≥ 0.700"},
		{atMost(60000), math.NaN(), false, "≤ 60000"},
	} {
		if got := c.bound.allows(c.value); got != c.want || c.bound.String() != c.text {
			t.Errorf("%v allows %v: expected %v (%s), got %v", c.bound, c.value, c.want, c.text, got)
		}
	}
}

func TestInTurn(t *testing.T) {
	ours, echo := &process{grpc: "ours"}, &process{grpc: "echo"}
	for round, order := range [][]string{{"ours", "echo"}, {"echo", "ours"}} {
		var asked []string
		a, b, err := inTurn(round, ours, echo, func(p *process) (string, error) {
			asked = append(asked, p.grpc)
			return p.grpc, nil
		})
		if err != nil || a != "ours" || b != "echo" || !slices.Equal(asked, order) {
			t.Errorf("round %d: expected %v, got %v (%s, %s, %v)", round, order, asked, a, b, err)
		}
	}
}
