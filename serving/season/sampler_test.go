package season

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A table gives each score as often as its grid says, tilted to the level.
func TestSampler(t *testing.T) {
	grids := map[string]Grid{
		"usual":     poisson(1.6, 1.1),
		"no goals":  scores(map[[2]int]float64{{0, 0}: 1}),
		"fifty":     poisson(50, 50),
		"one-sided": poisson(9, .001),
		"two":       scores(map[[2]int]float64{{0, 1}: .5, {10, 10}: .5}),
	}
	for name, g := range grids {
		for _, shift := range []float64{0, .4, -.8} {
			var s sampler
			table := new([slots]uint32)
			s.fill(table[:], &g, shift, .04)
			var want, got [slots]float64
			var sum float64
			for cell := range size * size {
				h, a := float64(cell/size), float64(cell%size)
				want[cell] = g[cell/size][cell%size] * math.Exp(shift*(h-a)-.02*(h+a))
				sum += want[cell]
			}
			for slot := range slots { // exactly: the chances are whole numbers
				own := float64(table[slot]>>otherBits) / (1 << chanceBits) / slots
				got[slot] += own
				got[table[slot]%slots] += 1./slots - own
			}
			for cell := range got {
				if w := want[cell] / sum; math.Abs(got[cell]-w) > 2e-6 || w == 0 && got[cell] > 0 {
					t.Errorf("%s, shift %v, score %d-%d: want %v, got %v", name, shift, cell/size, cell%size, w, got[cell])
				}
			}
		}
	}
}

func TestDraw(t *testing.T) {
	var s sampler
	g := poisson(1.6, 1.1)
	table := new([slots]uint32)
	s.fill(table[:], &g, 0, 0)
	source := rand.NewPCG(1, 1)
	var counts [slots]int
	const n = 1_000_000
	for range n {
		counts[draw(table, uint32(source.Uint64()))]++
	}
	for cell := range size * size {
		near(t, "score", float64(counts[cell])/n, g[cell/size][cell%size], n)
	}
}

// The means of a tilted Poisson grid are the rates that the tilt stands for.
func TestTiltIsAChangeOfRates(t *testing.T) {
	var s sampler
	g, want := poisson(1.4, 1.1), poisson(1.4*math.Exp(.3), 1.1*math.Exp(-.3))
	table := new([slots]uint32)
	s.fill(table[:], &g, .3, 0)
	for slot := range slots {
		own := float64(table[slot]>>otherBits) / (1 << chanceBits) / slots
		if slot < size*size {
			want[slot/size][slot%size] -= own
		}
		other := int(table[slot] % slots)
		want[other/size][other%size] -= 1./slots - own
	}
	for h := range want {
		for a, left := range want[h] {
			if math.Abs(left) > 2e-6 {
				t.Errorf("score %d-%d: differs by %v", h, a, left)
			}
		}
	}
}
