package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footballprediction/features"
	"footballprediction/features/store/redistest"
)

// quick options: a frozen Redis is noticed soon, but not by a machine's hiccup.
var quick = RedisOptions{Timeout: time.Second, Retry: 50 * time.Millisecond}

// prompt is how long an answer may take that does not wait for Redis, on a busy machine.
const prompt = 5 * time.Second

func TestRedisDownAtStart(t *testing.T) {
	memory := newMemory(t)
	server := redistest.Reserve(t)
	r := opened(t, parsed(t, server.URL()), memory, quick)
	if s := r.Status(); s.Breaker != "open" || s.Err == nil || s.Opened != 1 {
		t.Errorf("status %+v", s)
	}
	answersDegraded(t, r, memory, RedisUnavailable)
	server.Launch()
	awaitBreaker(t, r, "closed")
	answersDegraded(t, r, memory, FromTeamStates) // it is empty
	fill(t, server, memory)
	answersDegraded(t, r, memory, "")
}

// What listens there need not be a Redis, nor speak at all.
func TestRedisIsSomethingElse(t *testing.T) {
	memory := newMemory(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for name, address := range map[string]string{"silent": silent.Addr().String(), "a web server": other.Listener.Addr().String()} {
		started := time.Now()
		r := opened(t, parsed(t, "redis://"+address), memory, quick)
		if took := time.Since(started); took > prompt {
			t.Errorf("%s: opening took %s", name, took)
		}
		if s := r.Status(); s.Breaker != "open" {
			t.Errorf("%s: %+v", name, s)
		}
		answersDegraded(t, r, memory, RedisUnavailable)
	}
}

func TestRedisKilledAndStartedAgain(t *testing.T) {
	memory := newMemory(t)
	server := redistest.Start(t)
	r := filled(t, server, memory, quick)
	answersDegraded(t, r, memory, "")
	for range 2 {
		server.Kill()
		eventually(t, "the breaker to open", func() bool {
			answersDegraded(t, r, memory, RedisUnavailable)
			return r.Status().Breaker == "open"
		})
		server.Launch()
		fill(t, server, memory)
		awaitBreaker(t, r, "closed")
		answersDegraded(t, r, memory, "")
	}
	if s := r.Status(); s.Opened < 2 || s.Err != nil {
		t.Errorf("status %+v", s)
	}
}

// While Redis is frozen many callers go on, each waits at most once, and once the breaker is open
// nobody waits.
func TestRedisFrozen(t *testing.T) {
	memory := newMemory(t)
	server := redistest.Start(t)
	r := filled(t, server, memory, quick)
	fixtures := manyFixtures(memory, 20)

	var stop atomic.Bool
	var answered, degraded atomic.Int64
	var slowest atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			out := make([]features.Vector, 1)
			for i := 0; !stop.Load(); i = (i + 1) % len(fixtures) {
				started := time.Now()
				if err := r.Vectors(context.Background(), fixtures[i:i+1], out); err != nil {
					t.Error(err)
					return
				}
				slowest.Store(max(slowest.Load(), int64(time.Since(started))))
				same(t, "while frozen", out[0], compared(memory, fixtures[i]))
				answered.Add(1)
				if out[0].Degraded != "" {
					degraded.Add(1)
				}
			}
		})
	}
	defer callers.Wait()
	defer stop.Store(true)

	eventually(t, "answers", func() bool { return answered.Load() > 100 })
	server.Freeze()
	eventually(t, "the breaker to open", func() bool { return r.Status().Breaker == "open" })
	before := answered.Load()
	eventually(t, "answers without Redis", func() bool { return answered.Load() > before+1000 })
	if degraded.Load() == 0 {
		t.Error("no answer says that Redis is unavailable")
	}
	if s := time.Duration(slowest.Load()); s > prompt {
		t.Errorf("an answer took %s", s)
	}
	server.Thaw()
	awaitBreaker(t, r, "closed")
	answersDegraded(t, r, memory, "")
}

func TestOpenBreakerAsksNothing(t *testing.T) {
	memory := newMemory(t)
	server := redistest.Start(t)
	r := filled(t, server, memory, RedisOptions{Timeout: 50 * time.Millisecond, Retry: time.Hour})
	server.Freeze()
	eventually(t, "the breaker to open", func() bool {
		answersDegraded(t, r, memory, RedisUnavailable)
		return r.Status().Breaker == "open"
	})
	asked := r.Status().Asked
	for range 100 {
		answersDegraded(t, r, memory, RedisUnavailable)
	}
	if got := r.Status().Asked; got != asked {
		t.Errorf("%d questions to a Redis that is given up", got-asked)
	}
}

func TestRedisSlow(t *testing.T) {
	memory := newMemory(t)
	server := redistest.Start(t)
	r := filled(t, server, memory, quick)
	if _, err := server.Do("CLIENT", "PAUSE", "2500", "ALL"); err != nil {
		t.Fatal(err)
	}
	answersDegraded(t, r, memory, RedisUnavailable)
	eventually(t, "Redis to be asked again", func() bool { return degradedBy(t, r, memory) == "" })
	answersDegraded(t, r, memory, "")
}

