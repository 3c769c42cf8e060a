package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/sony/gobreaker/v2"

	"footballprediction/features"
)

// What Vector.Degraded says where Redis did not answer. The vector then comes from the team states
// in process, which may be older than those in Redis.
const (
	// RedisUnavailable: Redis was down, slow or refused, or its breaker is open.
	RedisUnavailable = "REDIS_UNAVAILABLE"
	// FromTeamStates: Redis answered, but what it holds for the fixture is missing, of another schema,
	// corrupt, or older than what the process knows.
	FromTeamStates = "FEATURES_FROM_TEAM_STATES"

	redisUnavailableDetail = "Redis does not answer; the features come from the team states that the server was started with"
	fromTeamStatesDetail   = "Redis holds no usable features of the match; they come from the team states that the server was started with"
)

const (
	// TimeoutDefault is a hundred times what a lookup takes, so that it means trouble and not load, and
	// small beside the time that a caller gives a prediction.
	TimeoutDefault = 50 * time.Millisecond
	// RetryDefault is how often a Redis that does not answer is asked again.
	RetryDefault = time.Second

	// connectTimeout bounds the wait for a connection, and that for its first answer.
	connectTimeout = 500 * time.Millisecond
	// ringScale makes room for 2^13 questions on the connection. One that is given up keeps its place
	// until Redis answers or the silent connection is closed, and who finds no place waits for one:
	// 8,192 are more than are asked before the breaker opens.
	ringScale = 13
)

// RedisOptions are settings with good defaults.
type RedisOptions struct {
	Timeout time.Duration // the longest wait for an answer; 0: TimeoutDefault
	Retry   time.Duration // between attempts to reach a lost Redis, ±50%; 0: RetryDefault
	Logger  *slog.Logger  // of changes of the breaker; nil: none
}

// Redis is a VectorStore in Redis, behind a breaker, with a Memory to fall back on: for a stored match
// it keeps the vector, also when the match has been played, and for all others the states of teams and
// leagues. It is safe for concurrent use. Only Run finds out that a lost Redis is back.
type Redis struct {
	url     RedisURL
	memory  *Memory
	guard   *guard
	logger  *slog.Logger
	asOfKey string
	lookups sync.Pool
	counts  valueCounts
}

var _ features.VectorStore = (*Redis)(nil)

// OpenRedis returns a store that asks the Redis at url. It tries once to reach it; a Redis that is
// down is no error, Run connects to it when it comes.
func OpenRedis(ctx context.Context, url RedisURL, memory *Memory, o RedisOptions) (*Redis, error) {
	if o.Timeout == 0 {
		o.Timeout = TimeoutDefault
	}
	if o.Retry == 0 {
		o.Retry = RetryDefault
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	client, unconnected := url.connect()
	if client == nil {
		return nil, unconnected
	}
	o.Logger = o.Logger.With(slog.Any("redis", url))
	r := &Redis{
		url: url, memory: memory, logger: o.Logger,
		guard:   newGuard(client, o),
		asOfKey: keysOf(memory.Recipe()).asOf,
		lookups: sync.Pool{New: func() any { return newLookup(memory.Recipe()) }},
	}
	if held, err := r.guard.greet(ctx, unconnected, r.asOfKey); err == nil { // else Run says why not
		r.welcome(held)
	}
	return r, nil
}

// Run looks after the connection until ctx is done.
func (r *Redis) Run(ctx context.Context) { r.guard.watch(ctx, r.asOfKey, r.welcome) }

// Close closes the connection, within a second or so even if Redis is frozen. Run must have returned,
// and nobody may ask any more.
func (r *Redis) Close() { r.guard.client.Close() }

// welcome logs what a Redis that was reached holds, where that is not what the process has.
func (r *Redis) welcome(held rueidis.RedisMessage) {
	var asOf features.Date
	text, err := held.ToString()
	if err == nil {
		err = asOf.UnmarshalText([]byte(text))
	}
	switch known := r.memory.replay.AsOf(); {
	case err != nil:
		r.logger.Warn("redis holds no features of this schema; fill it with `features materialize`", slog.String("schema", r.memory.Recipe().Schema.Hash))
	case asOf < known:
		r.logger.Warn("redis holds older features than the state folder; fill it with `features materialize`",
			slog.String("redis_as_of", asOf.String()), slog.String("state_as_of", known.String()))
	}
}

// Vectors implements features.VectorStore. It never fails for want of Redis.
func (r *Redis) Vectors(ctx context.Context, fixtures []features.Fixture, out []features.Vector) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(fixtures) == 0 {
		return nil
	}
	if !r.guard.closed() {
		r.withoutRedis(fixtures, out)
		return nil
	}
	l := r.lookups.Get().(*lookup)
	defer r.lookups.Put(l)
	values, err := r.guard.get(ctx, l.ask(fixtures))
	if err != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.withoutRedis(fixtures, out)
		return nil
	}
	for i := range fixtures {
		f, v := &fixtures[i], &out[i]
		if l.answer(i, f, values, v, &r.counts) && !r.outdated(f, v) {
			continue
		}
		if r.memory.vector(f, v); v.Err == nil {
			v.Degraded, v.Detail = FromTeamStates, fromTeamStatesDetail
		}
	}
	return nil
}

