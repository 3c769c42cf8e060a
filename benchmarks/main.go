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
	root      string
	echo, ghz string
	guard     bool
	only      string
	results   string
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
	flag.StringVar(&o.echo, "echo", "", "the program of benchmarks/echo")
	flag.StringVar(&o.ghz, "ghz", "", "the program of benchmarks/ghz")
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
var errBroken = errors.New("a limit is overstepped")

func run(ctx context.Context, o options) (err error) {
	for _, path := range []*string{&o.root, &o.echo, &o.ghz} {
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
	if b.server, err = start(ctx, b.dir, filepath.Join(o.root, "bin", "footballprediction"), "serve",
		"--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0", "--operator-address", "127.0.0.1:0"); err != nil {
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
		if s.broken() {
			err = errors.Join(err, fmt.Errorf("%w: %s", errBroken, s.line()))
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
	saturated := func(name string, c *call, l saturationLimits) scenario {
		return scenario{name + ", saturated", true, func(ctx context.Context) ([]*series, error) { return b.saturate(ctx, name, c, l) }}
	}
	all := []scenario{
		saturated("predict a pairing", b.calls.pairing, pairingLimits),
		saturated("predict a match", b.calls.match, matchLimits),
	}
	for _, row := range latencyRows {
		all = append(all, scenario{row.name, true, func(ctx context.Context) ([]*series, error) {
			return b.latency(ctx, row, row.call(b.calls))
		}})
	}
	return append(all, scenario{"predict a pairing, half of saturation", false, func(ctx context.Context) ([]*series, error) {
		return b.halfOfSaturation(ctx, "predict a pairing", b.calls.pairing)
	}})
}

func (b *bench) startEcho(ctx context.Context, c *call) (*process, error) {
	return start(ctx, b.dir, b.echo, "-procedure", c.procedure, "-answer", c.answerFile)
}
