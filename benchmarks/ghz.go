package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
)

// latencies is what the ghz driver says of a round.
type latencies struct {
	Calls   int                `json:"calls"`
	Rate    float64            `json:"rate"` // answers per second
	Failed  map[string]int     `json:"failed"`
	Seconds map[string]float64 `json:"seconds"` // p50, p95, p99
}

// openLoop calls two servers in turn, every 200 ms the other, at a rate per second of each one's turn.
// seed decides when calls arrive.
func (c *call) openLoop(ctx context.Context, tools string, ours, echo *process, rate float64, calls, seed int) (of, ofEcho *latencies, err error) {
	both, err := c.ghz(ctx, tools, ours.grpc+","+echo.grpc, rate, calls, seed)
	if err != nil {
		return nil, nil, err
	}
	if len(both) != 2 {
		return nil, nil, fmt.Errorf("ghz %s: expected the results of 2 servers, got %d", c.procedure, len(both))
	}
	return both[0], both[1], nil
}

// ghz puts load on servers by the driver in benchmarks/ghz: so many calls on each, at a rate per
// second, or as fast as they are answered where rate is 0.
func (c *call) ghz(ctx context.Context, tools, addresses string, rate float64, calls, seed int) ([]*latencies, error) {
	command := exec.CommandContext(ctx, filepath.Join(tools, "ghz"), "-addresses", addresses, "-procedure", c.procedure,
		"-protoset", c.protosetFile, "-request", c.requestFile,
		"-rate", strconv.FormatFloat(rate, 'g', -1, 64), "-calls", strconv.Itoa(calls), "-seed", strconv.Itoa(seed))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("ghz %s: %w\n%s", c.procedure, err, &stderr)
	}
	var all []*latencies
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, fmt.Errorf("ghz %s: %w", c.procedure, err)
	}
	for _, l := range all {
		if len(l.Failed) > 0 || l.Calls == 0 {
			return nil, fmt.Errorf("ghz %s: of %d calls failed: %v", c.procedure, l.Calls, l.Failed)
		}
	}
	return all, nil
}
