package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// An arrival is one Predict of an open loop.
type arrival struct {
	due, done time.Time
	err       error // why it failed, or what is wrong with the answer
}

// callers put load on a server and look at each answer.
type callers struct {
	connections [8]*grpc.ClientConn
	request     *pb.PredictRequest
	// check returns what is wrong with an answer.
	check func(*pb.Prediction) error
}

func dialCallers(address string, request *pb.PredictRequest, check func(*pb.Prediction) error) (*callers, error) {
	c := &callers{request: request, check: check}
	for i := range c.connections {
		var err error
		if c.connections[i], err = grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
			return nil, errors.Join(err, c.hangUp())
		}
	}
	return c, nil
}

func (c *callers) hangUp() error {
	var errs []error
	for _, connection := range c.connections {
		if connection != nil {
			errs = append(errs, connection.Close())
		}
	}
	return errors.Join(errs...)
}

// ask calls once.
func (c *callers) ask(ctx context.Context) error {
	answer, err := pb.NewPredictionServiceClient(c.connections[0]).Predict(ctx, c.request)
	if err != nil {
		return err
	}
	return c.check(answer.GetPrediction())
}

// begin lets calls arrive as a Poisson process, so many per second on average, which wait for no
// answer, until end, which returns all of them.
func (c *callers) begin(rate float64, seed int) (end func() []*arrival) {
	stop, ended := make(chan struct{}), make(chan []*arrival)
	go func() {
		var all []*arrival
		var calls sync.WaitGroup
		random := rand.New(rand.NewPCG(uint64(seed), 0))
		timer := time.NewTimer(0)
		for due := time.Now(); ; due = due.Add(time.Duration(random.ExpFloat64() / rate * float64(time.Second))) {
			timer.Reset(time.Until(due))
			select {
			case <-timer.C:
			case <-stop:
				calls.Wait()
				ended <- all
				return
			}
			a := &arrival{due: due}
			connection := c.connections[len(all)%len(c.connections)]
			all = append(all, a)
			calls.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				answer, err := pb.NewPredictionServiceClient(connection).Predict(ctx, c.request)
				a.done = time.Now()
				if a.err = err; err == nil {
					a.err = c.check(answer.GetPrediction())
				}
			})
		}
	}()
	return func() []*arrival {
		close(stop)
		return <-ended
	}
}

// A span is a time in which something else went on.
type span struct{ from, to time.Time }

// split parts arrivals by whether they were due in one of the spans, and returns the latencies of
// either in ms, ascending, and why others failed. What was due before a span and is under way in it
// is not of it: of such the slowest are the most. The first tenth is left out: connecting is part of it.
func split(all []*arrival, spans []span) (during, beside []float64, failed []error) {
	for i, a := range all {
		if a.err != nil {
			failed = append(failed, a.err)
			continue
		}
		if i < len(all)/10 {
			continue
		}
		latency := a.done.Sub(a.due).Seconds() * 1000
		if slices.ContainsFunc(spans, func(s span) bool { return !a.due.Before(s.from) && a.due.Before(s.to) }) {
			during = append(during, latency)
		} else {
			beside = append(beside, latency)
		}
	}
	slices.Sort(during)
	slices.Sort(beside)
	return during, beside, failed
}

// percentile of ascending values.
func percentile(sorted []float64, part float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[int(part*float64(len(sorted)-1)+.5)]
}

// forecasts are what versions predict out of service.
type forecasts map[string]*pb.MatchResult

// check returns what is wrong with an answer that should be a version's.
func (f forecasts) check(version string, p *pb.Prediction) error {
	const tolerance = 1e-6
	got, want := p.GetMatchResult(), f[version]
	if math.Abs(got.GetHomeProbability()-want.GetHomeProbability()) <= tolerance &&
		math.Abs(got.GetDrawProbability()-want.GetDrawProbability()) <= tolerance &&
		math.Abs(got.GetAwayProbability()-want.GetAwayProbability()) <= tolerance {
		return nil
	}
	return fmt.Errorf("version %s: expected %v, got %v", p.GetModel().GetVersion(), want, got)
}
