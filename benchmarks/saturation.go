package main

import (
	"context"
	"fmt"
)

// saturation is how a server does that h2load keeps busy all the time.
type saturation struct {
	rate, cpu, objects, bytes, longer series
}

// A sample is what one server did in one round.
type sample struct {
	rate    float64 // answers per second
	cpu     float64 // seconds of CPU per call
	objects float64 // allocated per call
	bytes   float64 // allocated per call
	longer  float64 // bytes by which answers were longer than the one at the beginning
}

// saturationCalls are the calls of a round to one server: about a second's.
const saturationCalls = 30_000

// saturate sends both servers the call in turn, round by round, the one and the other first.
func (b *bench) saturate(ctx context.Context, server *process, name string, c *call, l saturationLimits) ([]*series, error) {
	echo, err := b.startEcho(ctx, c)
	if err != nil {
		return nil, err
	}
	defer echo.stop()
	s := &saturation{
		rate:    series{Name: name + ", saturated: answers", Unit: "/s", Is: "of the echo's", Goal: l.rateGoal, Guard: l.rate},
		cpu:     series{Name: name + ", saturated: CPU per call", Unit: "µs", Is: "of the echo's", Guard: l.cpu},
		objects: series{Name: name + ", saturated: allocations per call", Unit: "", Is: "more than the echo's", Guard: l.objects},
		bytes:   series{Name: name + ", saturated: memory allocated per call", Unit: "B", Is: "more than the echo's", Guard: l.bytes},
		// A degraded answer says so, and takes another way than the one to be measured.
		longer: series{Name: name + ", saturated: degraded", Is: "bytes longer than undisturbed", Goal: atMost(answerSlack), Guard: atMost(answerSlack)},
	}
	for _, p := range []*process{server, echo} { // connections, pools, the first collections
		if _, err := c.saturate(ctx, p.grpc, saturationCalls/3); err != nil {
			return nil, err
		}
	}
	err = rounds(b.least, b.most, func(round int) error {
		ours, echo, err := inTurn(round, server, echo, func(p *process) (sample, error) { return p.saturated(ctx, c) })
		if err != nil {
			return err
		}
		s.rate.relative(ours.rate, echo.rate)
		s.cpu.relative(1e6*ours.cpu, 1e6*echo.cpu)
		s.objects.add(ours.objects, echo.objects, ours.objects-echo.objects)
		s.bytes.add(ours.bytes, echo.bytes, ours.bytes-echo.bytes)
		s.longer.Judged = append(s.longer.Judged, ours.longer)
		return nil
	}, s.all()...)
	return s.all(), err
}

func (s *saturation) all() []*series {
	return []*series{&s.rate, &s.cpu, &s.objects, &s.bytes, &s.longer}
}

// saturated is one round of one server.
func (p *process) saturated(ctx context.Context, c *call) (s sample, err error) {
	memoryBefore, err := p.memory(ctx)
	if err != nil {
		return s, err
	}
	cpuBefore, err := p.cpu()
	if err != nil {
		return s, err
	}
	r, err := c.saturate(ctx, p.grpc, saturationCalls)
	if err != nil {
		return s, err
	}
	cpuAfter, err := p.cpu()
	if err != nil {
		return s, err
	}
	memoryAfter, err := p.memory(ctx)
	if err != nil {
		return s, err
	}
	return sample{
		rate:    saturationCalls / r.seconds,
		cpu:     (cpuAfter - cpuBefore).Seconds() / saturationCalls,
		objects: float64(memoryAfter.objects-memoryBefore.objects) / saturationCalls,
		bytes:   float64(memoryAfter.bytes-memoryBefore.bytes) / saturationCalls,
		longer:  r.bytes - float64(len(c.answer)),
	}, nil
}

// inTurn measures our server and the echo one after the other: in even rounds ours first, so that
// what changes steadily meanwhile favours neither.
func inTurn[T any](round int, server, echo *process, measure func(*process) (T, error)) (ours, theirs T, err error) {
	first, second, a, b := server, echo, &ours, &theirs
	if round%2 == 1 {
		first, second, a, b = echo, server, &theirs, &ours
	}
	if *a, err = measure(first); err != nil {
		return ours, theirs, fmt.Errorf("first server: %w", err)
	}
	if *b, err = measure(second); err != nil {
		return ours, theirs, fmt.Errorf("second server: %w", err)
	}
	return ours, theirs, nil
}
