package store

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"footballprediction/features"
)

const (
	// writeBatch is how many values are written in one round trip.
	writeBatch = 256
	// writeTimeout bounds the wait for one batch.
	writeTimeout = 10 * time.Second
	// keepPlayed is how long the vector of a match is kept after its day, so that what was known
	// before it can still be asked once it has been played.
	keepPlayed = 366 * 24 * time.Hour
	// keepIllustrative is that time for a match that was made up and will never be played.
	keepIllustrative = 24 * time.Hour
)

// Materialized is what Materialize wrote.
type Materialized struct {
	Teams, Leagues, Vectors int
	// Without counts scheduled matches without a vector: their day is not after what is known.
	Without int
	AsOf    features.Date
}

// Materialize fills the Redis at url with the states of all teams and leagues and with the vectors
// of all scheduled matches, in batches of pipelined commands. Done again it writes the same. States
// stay until they are overwritten. A vector is not written again once its match has been played, so
// that it remains the one made before, and goes a year later. Programs of another schema keep what is
// theirs. progress, if not nil, is told how many values have been written.
func Materialize(ctx context.Context, url RedisURL, memory *Memory, now time.Time, progress func(done, total int)) (Materialized, error) {
	client, err := url.connect()
	if client != nil {
		defer client.Close()
	}
	if err != nil {
		return Materialized{}, fmt.Errorf("redis %s: %w", url, err)
	}
	w := &writer{client: client, keys: keysOf(memory.Recipe()), progress: progress}
	written, err := w.materialize(ctx, memory, now)
	if err != nil {
		return written, fmt.Errorf("redis %s: %w", url, err)
	}
	return written, nil
}

// A writer pipelines SET commands.
type writer struct {
	client   rueidis.Client
	keys     keys
	progress func(done, total int)

	pending     []rueidis.Completed
	written     []string // the keys of the pending commands
	done, total int
}

func (w *writer) materialize(ctx context.Context, m *Memory, now time.Time) (out Materialized, err error) {
	out.AsOf = m.replay.AsOf()
	w.total = len(m.listed) + len(m.leagues) + len(m.matches) + 1
	recipe := m.Recipe()
	var packed []byte
	for i := range m.listed {
		packed = recipe.PackTeamState(packed[:0], m.replay.Team(m.listed[i].ID))
		if err := w.set(ctx, w.keys.teams+m.listed[i].ID, packed, time.Time{}); err != nil {
			return out, err
		}
		out.Teams++
	}
	for i := range m.leagues {
		packed = recipe.PackLeagueState(packed[:0], m.replay.League(m.leagues[i].Code))
		if err := w.set(ctx, w.keys.leagues+m.leagues[i].Code, packed, time.Time{}); err != nil {
			return out, err
		}
		out.Leagues++
	}
	var vector features.Vector
	for i := range m.matches {
		match := &m.matches[i]
		if match.Status != features.Scheduled {
			w.total--
			continue
		}
		m.vector(&features.Fixture{
			MatchID: match.ID, Competition: match.Competition, Season: match.Season,
			Home: match.Home, Away: match.Away, Date: match.Date,
		}, &vector)
		if vector.Err != nil {
			out.Without++
			w.total--
			continue
		}
		keep := keepPlayed
		if match.Illustrative {
			keep = keepIllustrative
		}
		over := (max(match.Date, features.DateOf(now)) + 1).Time()
		packed = recipe.PackVector(packed[:0], match.ID, &vector)
		if err := w.set(ctx, w.keys.matches+match.ID, packed, over.Add(keep)); err != nil {
			return out, err
		}
		out.Vectors++
	}
	if err := w.flush(ctx); err != nil {
		return out, err
	}
	if err := w.set(ctx, w.keys.asOf, []byte(out.AsOf.String()), time.Time{}); err != nil {
		return out, err
	}
	return out, w.flush(ctx)
}

// set writes a value with the next batch; it expires unless that is never, the zero time.
func (w *writer) set(ctx context.Context, key string, packed []byte, expires time.Time) error {
	command := w.client.B().Set().Key(key).Value(string(packed))
	if expires.IsZero() {
		w.pending = append(w.pending, command.Build())
	} else {
		w.pending = append(w.pending, command.Exat(expires).Build())
	}
	w.written = append(w.written, key)
	if len(w.pending) < writeBatch {
		return nil
	}
	return w.flush(ctx)
}

// flush writes the pending batch.
func (w *writer) flush(ctx context.Context) error {
	if len(w.pending) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	for i, result := range w.client.DoMulti(ctx, w.pending...) {
		if err := result.Error(); err != nil {
			return fmt.Errorf("write %s: %w", w.written[i], err)
		}
	}
	w.done += len(w.pending)
	// The commands belong to the client now.
	w.pending, w.written = nil, w.written[:0]
	if w.progress != nil {
		w.progress(w.done, w.total)
	}
	return nil
}
