package main

// echoSlack is by how much a server may be slower than the echo where the machine is too slow for
// the limits in milliseconds.
const echoSlack = 1.3

// A latencyRow is a promise: so many calls per second arrive as a Poisson process, and 95 and 99 of
// a hundred are answered within so many milliseconds.
type latencyRow struct {
	name     string
	call     func(*calls) *call
	rate     float64
	p95, p99 float64 // ms
	seconds  float64 // of a round
}

// latencyRows are the rows of the design that this one replaces, at a tenth of its figures.
var latencyRows = []latencyRow{
	{"health", func(c *calls) *call { return c.health }, 5000, 2.5, 4.5, 1},
	{"match prediction", func(c *calls) *call { return c.pairing }, 1000, 20, 35, 1},
	{"batch of 100", func(c *calls) *call { return c.batch }, 100, 80, 120, 2},
	{"features", func(c *calls) *call { return c.features }, 2000, 15, 25, 1},
	{"model info", func(c *calls) *call { return c.models }, 3000, 6, 10, 1},
}

// saturationLimits bound a server that is kept busy.
type saturationLimits struct {
	rateGoal  *bound
	rate, cpu *bound // relative to the echo's
	objects   *bound // more than the echo's, per call
	bytes     *bound // more than the echo's, per call
}

var (
	pairingLimits = saturationLimits{rateGoal: atLeast(.70), rate: atLeast(.3), cpu: atMost(3), objects: atMost(100), bytes: atMost(10000)}
	matchLimits   = saturationLimits{rateGoal: atLeast(.70), rate: atLeast(.3), cpu: atMost(3), objects: atMost(100), bytes: atMost(10000)}
)
