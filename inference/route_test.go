package inference

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func shares(percents ...float64) *Route {
	r := new(Route)
	for i, percent := range percents {
		r.Variants = append(r.Variants, Variant{Name: string(rune('a' + i)), Version: fmt.Sprint(i + 1), Percent: percent})
	}
	return r
}

func TestRouteCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		with func(*Route)
		want string
	}{
		{"as it is", func(*Route) {}, ""},
		{"none", func(r *Route) { r.Variants = nil }, ""},
		{"thirds", func(r *Route) { *r = *shares(33.3, 33.3, 33.4) }, ""},
		{"one at nothing", func(r *Route) { *r = *shares(100, 0) }, ""},
		{"under 100", func(r *Route) { r.Variants[1].Percent = 9 }, "variants: expected percents that sum to 100, got 99"},
		{"over 100", func(r *Route) { r.Variants[1].Percent = 11 }, "variants: expected percents that sum to 100, got 101"},
		{"negative", func(r *Route) { r.Variants[1].Percent = -10 }, "variants[1].percent: expected 0 to 100, got -10"},
		{"NaN", func(r *Route) { r.Variants[0].Percent = math.NaN() }, "variants[0].percent: expected 0 to 100, got NaN"},
		{"no name", func(r *Route) { r.Variants[0].Name = "" }, "variants[0].name: expected up to 64 letters"},
		{"a name that breaks lines", func(r *Route) { r.Variants[0].Name = "a\nb" }, "variants[0].name: expected up to 64 letters"},
		{"a long name", func(r *Route) { r.Variants[0].Name = strings.Repeat("a", 65) }, "variants[0].name: expected up to 64 letters"},
		{"a name twice", func(r *Route) { r.Variants[1].Name = "a" }, `variants[1].name: expected a name of its own, got "a" twice`},
		{"no version", func(r *Route) { r.Variants[1].Version = "" }, "variants[1].version: expected a version or an alias, got none"},
		{"many", func(r *Route) { *r = *shares(make([]float64, 21)...) }, "variants: expected at most 20, got 21"},
	} {
		r := shares(90, 10)
		c.with(r)
		err := r.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

const manyKeys = 20_000

// assign returns the variant of each of many keys.
func assign(r *Route) []int {
	all := make([]int, manyKeys)
	for i := range all {
		all[i] = r.pick("match-outcome", fmt.Sprintf("user-%d", i))
	}
	return all
}

// nearShare asserts that so many of n are that share, within five standard errors.
func nearShare(t *testing.T, what string, got int, share float64) {
	t.Helper()
	if want, slack := share*manyKeys, 5*math.Sqrt(manyKeys*share*(1-share)); math.Abs(float64(got)-want) > slack {
		t.Errorf("%s: got %d, want %.0f ± %.0f", what, got, want, slack)
	}
}

func TestKeysAreSharedOutByPercent(t *testing.T) {
	for _, percents := range [][]float64{{100}, {90, 10}, {99.9, .1}, {50, 30, 20}, {0, 100}, {100, 0}} {
		got := make([]int, len(percents))
		drawn := make([]int, len(percents))
		r := shares(percents...)
		for i, variant := range assign(r) {
			got[variant]++
			drawn[r.draw((float64(i)+.5)/manyKeys)]++
		}
		for i, percent := range percents {
			nearShare(t, fmt.Sprintf("%v: keys of variant %d", percents, i), got[i], percent/100)
			nearShare(t, fmt.Sprintf("%v: draws of variant %d", percents, i), drawn[i], percent/100)
		}
	}
}

func TestOnlyKeysThatMustMove(t *testing.T) {
	for _, c := range []struct{ before, after []float64 }{
		{[]float64{90, 10}, []float64{80, 20}},
		{[]float64{80, 20}, []float64{90, 10}},
		{[]float64{100, 0}, []float64{99, 1}},
		{[]float64{50, 50}, []float64{0, 100}},
	} {
		before, after := assign(shares(c.before...)), assign(shares(c.after...))
		grows := 0
		if c.after[1] > c.before[1] {
			grows = 1
		}
		moved := 0
		for i := range before {
			if before[i] == after[i] {
				continue
			}
			moved++
			if after[i] != grows {
				t.Fatalf("%v to %v: key %d moved to %d", c.before, c.after, i, after[i])
			}
		}
		nearShare(t, fmt.Sprintf("%v to %v: moved", c.before, c.after), moved, math.Abs(c.after[0]-c.before[0])/100)
	}
}

// Two tests that run at once are independent of one another.
func TestModelsAssignIndependently(t *testing.T) {
	r, both := shares(50, 50), 0
	for i := range manyKeys {
		key := fmt.Sprint(i)
		if r.pick("goals", key) == 0 && r.pick("corners", key) == 0 {
			both++
		}
	}
	nearShare(t, "first variant of both", both, .25)
}

// What a key is given is a promise to every other replica, release and language.
func TestAssignmentIsForEver(t *testing.T) {
	for _, c := range []struct {
		key  string
		want float64
	}{
		{"user-1", 0.6274254082213337}, {"user-2", 0.6617089190340337},
		{"E0-20261205-arsenal-chelsea", 0.9068582365034483}, {"é", 0.6523503165644446},
	} {
		if got := uniform("match-outcome", "champion", c.key); got != c.want {
			t.Errorf("%q: got %.17g, want %.17g", c.key, got, c.want)
		}
	}
	if uniform("a", "b") == uniform("ab", "") || uniform("a", "", "b") == uniform("a", "b", "") {
		t.Error("strings run into one another")
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	r := shares(50, 30, 20)
	if n := testing.AllocsPerRun(100, func() { r.pick("match-outcome", "user-1"); r.pick("match-outcome", "") }); n > 0 {
		t.Errorf("got %v allocations", n)
	}
}
