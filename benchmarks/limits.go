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

// computeLimits bound what a call costs the server in this process: CPU relative to the echo's, and
// what it allocates beyond the echo.
//
// From run to run, on an idle machine as beside busy compilers, the median of the CPU ratio moves by
// 3% around the figures in the comments, while the CPU per call itself moves by half. The limits are
// some 10% above: three times that noise away from a clean tree, and below what requests that cost a
// fifth more come to. What is allocated hardly moves at all; half an allocation and 1 KiB are left,
// for the batch 5 and 3 KiB.
var computeLimits = []computeLimit{
	{"predict a pairing", func(c *calls) *call { return c.pairing }, atMost(2.25), atMost(6.5), atMost(1512 + 1024)}, // 2.05
	{"predict a match", func(c *calls) *call { return c.match }, atMost(2.13), atMost(7.5), atMost(1528 + 1024)},     // 1.91
	{"batch of 100", func(c *calls) *call { return c.batch }, atMost(4.5), atMost(311), atMost(110_857 + 3072)},      // 3.92
	{"features", func(c *calls) *call { return c.features }, atMost(1.17), atMost(13.5), atMost(5312 + 1024)},        // 1.07
	{"model info", func(c *calls) *call { return c.models }, atMost(1.15), atMost(36.5), atMost(2312 + 1024)},        // 1.05
	{"health", func(c *calls) *call { return c.health }, atMost(.85), atMost(2.5), atMost(72 + 1024)},                // .77
}

type computeLimit struct {
	name                string
	call                func(*calls) *call
	cpu, objects, bytes *bound
}

// predictLimits bound Predict as a function, without any transport.
var (
	predictObjects = atMost(4.5)
	predictBytes   = atMost(1440 + 1024)
)

// saturationLimits bound a server that is kept busy.
type saturationLimits struct {
	rateGoal  *bound
	rate, cpu *bound // relative to the echo's
	objects   *bound // more than the echo's, per call
	bytes     *bound // more than the echo's, per call
}

// Both ratios depend on what else the machine does, so the limits are wide: they are for what does
// not show in one thread, such as a lock that all calls wait for.
var (
	pairingLimits = saturationLimits{rateGoal: atLeast(.70), rate: atLeast(.45), cpu: atMost(2.2), objects: atMost(7.5), bytes: atMost(1473 + 1024)}
	matchLimits   = saturationLimits{rateGoal: atLeast(.70)}
	redisLimits   = saturationLimits{rateGoal: atLeast(.40)}
)
