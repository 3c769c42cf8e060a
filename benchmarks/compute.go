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
func (b *bench) compute(ctx context.Context) (all []*series, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	e, err := openEngine(ctx, b.root)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.registry.Close(ctx)) }()
	server := serving.NewServer(e.service, slog.New(slog.DiscardHandler), serving.ServerOptions{})
	listeners := serving.Listeners{HTTP: bufconn.Listen(1), GRPC: bufconn.Listen(pipeBuffer), Operator: bufconn.Listen(1)}
	serving, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- server.Run(serving, listeners) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	for _, l := range computeLimits {
		measured, err := b.computeOf(ctx, listeners.GRPC.(*bufconn.Listener), l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		all = append(all, measured...)
	}
	return all, nil
}

// computeOf measures one call.
func (b *bench) computeOf(ctx context.Context, listener *bufconn.Listener, l computeLimit) (all []*series, err error) {
	c := l.call(b.calls)
	frame, err := os.ReadFile(c.frameFile)
	if err != nil {
		return nil, err
	}
	bare, err := echo.New(c.procedure, c.answer)
	if err != nil {
		return nil, err
	}
	echoListener := bufconn.Listen(pipeBuffer)
	ended := make(chan error, 1)
	go func() { ended <- bare.Serve(echoListener) }()
	defer func() {
		bare.Stop()
		err = errors.Join(err, <-ended)
	}()
	var pipes [2]*pipe
	for i, listener := range []*bufconn.Listener{listener, echoListener} {
		if pipes[i], err = dialPipe(ctx, listener, c.procedure, frame, c.least()); err != nil {
			return nil, err
		}
		defer pipes[i].conn.Close()
	}
	const where = " in memory, on one thread: "
	cpu := &series{Name: l.name + where + "CPU per call", Unit: "µs", Is: "of the echo's", Guard: l.cpu}
	objects := &series{Name: l.name + where + "allocations per call", Is: "more than the echo's", Guard: l.objects}
	bytes := &series{Name: l.name + where + "memory allocated per call", Unit: "B", Is: "more than the echo's", Guard: l.bytes}
	ours, theirs, err := alternate(&pipes, 10) // the pools are filled
	if err != nil {
		return nil, err
	}
	turns := 1 + int(computeRound.Seconds()/(pipeStreams*(ours+theirs)))
	if err := rounds(computeRounds, computeRounds, func(int) error {
		ours, theirs, err := alternate(&pipes, turns)
		cpu.relative(1e6*ours, 1e6*theirs)
		return err
	}); err != nil {
		return nil, err
	}
	err = rounds(b.least, b.least, func(int) error {
		var used [2]usage
		for i, p := range pipes {
			if used[i], err = usageOf(turns, func() error { return p.call(pipeStreams) }); err != nil {
				return err
			}
		}
		ours, echo := used[0], used[1]
		objects.add(ours.objects/pipeStreams, echo.objects/pipeStreams, (ours.objects-echo.objects)/pipeStreams)
		bytes.add(ours.bytes/pipeStreams, echo.bytes/pipeStreams, (ours.bytes-echo.bytes)/pipeStreams)
		return nil
	})
	return []*series{cpu, objects, bytes}, err
}

// How often compute measures, and for how long each time.
const (
	computeRounds = 51
	computeRound  = 30 * time.Millisecond
)

// alternate lets both pipes call in turn and returns the seconds of CPU per call.
func alternate(pipes *[2]*pipe, turns int) (first, second float64, err error) {
	var used [2]time.Duration
	for range turns {
		for i, p := range pipes {
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
