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
	least, most int // rounds
	all         []*series
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
	if b.server, err = b.serve(ctx); err != nil {
		return err
	}
	defer b.server.stop()
	if b.calls, err = prepare(ctx, b.dir, b.server.grpc); err != nil {
		return err
	}
	for _, s := range b.scenarios() {
		if !strings.Contains(s.name, o.only) || o.guard && !s.guarded {
			continue
		}
		measured, err := s.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, m := range measured {
			fmt.Println(m.line())
		}
		b.all = append(b.all, measured...)
	}
	if o.results != "" {
		if err := b.write(o.results); err != nil {
			return err
		}
	}
	for _, s := range b.all {
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

// A scenario is one measurement.
type scenario struct {
	name    string
	guarded bool
	measure func(context.Context) ([]*series, error)
}

func (b *bench) scenarios() []scenario {
	const guarded = true
	all := []scenario{
		{"in process", guarded, b.inProcess},
		{"in memory, on one thread", guarded, b.compute},
		{"predict a pairing, saturated", guarded, b.saturated("predict a pairing", b.calls.pairing, pairingLimits)},
		{"predict a match, saturated", !guarded, b.saturated("predict a match", b.calls.match, matchLimits)},
		{"predict a match, features from Redis, saturated", !guarded, b.fromRedis},
	}
	for _, row := range latencyRows {
		all = append(all, scenario{row.name, guarded, func(ctx context.Context) ([]*series, error) {
			return b.latency(ctx, row, row.call(b.calls))
		}})
	}
	return append(all, scenario{"predict a pairing, half of saturation", !guarded, func(ctx context.Context) ([]*series, error) {
		return b.halfOfSaturation(ctx, "predict a pairing", b.calls.pairing)
	}})
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
