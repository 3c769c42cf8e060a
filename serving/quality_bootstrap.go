package serving

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// BootstrapResamplesDefault is enough for an interval's ends to stand still in the digits printed.
const BootstrapResamplesDefault = 10_000

// Bootstrap says how sure the difference of two forecasters' mean scores is, by drawing the matches
// anew, with replacement, many times. Equal settings and scores give equal answers.
type Bootstrap struct {
	// Resamples is how often to draw; 0 means BootstrapResamplesDefault.
	Resamples int
	// Seed starts the random numbers.
	Seed uint64
}

// Difference is how far two forecasters' mean scores on the same matches are apart.
type Difference struct {
	Matches int `json:"matches"`
	// Mean is the mean of a's score less b's: below 0, a was better where less is better.
	Mean float64 `json:"mean"`
	// Low and High bound the 95% percentile interval of Mean.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Paired compares two forecasters by a score of each match (its RPS, say): a[i] and b[i] belong to
// the same match. Without matches the Difference is zero. Slices of different lengths, scores that
// are not finite and negative Resamples are errors. It takes about 2 ns per match and resample.
func (o Bootstrap) Paired(a, b []float64) (Difference, error) {
	resamples := o.Resamples
	if resamples == 0 {
		resamples = BootstrapResamplesDefault
	}
	if resamples < 0 {
		return Difference{}, fmt.Errorf("resamples: want at least 1, got %d", resamples)
	}
	if len(a) != len(b) {
		return Difference{}, fmt.Errorf("paired scores: want as many of both, got %d and %d", len(a), len(b))
	}
	if len(a) == 0 {
		return Difference{}, nil
	}
	n := uint64(len(a))
	if n > math.MaxUint32 {
		return Difference{}, fmt.Errorf("paired scores: want at most %d matches, got %d", uint32(math.MaxUint32), n)
	}
	differences := make([]float64, n)
	var sum float64
	for i := range differences {
		d := a[i] - b[i]
		if math.IsNaN(d) || math.IsInf(d, 0) {
			return Difference{}, fmt.Errorf("paired scores of match %d: want finite numbers, got %v and %v", i, a[i], b[i])
		}
		differences[i] = d
		sum += d
	}

	random := rand.NewPCG(o.Seed, 0)
	means := make([]float64, resamples)
	for r := range means {
		// One 64-bit number draws two matches: the product of its half and n, shifted, is an index,
		// whose bias is under n/2³².
		var even, odd float64
		for range n / 2 {
			bits := random.Uint64()
			even += differences[(bits>>32)*n>>32]
			odd += differences[(bits&math.MaxUint32)*n>>32]
		}
		if n%2 == 1 {
			even += differences[(random.Uint64()>>32)*n>>32]
		}
		means[r] = (even + odd) / float64(n)
	}
	slices.Sort(means)
	return Difference{
		Matches: len(a),
		Mean:    sum / float64(n),
		Low:     percentile(means, 0.025),
		High:    percentile(means, 0.975),
	}, nil
}

// percentile is the value below which the share p of the sorted values lies, between two of them by
// linear interpolation.
func percentile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}
