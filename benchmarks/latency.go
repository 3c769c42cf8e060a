package main

import (
	"context"
	"fmt"
)

// latency puts an open loop on both servers in turn and judges our percentiles by the row's limits,
// or by 1.3 times the echo's in the same round where that is more.
func (b *bench) latency(ctx context.Context, row latencyRow, c *call) ([]*series, error) {
	echo, err := b.startEcho(ctx, c)
	if err != nil {
		return nil, err
	}
	defer echo.stop()
	calls := int(row.rate * row.seconds)
	percentiles := []struct {
		name  string
		limit float64 // ms
		*series
	}{{name: "p95", limit: row.p95}, {name: "p99", limit: row.p99}}
	var all []*series
	for i := range percentiles {
		p := &percentiles[i]
		p.series = &series{
			Name: fmt.Sprintf("%s, %.0f/s: %s", row.name, row.rate, p.name), Unit: "ms",
			Is:   fmt.Sprintf("of the limit: %s ms, or %.1f × the echo's", short(p.limit), echoSlack),
			Goal: atMost(1), Guard: atMost(1),
		}
		all = append(all, p.series)
	}
	err = rounds(b.least, b.most, func(round int) error {
		ours, theirs, err := c.openLoop(ctx, b.tools, b.server, echo, row.rate, calls, round)
		if err != nil {
			return err
		}
		for _, p := range percentiles {
			mine, its := 1000*ours.Seconds[p.name], 1000*theirs.Seconds[p.name]
			p.add(mine, its, mine/max(p.limit, echoSlack*its))
		}
		return nil
	}, all...)
	return all, err
}

// halfOfSaturation is how long the slowest hundredth waits when the server has half as much to do as
// it can: that is measured with the same generator, which shares the machine.
func (b *bench) halfOfSaturation(ctx context.Context, name string, c *call) ([]*series, error) {
	echo, err := b.startEcho(ctx, c)
	if err != nil {
		return nil, err
	}
	defer echo.stop()
	rate, err := b.halfRate(ctx, c, b.server)
	if err != nil {
		return nil, err
	}
	s := &series{Name: fmt.Sprintf("%s, half of saturation (%.0f/s): p99", name, rate), Unit: "ms", Is: "of the echo's", Goal: atMost(1.5)}
	err = rounds(b.least, b.most, func(round int) error {
		ours, theirs, err := c.openLoop(ctx, b.tools, b.server, echo, rate, int(2*rate), round)
		if err != nil {
			return err
		}
		s.relative(1000*ours.Seconds["p99"], 1000*theirs.Seconds["p99"])
		return nil
	}, s)
	return []*series{s}, err
}

// halfRate is half of the calls per second that a server can answer.
func (b *bench) halfRate(ctx context.Context, c *call, p *process) (float64, error) {
	var most []float64
	for round := range 5 {
		answered, err := c.ghz(ctx, b.tools, p.grpc, 0, 10_000, round)
		if err != nil {
			return 0, err
		}
		most = append(most, answered[0].Rate)
	}
	return median(most) / 2, nil
}
