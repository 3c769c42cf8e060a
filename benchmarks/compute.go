package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"syscall"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"footballprediction/benchmarks/echo"
	"footballprediction/serving"
)

// compute measures what a call costs the whole server in CPU, relative to the echo, apart from the
// kernel: both serve in this process, on one thread, through memory, and take turns every few
// milliseconds. What else runs on the machine hardly shows, so this is the gauge that sees small
// changes; saturation over real sockets is the one that sees everything.
//
// Now and then one kind of call costs a tenth more for as long as a server lives, wherever its memory
// came to lie; so there are several servers, one after another.
func (b *bench) compute(ctx context.Context) (all []*series, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var gauges []*computeGauge
	for _, l := range computeLimits {
		const where = " in memory, on one thread: "
		gauges = append(gauges, &computeGauge{
			call:    l.call(b.calls),
			cpu:     &series{Name: l.name + where + "CPU per call", Unit: "µs", Is: "of the echo's", Guard: l.cpu},
			objects: &series{Name: l.name + where + "allocations per call", Is: "more than the echo's", Guard: l.objects},
			bytes:   &series{Name: l.name + where + "memory allocated per call", Unit: "B", Is: "more than the echo's", Guard: l.bytes},
		})
	}
	for range computeServers {
		if err := b.computeOnce(ctx, gauges); err != nil {
			return nil, err
		}
	}
	for _, g := range gauges {
		all = append(all, g.cpu, g.objects, g.bytes)
	}
	return all, nil
}

// How many servers compute measures, how often each, and for how long each time.
const (
	computeServers = 3
	computeRounds  = 17
	computeRound   = 30 * time.Millisecond
)

// computeOnce measures a server. The calls take turns, so that what disturbs the machine for some
// seconds spoils a few rounds of each and not all of one.
func (b *bench) computeOnce(ctx context.Context, gauges []*computeGauge) (err error) {
	e, err := openEngine(ctx, b.root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.registry.Close(ctx)) }()
	server := serving.NewServer(e.service, slog.New(slog.DiscardHandler), serving.ServerOptions{})
	listener := bufconn.Listen(pipeBuffer)
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(running, serving.Listeners{HTTP: bufconn.Listen(1), GRPC: listener, Operator: bufconn.Listen(1)})
	}()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	for _, g := range gauges {
		hangUp, dialErr := g.dial(ctx, listener)
		if dialErr != nil {
			return fmt.Errorf("%s: %w", g.cpu.Name, dialErr)
		}
		defer func() { err = errors.Join(err, hangUp()) }()
	}
	for round := range computeRounds {
		for _, g := range gauges {
			if err := g.measureCPU(); err != nil {
				return fmt.Errorf("round %d: %w", round+1, err)
			}
		}
	}
	for range (b.least + computeServers - 1) / computeServers {
		for _, g := range gauges {
			if err := g.measureMemory(); err != nil {
				return err
			}
		}
	}
	return nil
}

// A computeGauge measures one call, of the server and of an echo of its own.
type computeGauge struct {
	call                *call
	pipes               [2]*pipe // to the server and to the echo
	turns               int      // of a round
	cpu, objects, bytes *series
}

// dial connects to the server that listens and to a new echo, until hangUp.
func (g *computeGauge) dial(ctx context.Context, listener *bufconn.Listener) (hangUp func() error, err error) {
	frame, err := os.ReadFile(g.call.frameFile)
	if err != nil {
		return nil, err
	}
	bare, err := echo.New(g.call.procedure, g.call.answer)
	if err != nil {
		return nil, err
	}
	echoListener := bufconn.Listen(pipeBuffer)
	ended := make(chan error, 1)
	go func() { ended <- bare.Serve(echoListener) }()
	var dialed []*pipe
	hangUp = func() error {
		for _, p := range dialed {
			_ = p.conn.Close() // in memory
		}
		bare.Stop()
		return <-ended
	}
	for i, listener := range []*bufconn.Listener{listener, echoListener} {
		if g.pipes[i], err = dialPipe(ctx, listener, g.call.procedure, frame, g.call.least()); err != nil {
			return nil, errors.Join(err, hangUp())
		}
		dialed = append(dialed, g.pipes[i])
	}
	ours, theirs, err := g.alternate(10) // the pools are filled
	if err != nil {
		return nil, errors.Join(err, hangUp())
	}
	g.turns = 1 + int(computeRound.Seconds()/(pipeStreams*(ours+theirs)))
	return hangUp, nil
}

func (g *computeGauge) measureCPU() error {
	ours, theirs, err := g.alternate(g.turns)
	g.cpu.relative(1e6*ours, 1e6*theirs)
	return err
}

func (g *computeGauge) measureMemory() (err error) {
	var used [2]usage
	for i, p := range g.pipes {
		if used[i], err = usageOf(g.turns, func() error { return p.call(pipeStreams) }); err != nil {
			return err
		}
	}
	ours, echo := used[0], used[1]
	g.objects.add(ours.objects/pipeStreams, echo.objects/pipeStreams, (ours.objects-echo.objects)/pipeStreams)
	g.bytes.add(ours.bytes/pipeStreams, echo.bytes/pipeStreams, (ours.bytes-echo.bytes)/pipeStreams)
	return nil
}

// alternate lets both pipes call in turn and returns the seconds of CPU per call.
func (g *computeGauge) alternate(turns int) (first, second float64, err error) {
	var used [2]time.Duration
	for range turns {
		for i, p := range g.pipes {
			before := usedCPU()
			if err := p.call(pipeStreams); err != nil {
				return 0, 0, err
			}
			used[i] += usedCPU() - before
		}
	}
	calls := float64(turns * pipeStreams)
	return used[0].Seconds() / calls, used[1].Seconds() / calls, nil
}

// usedCPU is how much CPU time this process has used.
func usedCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // the arguments are right
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
