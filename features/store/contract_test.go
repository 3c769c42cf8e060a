package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"footballprediction/features"
	"footballprediction/features/store/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The contract of features.VectorStore, kept by every store over the same state.
func TestContract(t *testing.T) {
	memory := newMemory(t)
	for name, open := range map[string]func(t *testing.T) features.VectorStore{
		"memory": func(*testing.T) features.VectorStore { return memory },
		"redis":  func(t *testing.T) features.VectorStore { return filled(t, redistest.Start(t), memory, RedisOptions{}) },
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t)
			t.Run("answers", func(t *testing.T) { contractAnswers(t, store, memory) })
			t.Run("batch", func(t *testing.T) { contractBatch(t, store, memory) })
			t.Run("context", func(t *testing.T) { contractContext(t, store) })
		})
	}
}

// patient waits as long as a busy machine with the race detector may take.
const patient = 10 * time.Second

// filled returns a store in Redis with everything that memory knows, and its connection looked after.
func filled(t testing.TB, server *redistest.Server, memory *Memory, o RedisOptions) *Redis {
	t.Helper()
	if _, err := Materialize(t.Context(), parsed(t, server.URL()), memory, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	return opened(t, parsed(t, server.URL()), memory, o)
}

// opened returns a store in Redis as it is, closed with the test.
func opened(t testing.TB, url RedisURL, memory *Memory, o RedisOptions) *Redis {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = patient
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(testWriter{t}, nil))
	}
	r, err := OpenRedis(t.Context(), url, memory, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		r.Close()
	})
	return r
}