func TestRedisWrongPassword(t *testing.T) {
	memory := newMemory(t)
	server := redistest.StartWithPassword(t, "open sesame/1")
	fill(t, server, memory)
	var log lockedBuffer
	options := quick
	options.Logger = slog.New(slog.NewTextHandler(&log, nil))

	right := opened(t, parsed(t, server.URL()), memory, options)
	answersDegraded(t, right, memory, "")

	r := opened(t, parsed(t, server.URLWith("wrong+secret")), memory, options)
	answersDegraded(t, r, memory, RedisUnavailable)
	eventually(t, "the log to say why", func() bool { return strings.Contains(log.String(), "WRONGPASS") })
	r = opened(t, parsed(t, server.URLWith("")), memory, options)
	answersDegraded(t, r, memory, RedisUnavailable)
	eventually(t, "the log to say why", func() bool { return strings.Contains(log.String(), "NOAUTH") })

	for _, text := range []string{log.String(), fmt.Sprintf("%v %+v %#v %s", r.Status(), r.url, r.url, r.Status().Err)} {
		for _, secret := range []string{"sesame", "wrong+secret", "wrong%2Bsecret"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is told in %s", secret, text)
			}
		}
	}
	// A password that becomes right again is enough.
	if _, err := server.Do("CONFIG", "SET", "requirepass", ""); err != nil {
		t.Fatal(err)
	}
	awaitBreaker(t, r, "closed")
	answersDegraded(t, r, memory, "")
}

// A Redis that lets us in but not read is one that does not answer.
func TestRedisForbidsReading(t *testing.T) {
	memory := newMemory(t)
	server := redistest.Start(t)
	r := filled(t, server, memory, quick)
	if _, err := server.Do("ACL", "SETUSER", "default", "-mget"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the breaker to open", func() bool {
		answersDegraded(t, r, memory, RedisUnavailable)
		return r.Status().Breaker == "open"
	})
	if err := r.Status().Err; err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("%v, expected NOPERM", err)
	}
	if _, err := server.Do("ACL", "SETUSER", "default", "+mget"); err != nil {
		t.Fatal(err)
	}
	awaitBreaker(t, r, "closed")
	answersDegraded(t, r, memory, "")
}

// A caller with little time gets its answer within it, and its haste opens the breaker for nobody.
func TestRedisAndTheCallersDeadline(t *testing.T) {
	memory := newMemory(t)
	server := redistest.Start(t)
	r := filled(t, server, memory, RedisOptions{Timeout: time.Minute, Retry: 50 * time.Millisecond})
	server.Freeze()
	ask, out := manyFixtures(memory, 1), make([]features.Vector, 1)
	for range 3 * tripAfter {
		hasty, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := r.Vectors(hasty, ask, out)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			continue // this machine was away for half of it
		}
		if err != nil || out[0].Degraded != RedisUnavailable {
			t.Fatalf("%+v, %v", out[0], err)
		}
		same(t, "in haste", out[0], compared(memory, ask[0]))
	}
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	asked := r.Status().Asked
	go func() { left <- r.Vectors(leaving, ask, out) }()
	eventually(t, "the question to be asked", func() bool { return r.Status().Asked > asked })
	leave()
	select {
	case err := <-left:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("left: %v", err)
		}
	case <-time.After(prompt):
		t.Fatal("a caller who left is kept waiting")
	}
	if s := r.Status(); s.Breaker != "closed" || s.Opened != 0 {
		t.Errorf("hasty callers opened the breaker: %+v", s)
	}
	server.Thaw()
	answersDegraded(t, r, memory, "")
}

// Where nobody but hasty callers asks, they open the breaker of a frozen Redis all the same.
func TestRedisFrozenForHastyCallers(t *testing.T) {
	memory := newMemory(t)
	server := redistest.Start(t)
	r := filled(t, server, memory, RedisOptions{Timeout: 100 * time.Millisecond, Retry: time.Hour})
	server.Freeze()
	ask, out := manyFixtures(memory, 1), make([]features.Vector, 1)
	eventually(t, "the breaker to open", func() bool {
		hasty, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
		defer cancel()
		if err := r.Vectors(hasty, ask, out); err == nil && out[0].Degraded != RedisUnavailable {
			t.Fatalf("%+v", out[0])
		}
		return r.Status().Breaker == "open"
	})
}

func TestCloseWhileFrozen(t *testing.T) {
	memory := newMemory(t)
	server := redistest.Start(t)
	fill(t, server, memory)
	r, err := OpenRedis(t.Context(), parsed(t, server.URL()), memory, quick)
	if err != nil {
		t.Fatal(err)
	}
	server.Freeze()
	answersDegraded(t, r, memory, RedisUnavailable)
	closed := make(chan struct{})
	go func() { r.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(prompt):
		t.Fatal("Close waits for a frozen Redis")
	}
}

// answersDegraded checks that a stored match and a pairing are answered as the feature code would,
// at once, with this reason.
func answersDegraded(t *testing.T, r *Redis, memory *Memory, want string) {
	t.Helper()
	ask := manyFixtures(memory, 2)
	out := make([]features.Vector, len(ask))
	started := time.Now()
	if err := r.Vectors(t.Context(), ask, out); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took > prompt {
		t.Errorf("it took %s", took)
	}
	for i := range out {
		same(t, want, out[i], compared(memory, ask[i]))
		if out[i].Degraded != want {
			t.Errorf("degraded by %q, expected %q (%+v)", out[i].Degraded, want, r.Status())
		}
	}
}

func degradedBy(t *testing.T, r *Redis, memory *Memory) string {
	t.Helper()
	var out [1]features.Vector
	if err := r.Vectors(t.Context(), manyFixtures(memory, 1), out[:]); err != nil {
		t.Fatal(err)
	}
	return out[0].Degraded
}

func fill(t *testing.T, server *redistest.Server, memory *Memory) {
	t.Helper()
	if _, err := Materialize(t.Context(), parsed(t, server.URL()), memory, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
}

func awaitBreaker(t *testing.T, r *Redis, state string) {
	t.Helper()
	eventually(t, "the breaker to be "+state, func() bool { return r.Status().Breaker == state })
}

// eventually polls until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
