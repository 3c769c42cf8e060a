package serving

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func scores(n int, seed uint64) (a, b []float64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	for range n {
		a = append(a, rng.Float64())
		b = append(b, rng.Float64()*1.1)
	}
	return a, b
}

func TestBootstrapIsReproducible(t *testing.T) {
	a, b := scores(501, 1)
	first, err := Bootstrap{Seed: 7}.Paired(a, b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Bootstrap{Seed: 7, Resamples: BootstrapResamplesDefault}.Paired(a, b)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Bootstrap{Seed: 8}.Paired(a, b)
	if err != nil {
		t.Fatal(err)
	}
	if first != again {
		t.Errorf("same seed: want %+v, got %+v", first, again)
	}
	if first == other {
		t.Errorf("other seed: want another interval than %+v", first)
	}
}

// For many matches the interval is that of the normal distribution: mean ± 1.96 standard errors.
func TestBootstrapAgainstNormalInterval(t *testing.T) {
	for _, n := range []int{1_000, 1_001} {
		a, b := scores(n, 2)
		var sum, squares float64
		for i := range a {
			d := a[i] - b[i]
			sum += d
			squares += d * d
		}
		mean := sum / float64(n)
		standardError := math.Sqrt((squares/float64(n) - mean*mean) / float64(n))
		got, err := Bootstrap{Seed: 1}.Paired(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if got.Matches != n {
			t.Errorf("matches: want %d, got %d", n, got.Matches)
		}
		wantNear(t, "mean", got.Mean, mean, 1e-12)
		wantNear(t, "low", got.Low, mean-1.96*standardError, .1*standardError)
		wantNear(t, "high", got.High, mean+1.96*standardError, .1*standardError)
	}
}

// Each match must be drawn equally often. With a difference of n at one match only, a resample's
// mean is how often that match was drawn: binomial, n trials of 1/n, whose 2.5% and 97.5% quantiles
// are 0 and the lesser of n and 3.
func TestBootstrapDrawsEveryMatch(t *testing.T) {
	for n := 1; n <= 9; n++ {
		for at := range n {
			a, b := make([]float64, n), make([]float64, n)
			a[at] = float64(n)
			got, err := Bootstrap{Seed: uint64(n)}.Paired(a, b)
			if err != nil {
				t.Fatal(err)
			}
			low, high := 0.0, float64(min(n, 3))
			if n == 1 {
				low = 1
			}
			wantNear(t, "mean", got.Mean, 1, 1e-12)
			wantNear(t, "low", got.Low, low, 1e-12)
			wantNear(t, "high", got.High, high, 1e-12)
		}
	}
}

func TestBootstrapOfEqualForecasters(t *testing.T) {
	a, _ := scores(100, 3)
	got, err := Bootstrap{}.Paired(a, a)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Difference{Matches: 100}); got != want {
		t.Errorf("want %+v, got %+v", want, got)
	}
}

func TestBootstrapBadInput(t *testing.T) {
	if got, err := (Bootstrap{}).Paired(nil, nil); err != nil || got != (Difference{}) {
		t.Errorf("no matches: want a zero difference, got %+v, %v", got, err)
	}
	for _, c := range []struct {
		name      string
		bootstrap Bootstrap
		a, b      []float64
		want      string
	}{
		{"lengths", Bootstrap{}, []float64{1, 2}, []float64{1}, "want as many of both, got 2 and 1"},
		{"NaN", Bootstrap{}, []float64{1, 2}, []float64{1, math.NaN()}, "match 1: want finite numbers, got 2 and NaN"},
		{"infinite", Bootstrap{}, []float64{math.Inf(1)}, []float64{0}, "match 0: want finite numbers, got +Inf and 0"},
		{"resamples", Bootstrap{Resamples: -1}, []float64{1}, []float64{0}, "resamples: want at least 1, got -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := c.bootstrap.Paired(c.a, c.b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got %v", c.want, err)
			}
		})
	}
}

func TestPercentileInterpolates(t *testing.T) {
	for _, c := range []struct {
		p, want float64
	}{{0, 1}, {.025, 1.1}, {.5, 3}, {.975, 4.9}, {1, 5}} {
		wantNear(t, "percentile", percentile([]float64{1, 2, 3, 4, 5}, c.p), c.want, 1e-12)
	}
	wantNear(t, "percentile of one", percentile([]float64{7}, .975), 7, 0)
}

func BenchmarkBootstrap(b *testing.B) {
	x, y := scores(18_005, 4)
	b.ReportAllocs()
	for b.Loop() {
		got, err := Bootstrap{Seed: 1}.Paired(x, y)
		if err != nil || got.Low > got.Mean || got.High < got.Mean {
			b.Fatal(got, err)
		}
	}
}
