package season

import "math"

// slots is the length of an alias table: the scores, and a few that never come.
const slots = 128

// A table is Walker's: a draw picks one of the slots at random and takes it, or else the other score
// named there. An entry holds the chance of the slot itself in its upper 24 bits, of 2^24, and the
// other score below.
const (
	chanceBits = 24
	otherBits  = 8
)

// draw takes a score, home·size+away, from a table by 32 random bits. It chooses by a mask, since no
// processor could guess a branch.
func draw(table *[slots]uint32, random uint32) uint32 {
	slot := random % slots
	entry := table[slot]
	itself := uint32((int64(random>>otherBits) - int64(entry>>otherBits)) >> 63) // all ones, or zero
	return (entry ^ (entry^slot)&itself) % slots
}

// A sampler makes tables; its memory is used again.
type sampler struct {
	weights      [slots]float64
	small, large [slots]uint8
}

// fill makes the table of a grid whose home team's log rate is higher by shift than forecast, and
// whose away team's is lower. Poisson rates so changed change each score's probability by the factor
// exp(shift·(home-away)) and a constant. Since shifts are spread by chance with a variance, rates
// would rise on average; what is taken off for the variance keeps the mean goals as forecast.
func (s *sampler) fill(table []uint32, g *Grid, shift, variance float64) {
	var home, away [size]float64
	for goals := range size {
		home[goals] = math.Exp(float64(goals) * (shift - variance/2))
		away[goals] = math.Exp(float64(goals) * (-shift - variance/2))
	}
	var sum float64
	likeliest := 0
	for h := range size {
		for a := range size {
			cell := h*size + a
			w := g[h][a] * home[h] * away[a]
			s.weights[cell] = w
			sum += w
			if w > s.weights[likeliest] {
				likeliest = cell
			}
		}
	}
	small, large := 0, 0
	for i := range s.weights {
		s.weights[i] *= slots / sum // 1 fills a slot
		if s.weights[i] < 1 {
			s.small[small] = uint8(i)
			small++
		} else {
			s.large[large] = uint8(i)
			large++
		}
	}
	for small > 0 && large > 0 {
		small--
		i, other := s.small[small], s.large[large-1]
		table[i] = uint32(s.weights[i]*(1<<chanceBits))<<otherBits | uint32(other)
		s.weights[other] -= 1 - s.weights[i]
		if s.weights[other] < 1 {
			large--
			s.small[small] = other
			small++
		}
	}
	// What rounding left over is as good as full, unless it never comes.
	for _, i := range s.large[:large] {
		table[i] = uint32(i)
	}
	for _, i := range s.small[:small] {
		table[i] = uint32(i)
		if int(i) >= size*size || g[i/size][i%size] == 0 {
			table[i] = uint32(likeliest)
		}
	}
}