func parsed(t testing.TB, address string) RedisURL {
	t.Helper()
	url, err := ParseRedisURL(address)
	if err != nil {
		t.Fatal(err)
	}
	return url
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(line []byte) (int, error) {
	w.t.Logf("%s", line)
	return len(line), nil
}

// pairing is a match that is not stored.
func pairing(competition, home, away string, date features.Date) features.Fixture {
	return features.Fixture{Competition: competition, Home: home, Away: away, Date: date}
}

func storedFixture(m *features.Match) features.Fixture {
	return features.Fixture{MatchID: m.ID, Competition: m.Competition, Season: m.Season, Home: m.Home, Away: m.Away, Date: m.Date}
}

func contractAnswers(t *testing.T, store features.VectorStore, memory *Memory) {
	played, scheduled := &memory.matches[0], &memory.matches[len(memory.matches)-1]
	day := features.DateOf(start)
	unknown := storedFixture(scheduled)
	unknown.MatchID = "no-such"
	fixtures := []struct {
		features.Fixture
		want error
	}{
		{pairing("E0", "eng-arsenal", "eng-chelsea", day), nil},
		{storedFixture(scheduled), nil},
		{storedFixture(played), features.ErrNotKept},
		{unknown, features.ErrMatchUnknown},
		{pairing("E0", "eng-nobody", "eng-chelsea", day), features.ErrTeamUnknown},
		{pairing("E0", "eng-chelsea", "eng-nobody", day), features.ErrTeamUnknown},
		{pairing("ZZ", "eng-arsenal", "eng-chelsea", day), features.ErrCompetitionUnknown},
		{pairing("E0", "eng-arsenal", "eng-chelsea", played.Date), features.ErrDateBeforeHistory},
		{pairing("E0", "eng-arsenal", "ger-chelsea", day), nil},
		{pairing("D1", "ger-arsenal", "eng-arsenal", day), nil},
		{pairing("E0", "eng-arsenal", "eng-chelsea", day), nil}, // once more
		{features.Fixture{Competition: "E0", Season: "2025-26", Home: "eng-fulham", Away: "eng-everton", Date: day}, nil},
	}
	ask, out := make([]features.Fixture, len(fixtures)), make([]features.Vector, len(fixtures))
	for i := range fixtures {
		ask[i] = fixtures[i].Fixture
	}
	for range 2 { // the second time into the vectors of the first
		if err := store.Vectors(t.Context(), ask, out); err != nil {
			t.Fatal(err)
		}
		for i, f := range fixtures {
			if !errors.Is(out[i].Err, f.want) {
				t.Errorf("fixture %d: %v, expected %v", i, out[i].Err, f.want)
			}
			if f.want == nil {
				same(t, fmt.Sprint("fixture ", i), out[i], compared(memory, f.Fixture))
			}
			if out[i].Degraded != "" {
				t.Errorf("fixture %d: degraded by %s", i, out[i].Degraded)
			}
			var alone [1]features.Vector
			if err := store.Vectors(t.Context(), ask[i:i+1], alone[:]); err != nil {
				t.Fatal(err)
			}
			if !errors.Is(alone[0].Err, f.want) {
				t.Errorf("fixture %d alone: %v, expected %v", i, alone[0].Err, f.want)
			}
			if f.want == nil {
				same(t, fmt.Sprintf("fixture %d alone", i), alone[0], out[i])
			}
		}
	}
}

// compared is what the feature code says of a fixture.
func compared(memory *Memory, f features.Fixture) features.Vector {
	season := f.Season
	if season == "" {
		season = features.SeasonOf(f.Date)
	}
	return memory.Recipe().Compare(memory.replay.League(f.Competition), memory.replay.Team(f.Home), memory.replay.Team(f.Away), season, f.Date, nil)
}

// same checks that two vectors are equal bit by bit.
func same(t *testing.T, what string, got, want features.Vector) {
	t.Helper()
	equal := slices.EqualFunc(got.Values, want.Values, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
	if !equal || len(want.Values) != len(features.CurrentSchema().Features) || got.AsOf != want.AsOf || got.Unlinked != want.Unlinked || got.Err != nil {
		t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

// manyFixtures are n fixtures, stored ones and pairings by turns.
func manyFixtures(memory *Memory, n int) []features.Fixture {
	var all []features.Fixture
	for i := 0; len(all) < n; i++ {
		match := &memory.matches[i%len(memory.matches)]
		if match.Status != features.Scheduled {
			continue
		}
		f := storedFixture(match)
		if i%2 == 0 {
			f.MatchID = ""
		}
		all = append(all, f)
	}
	return all
}

// A thousand at once are answered as one by one, into the memory of the last answer.
func contractBatch(t *testing.T, store features.VectorStore, memory *Memory) {
	fixtures := manyFixtures(memory, 1000)
	out := make([]features.Vector, len(fixtures))
	if err := store.Vectors(t.Context(), fixtures, out); err != nil {
		t.Fatal(err)
	}
	first := make([]*float32, len(out))
	for i := range out {
		same(t, fmt.Sprint("fixture ", i), out[i], compared(memory, fixtures[i]))
		first[i] = &out[i].Values[0]
		out[i].Degraded, out[i].Err = "something", features.ErrNotKept
	}
	slices.Reverse(fixtures)
	if err := store.Vectors(t.Context(), fixtures, out); err != nil {
		t.Fatal(err)
	}
	for i := range out {
		same(t, fmt.Sprint("fixture ", i), out[i], compared(memory, fixtures[i]))
		if out[i].Degraded != "" || &out[i].Values[0] != first[i] {
			t.Fatalf("fixture %d: degraded %q, values at %p, expected them at %p", i, out[i].Degraded, &out[i].Values[0], first[i])
		}
	}
	if err := store.Vectors(t.Context(), nil, nil); err != nil {
		t.Errorf("asked nothing: %v", err)
	}
}

func contractContext(t *testing.T, store features.VectorStore) {
	ask, out := []features.Fixture{pairing("E0", "eng-arsenal", "eng-chelsea", features.DateOf(start))}, make([]features.Vector, 1)
	left, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Vectors(left, ask, out); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	if err := store.Vectors(late, ask, out); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("expired: %v", err)
	}
}

// A match is answered on a day on which others of its league have been played, from what was known
// before that day: what counts are its own teams.
func TestFixtureOnADayOfOthers(t *testing.T) {
	memory := newMemory(t)
	redis := filled(t, redistest.Start(t), memory, RedisOptions{})
	asked := 0
	for _, home := range memory.listed {
		for _, away := range memory.listed {
			league := memory.replay.League(home.Competition)
			f := features.Fixture{Competition: home.Competition, Home: home.ID, Away: away.ID, Date: league.AsOf}
			last := max(memory.replay.Team(home.ID).AsOf, memory.replay.Team(away.ID).AsOf)
			if home.ID == away.ID || home.Country != away.Country || last >= f.Date {
				continue
			}
			asked++
			var out, fromRedis [1]features.Vector
			if err := errors.Join(memory.Vectors(t.Context(), []features.Fixture{f}, out[:]), redis.Vectors(t.Context(), []features.Fixture{f}, fromRedis[:])); err != nil {
				t.Fatal(err)
			}
			if out[0].Err != nil || out[0].AsOf >= f.Date {
				t.Errorf("%s – %s on %s: as of %s, %v", home.ID, away.ID, f.Date, out[0].AsOf, out[0].Err)
			}
			same(t, home.ID+" – "+away.ID, fromRedis[0], out[0])
			if fromRedis[0].Degraded != "" {
				t.Errorf("degraded by %s", fromRedis[0].Degraded)
			}
		}
	}
	if asked == 0 {
		t.Error("no such fixture")
	}
}
