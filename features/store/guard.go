package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/sony/gobreaker/v2"
)

// tripAfter failures in a row the breaker opens. A burst that dies with one connection opens it too,
// which costs half a retry interval of degraded answers.
const tripAfter = 5

// errImpatient marks a question that its caller left, or gave hardly any time for: it tells nothing
// of Redis.
var errImpatient = errors.New("no time to wait")

// A guard asks Redis and keeps callers away from it while it does not answer: then nobody waits, and
// only watch asks, now and then, whether it is back.
type guard struct {
	client  rueidis.Client
	timeout time.Duration
	retry   time.Duration
	logger  *slog.Logger

	breaker *gobreaker.CircuitBreaker[[]rueidis.RedisMessage]
	// state mirrors the breaker's, which must not be asked from its own callback.
	state   atomic.Int32
	since   atomic.Int64 // of the state, Unix nanoseconds
	opened  atomic.Uint64
	reached atomic.Int64  // when Redis answered last, Unix nanoseconds; 0: never
	tripped chan struct{} // holds a token once the breaker has opened
	failure atomic.Pointer[error]
	asked   atomic.Uint64
	failed  atomic.Uint64
}

func newGuard(client rueidis.Client, o RedisOptions) *guard {
	g := &guard{client: client, timeout: o.Timeout, retry: o.Retry, logger: o.Logger, tripped: make(chan struct{}, 1)}
	g.since.Store(time.Now().UnixNano())
	g.breaker = gobreaker.NewCircuitBreaker[[]rueidis.RedisMessage](gobreaker.Settings{
		MaxRequests: 1,
		Timeout:     g.retry / 2, // watch waits at least as long
		ReadyToTrip: func(counts gobreaker.Counts) bool {
			return counts.ConsecutiveFailures >= tripAfter || g.reached.Load() == 0
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errImpatient) },
		// Called with the breaker's lock held.
		OnStateChange: func(_ string, _, to gobreaker.State) {
			g.since.Store(time.Now().UnixNano())
			g.state.Store(int32(to))
			if to == gobreaker.StateOpen {
				g.opened.Add(1)
				select {
				case g.tripped <- struct{}{}:
				default: // watch has yet to see the last one
				}
			}
		},
	})
	return g
}

func (g *guard) closed() bool { return g.state.Load() == int32(gobreaker.StateClosed) }

// get returns the values of keys, in order, in one round trip. It waits for half of the time that
// the caller has left, so that the rest is enough to do without Redis, but no longer than timeout.
func (g *guard) get(ctx context.Context, keys []string) ([]rueidis.RedisMessage, error) {
	patience := g.timeout
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline)/2)
	}
	return g.breaker.Execute(func() ([]rueidis.RedisMessage, error) {
		values, err := g.ask(ctx, patience, keys)
		switch {
		case err == nil:
			return values, nil
		case ctx.Err() != nil || patience < g.timeout/10 && g.lively():
			return nil, fmt.Errorf("%w: %w", errImpatient, err)
		}
		return nil, g.lost(err)
	})
}

// lively says whether Redis has answered somebody of late. It may well miss deadlines far below the
// timeout while it answers others, and hasty callers must not shut it off for those.
func (g *guard) lively() bool {
	return time.Since(time.Unix(0, g.reached.Load())) < 10*g.timeout
}

func (g *guard) ask(ctx context.Context, patience time.Duration, keys []string) ([]rueidis.RedisMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	g.asked.Add(1)
	values, err := g.client.Do(ctx, g.client.B().Mget().Key(keys...).Build()).ToArray()
	if err == nil && len(values) != len(keys) {
		err = fmt.Errorf("expected %d values, got %d", len(keys), len(values))
	}
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %s: %w", patience, err)
		}
		return nil, err
	}
	g.reached.Store(time.Now().UnixNano())
	return values, nil
}

// lost notes why Redis gave no answer.
func (g *guard) lost(err error) error {
	g.failed.Add(1)
	g.failure.Store(&err)
	return err
}

// greet is the first probe. unconnected is why the client could not connect, if it could not.
func (g *guard) greet(ctx context.Context, unconnected error, key string) (rueidis.RedisMessage, error) {
	if unconnected == nil {
		return g.probe(ctx, key)
	}
	_, err := g.breaker.Execute(func() ([]rueidis.RedisMessage, error) { return nil, g.lost(unconnected) })
	return rueidis.RedisMessage{}, err
}

// probe asks for one key, with the time that connecting takes.
func (g *guard) probe(ctx context.Context, key string) (rueidis.RedisMessage, error) {
	values, err := g.breaker.Execute(func() ([]rueidis.RedisMessage, error) {
		values, err := g.ask(ctx, connectTimeout, []string{key})
		if err != nil {
			return nil, g.lost(err)
		}
		return values, nil
	})
	if err != nil {
		return rueidis.RedisMessage{}, err
	}
	return values[0], nil
}

// watch logs that the breaker has opened and probes Redis until it answers again, over and over
// until ctx is done. found is told what the probes' key held.
func (g *guard) watch(ctx context.Context, key string, found func(rueidis.RedisMessage)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.tripped:
		}
		if g.closed() {
			continue // it has closed since
		}
		since := time.Now()
		err := g.lastError()
		g.logger.WarnContext(ctx, "redis breaker open: features are computed in process", slog.Any("error", err))
		for !g.closed() {
			if !wait(ctx, jittered(g.retry)) {
				return
			}
			value, probeErr := g.probe(ctx, key)
			switch {
			case probeErr == nil:
				g.logger.InfoContext(ctx, "redis breaker closed: it answers again", slog.Duration("after", time.Since(since)))
				found(value)
			case refusal(probeErr) != refusal(err) && refusal(probeErr) != "":
				err = probeErr
				g.logger.WarnContext(ctx, "redis refuses us", slog.Any("error", err))
			}
		}
	}
}

// lastError is why the last question that failed did.
func (g *guard) lastError() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// refusal is what Redis itself said against a question; empty where it said nothing.
func refusal(err error) string {
	if said, ok := rueidis.IsRedisErr(err); ok {
		return said.Error()
	}
	return ""
}

// jittered keeps replicas that lost Redis together from returning together: 0.5 to 1.5 times d.
func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// wait waits and returns true, or false when ctx is done before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
