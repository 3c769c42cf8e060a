// Command benchmarks measures the real server beside a bare echo of the same messages, and guards
// what was reached.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// options of a measurement.
type options struct {
	root, tools string
	guard       bool
	only        string
	results     string
}

// A bench is what measurements need: the servers, the generators, how long to go on.
type bench struct {
	options
	dir         string // scratch
	server      *process
	calls       *calls
	least, most int         // rounds
	scenarios   []*scenario // measured
}

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "folder with bin/footballprediction and models/released")
	flag.StringVar(&o.tools, "tools", "", "folder with the programs echo and ghz")
	flag.BoolVar(&o.guard, "guard", false, "measure what the guard watches, and fail where a limit is overstepped")
	flag.StringVar(&o.only, "only", "", "measure only the scenarios with this in their names")
	flag.StringVar(&o.results, "results", "", "write <results>.json and <results>.md")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}

// errBroken is the guard's.
var errBroken = errors.New("overstepped")

func run(ctx context.Context, o options) (err error) {
	for _, path := range []*string{&o.root, &o.tools} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	b := &bench{options: o, least: 15, most: 15}
	if o.guard {
		b.least, b.most = 9, 21
	}
	if b.dir, err = os.MkdirTemp("", "footballprediction-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }() // the system clears its temporary folder
	if b.server, err = b.serve(ctx, nil); err != nil {
		return err
	}
	defer b.server.stop()
	if b.calls, err = prepare(ctx, b.dir, b.server.grpc); err != nil {
		return err
	}
	for _, s := range b.known() {
		if !strings.Contains(s.name, o.only) || o.guard && !s.guarded {
			continue
		}
		b.scenarios = append(b.scenarios, s)
		if err := b.measure(ctx, s); err != nil {
			return err
		}
	}
	if o.guard {
		if err := b.measureBrokenAgain(ctx); err != nil {
			return err
		}
	}
	if o.results != "" {
		if err := b.write(o.results); err != nil {
			return err
		}
	}
	for _, s := range b.all() {
		switch {
		case s.broken():
			err = errors.Join(err, fmt.Errorf("%w: %s", errBroken, s.line()))
		case o.guard && !s.settled():
			fmt.Println("too noisy a machine to tell:", s.line())
		}
	}
	if o.guard {
		return err
	}
	return nil
}

// measure measures a scenario and prints what it found.
func (b *bench) measure(ctx context.Context, s *scenario) (err error) {
	if s.measured, err = s.run(ctx); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	for _, m := range s.measured {
		fmt.Println(m.line())
	}
	return nil
}

// measureBrokenAgain measures up to twice more what overstepped its guard. What has become slower is
// slower at any time, while what else a machine does comes and goes: only what oversteps each of
// three times, with the other scenarios in between, is broken.
func (b *bench) measureBrokenAgain(ctx context.Context) error {
	for range 2 {
		for _, s := range b.scenarios {
			if !slices.ContainsFunc(s.measured, (*series).broken) {
				continue
			}
			fmt.Println("overstepped, so once more:", s.name)
			if err := b.measure(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// all are the series of all scenarios.
func (b *bench) all() (all []*series) {
	for _, s := range b.scenarios {
		all = append(all, s.measured...)
	}
	return all
}

// A scenario is one measurement.
type scenario struct {
	name     string
	guarded  bool
	run      func(context.Context) ([]*series, error)
	measured []*series // the last time
}

// known are all scenarios.
func (b *bench) known() []*scenario {
	all := []*scenario{
		{name: "in process", guarded: true, run: b.inProcess},
		{name: "in memory, on one thread", guarded: true, run: b.compute},
		{name: "predict a pairing, saturated", guarded: true, run: b.saturated("predict a pairing", b.calls.pairing, pairingLimits)},
		{name: "predict a match, saturated", run: b.saturated("predict a match", b.calls.match, matchLimits)},
		{name: "predict a match, features from Redis, saturated", run: b.fromRedis},
	}
	for _, row := range latencyRows {
		all = append(all, &scenario{name: row.name, guarded: true, run: func(ctx context.Context) ([]*series, error) {
			return b.latency(ctx, row, row.call(b.calls))
		}})
	}
	return append(all,
		&scenario{name: "predict a pairing, half of saturation", run: func(ctx context.Context) ([]*series, error) {
			return b.halfOfSaturation(ctx, "predict a pairing", b.calls.pairing)
		}},
		&scenario{name: "models, swapped under load", run: b.swapping},
		&scenario{name: "models, swapped many times", run: b.enduring},
		&scenario{name: "models, one loaded beside another", run: b.besideLoads},
		&scenario{name: "models, an alias moved in MLflow", run: b.followingAlias},
		&scenario{name: "models, all requests shadowed", run: b.shadowed},
		&scenario{name: "models, many of them", run: b.crowded},
	)
}

func (b *bench) saturated(name string, c *call, l saturationLimits) func(context.Context) ([]*series, error) {
	return func(ctx context.Context) ([]*series, error) { return b.saturate(ctx, b.server, name, c, l) }
}

// fromRedis saturates a server of its own.
func (b *bench) fromRedis(ctx context.Context) ([]*series, error) {
	server, redis, err := b.serveFromRedis(ctx)
	if err != nil {
		return nil, err
	}
	defer redis.stop()
	defer server.stop()
	return b.saturate(ctx, server, "predict a match, features from Redis", b.calls.match, redisLimits)
}