// withoutRedis answers from the team states in process.
func (r *Redis) withoutRedis(fixtures []features.Fixture, out []features.Vector) {
	for i := range fixtures {
		f, v := &fixtures[i], &out[i]
		r.memory.vector(f, v)
		switch {
		case v.Err == nil:
			v.Degraded, v.Detail = RedisUnavailable, redisUnavailableDetail
		case errors.Is(v.Err, features.ErrNotKept):
			v.Err = fmt.Errorf("%w (it may be kept in Redis, which does not answer)", v.Err)
		}
	}
}

// outdated says whether the process knows of later matches than the answer from Redis, and may use
// them: the match is not among them.
func (r *Redis) outdated(f *features.Fixture, v *features.Vector) bool {
	if v.Err != nil {
		return false
	}
	known := r.memory.asOf(f)
	if known <= v.AsOf || known >= f.Date {
		return false
	}
	r.counts.outdated.Add(1)
	return true
}

// RedisStatus is how a Redis store fares. The counts only grow.
type RedisStatus struct {
	Breaker string    // "closed": Redis is asked; "open", "half-open": it is not, until it answers again
	Since   time.Time // when the breaker came to this state
	Err     error     // why the last question failed; nil while the breaker is closed
	Opened  uint64    // how often the breaker has opened
	Asked   uint64    // round trips, probes included
	Failed  uint64    // of those, how many Redis did not answer, or with an error
	// Values that could not be used: not there; of another schema; cut short, changed or of something
	// else; older than what the process knows.
	Missing, Foreign, Corrupt, Outdated uint64
}

// Breaker returns the state of the breaker: "closed", "half-open" or "open".
func (r *Redis) Breaker() string { return gobreaker.State(r.guard.state.Load()).String() }

// Status returns how the store fares now.
func (r *Redis) Status() RedisStatus {
	g := r.guard
	s := RedisStatus{
		Breaker: r.Breaker(),
		Since:   time.Unix(0, g.since.Load()),
		Opened:  g.opened.Load(), Asked: g.asked.Load(), Failed: g.failed.Load(),
		Missing: r.counts.missing.Load(), Foreign: r.counts.foreign.Load(),
		Corrupt: r.counts.corrupt.Load(), Outdated: r.counts.outdated.Load(),
	}
	if !g.closed() {
		s.Err = g.lastError()
	}
	return s
}

// valueCounts count the values that could not be used, by reason.
type valueCounts struct {
	missing, foreign, corrupt, outdated atomic.Uint64
}

// usable says whether a value was read without an error, and counts it if not.
func (c *valueCounts) usable(err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, errMissing):
		c.missing.Add(1)
	case errors.Is(err, features.ErrForeignSchema):
		c.foreign.Add(1)
	default:
		c.corrupt.Add(1)
	}
	return false
}
