package inference

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// A Route shares out the requests for a model that name no version: a canary is a variant with a small
// share, an A/B test one whose requests bring a key. The zero Route gives all to the version that
// serves.
type Route struct {
	// Variants answer, each its share of the requests.
	Variants []Variant `json:"variants,omitempty"`
	// Shadow, if not empty, is a version or an alias that is given a copy of every request, for
	// whose answer nobody waits.
	Shadow string `json:"shadow,omitempty"`
}

func (r Route) equal(other Route) bool {
	return r.Shadow == other.Shadow && slices.Equal(r.Variants, other.Variants)
}

// A Variant is a version under the name by which answers and metrics tell it from others.
type Variant struct {
	Name    string  `json:"name"`
	Version string  `json:"version"` // or an alias, which is followed
	Percent float64 `json:"percent"` // of the requests; all variants' make 100
}

// Bounds of a route.
const (
	variantsMax     = 20
	variantBytesMax = 64
	// percentTolerance is how far from 100 a sum may be that was meant to be 100: 33.3 + 33.3 + 33.4.
	percentTolerance = 1e-9
)

// Check returns what is wrong with a route by itself, as "field: expected …, got …". Whether its
// versions exist is the Registry's affair.
func (r *Route) Check() error {
	if len(r.Variants) > variantsMax {
		return fmt.Errorf("variants: expected at most %d, got %d", variantsMax, len(r.Variants))
	}
	sum := 0.0
	for i, v := range r.Variants {
		field := fmt.Sprintf("variants[%d]", i)
		switch {
		case !IsModelName(v.Name) || len(v.Name) > variantBytesMax:
			return fmt.Errorf("%s.name: expected up to %d letters, digits, dots, dashes and underscores, got %q", field, variantBytesMax, clip(v.Name))
		case slices.ContainsFunc(r.Variants[:i], func(other Variant) bool { return other.Name == v.Name }):
			return fmt.Errorf("%s.name: expected a name of its own, got %q twice", field, v.Name)
		case v.Version == "":
			return fmt.Errorf("%s.version: expected a version or an alias, got none", field)
		case !(v.Percent >= 0 && v.Percent <= 100):
			return fmt.Errorf("%s.percent: expected 0 to 100, got %v", field, v.Percent)
		}
		sum += v.Percent
	}
	if len(r.Variants) > 0 && !(math.Abs(sum-100) <= percentTolerance) {
		return fmt.Errorf("variants: expected percents that sum to 100, got %v", sum)
	}
	return nil
}

// names tells whether the route is about a version, by number.
func (r *Route) names(version string) bool {
	return r.Shadow == version || slices.ContainsFunc(r.Variants, func(v Variant) bool { return v.Version == version })
}

// pick returns the place of the variant that answers a request, of at least one. With a key it is the
// same one each time, here and on every other server that has the route; without, it is drawn.
//
// A key belongs to the variant with the least −ln(u)/share, u being uniform by a hash of model,
// variant and key (weighted rendezvous: Thaler and Ravishankar 1998, Schindelhauer and Schomaker 2005).
// So a share that shrinks only loses keys and one that grows only gains them: of two variants at
// 90 and 10 percent that become 80 and 20, ten percent of the keys move, all from the first to the
// second.
func (r *Route) pick(model, key string) int {
	if key == "" {
		return r.draw(rand.Float64())
	}
	best, least := 0, math.Inf(1)
	for i := range r.Variants {
		v := &r.Variants[i]
		if score := -math.Log(uniform(model, v.Name, key)) / v.Percent; score < least {
			best, least = i, score
		}
	}
	return best
}

// draw returns the variant in whose part of [0, 1) at is.
func (r *Route) draw(at float64) int {
	last := 0
	for i := range r.Variants {
		if r.Variants[i].Percent == 0 {
			continue
		}
		if at -= r.Variants[i].Percent / 100; at < 0 {
			return i
		}
		last = i // where rounding leaves a rest
	}
	return last
}

// uniform hashes strings into (0, 1): FNV-1a, each string ended by a byte that is not in UTF-8, and the
// finaliser of SplitMix64, since FNV hardly stirs its upper bits.
func uniform(all ...string) float64 {
	const offset, prime = 14695981039346656037, 1099511628211
	hash := uint64(offset)
	for _, s := range all {
		for i := range len(s) {
			hash = (hash ^ uint64(s[i])) * prime
		}
		hash = (hash ^ 0xff) * prime
	}
	hash = (hash ^ hash>>30) * 0xbf58476d1ce4e5b9
	hash = (hash ^ hash>>27) * 0x94d049bb133111eb
	hash ^= hash >> 31
	return (float64(hash>>11) + .5) / (1 << 53)
}
