package main

import (
	"math/rand/v2"
	"time"
)

// poisson is a ghz load.Pacer whose arrivals are a Poisson process: the gaps between them are
// exponentially distributed. A call that is late is sent at once, and the next ones as well until
// time is caught up with, so that a stall does not lower the load.
//
// Several of them share the time: each sends in its own slices and is silent while it is another's
// turn, so that what disturbs the machine disturbs the calls of all alike.
type poisson struct {
	rate   float64 // per second of its own time
	most   uint64
	random *rand.Rand

	start          time.Time
	turn, partners int

	drawn uint64        // arrivals
	next  time.Duration // the last one drawn, in its own time
}

// slice is how long each sends in turn: shorter than what disturbs a machine, and far longer than
// calls take.
const slice = 200 * time.Millisecond

// Pace implements load.Pacer.
func (p *poisson) Pace(_ time.Duration, hits uint64) (wait time.Duration, stop bool) {
	if hits >= p.most {
		return 0, true
	}
	for p.drawn <= hits {
		p.next += time.Duration(p.random.ExpFloat64() / p.rate * float64(time.Second))
		p.drawn++
	}
	return max(0, time.Until(p.start.Add(p.wall(p.next)))), false
}

// wall is when a time of its own comes by the clock on the wall.
func (p *poisson) wall(own time.Duration) time.Duration {
	slices := own / slice
	return (slices*time.Duration(p.partners)+time.Duration(p.turn))*slice + own%slice
}

// Rate implements load.Pacer.
func (p *poisson) Rate(time.Duration) float64 { return p.rate }
