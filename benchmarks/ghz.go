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

// ghz puts load on a server by the driver in benchmarks/ghz: calls in all, at a rate per second, or
// as fast as they are answered where rate is 0. seed decides when they arrive.
func (c *call) ghz(ctx context.Context, tools, address string, rate float64, calls, seed int) (*latencies, error) {
	command := exec.CommandContext(ctx, filepath.Join(tools, "ghz"), "-address", address, "-procedure", c.procedure,
		"-protoset", c.protosetFile, "-request", c.requestFile,
		"-rate", strconv.FormatFloat(rate, 'g', -1, 64), "-calls", strconv.Itoa(calls), "-seed", strconv.Itoa(seed))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("ghz %s: %w\n%s", c.procedure, err, &stderr)
	}
	var l latencies
	if err := json.Unmarshal(out, &l); err != nil {
		return nil, fmt.Errorf("ghz %s: %w", c.procedure, err)
	}
	if len(l.Failed) > 0 || l.Calls == 0 {
		return nil, fmt.Errorf("ghz %s: of %d calls failed: %v", c.procedure, l.Calls, l.Failed)
	}
	return &l, nil
}
