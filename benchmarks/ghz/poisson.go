package main

import (
	"math/rand/v2"
	"time"
)

// poisson is a ghz load.Pacer whose arrivals are a Poisson process: the gaps between them are
// exponentially distributed, and when a call is late the next are sent at once until time is caught
// up with, so that a stall of the server does not lower the load on it.
type poisson struct {
	rate   float64 // per second
	most   uint64
	random *rand.Rand

	drawn uint64        // arrivals
	next  time.Duration // of the last one drawn, since the start
}

func newPoisson(rate float64, most uint64, random *rand.Rand) *poisson {
	return &poisson{rate: rate, most: most, random: random}
}

// Pace implements load.Pacer.
func (p *poisson) Pace(elapsed time.Duration, hits uint64) (wait time.Duration, stop bool) {
	if hits >= p.most {
		return 0, true
	}
	for p.drawn <= hits {
		p.next += time.Duration(p.random.ExpFloat64() / p.rate * float64(time.Second))
		p.drawn++
	}
	return max(0, p.next-elapsed), false
}

// Rate implements load.Pacer.
func (p *poisson) Rate(time.Duration) float64 { return p.rate }
