package batch

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// order is what a caller of TestEachCallerGetsItsOwn wants, and gets.
type order struct {
	key, rows int
	bad       int // 1: its runs fail, 2: they panic
	in, out   []int
	runs      int
}

var errBad = errors.New("bad")

// Many callers at once, of several keys, some of them bad, some who leave: each gets what it
// ordered, runs keep to their limits, nobody is forgotten.
func TestEachCallerGetsItsOwn(t *testing.T) {
	for _, test := range []struct {
		name  string
		slots int
		Options
	}{
		{"one slot", 1, Options{MaxRows: 16}},
		{"two slots", 2, Options{MaxRows: 16}},
		{"small batches, short queue", 3, Options{MaxRows: 5, QueueItems: 55, QueueRows: 180}},
		{"delay", 2, Options{MaxRows: 16, Delay: 50 * time.Microsecond}},
		{"priorities", 2, Options{MaxRows: 8, PriorityLevels: 4, DefaultPriority: 2, QueueItems: 50}},
		{"priorities and delay", 2, Options{MaxRows: 8, PriorityLevels: 3, Delay: 50 * time.Microsecond}},
		{"alone", 2, Options{MaxRows: 1, Alone: true, PriorityLevels: 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			eachGetsItsOwn(t, test.slots, test.Options)
		})
	}
}

func eachGetsItsOwn(t *testing.T, slots int, o Options) {
	const callers, calls, keys = 64, 100, 3
	var running atomic.Int32
	var reached, ran, rejected, told atomic.Int64
	o.Ran = func(r Run) {
		ran.Add(int64(r.Items))
		if len(r.Waited) != r.Items {
			t.Errorf("%d waits of %d items", len(r.Waited), r.Items)
		}
	}
	o.Rejected = func(error, time.Duration) { told.Add(1) }
	b, err := New[int](slots, func(orders []*order) error {
		if n := running.Add(1); int(n) > slots {
			t.Errorf("%d runs at once in %d slots", n, slots)
		}
		defer running.Add(-1)
		reached.Add(int64(len(orders)))
		rows, bad := 0, 0
		for _, o := range orders {
			if o.key != orders[0].key {
				t.Errorf("keys %d and %d in one batch", orders[0].key, o.key)
			}
			rows += o.rows
			bad = max(bad, o.bad)
			o.runs++
			runtime.Gosched()
		}
		if rows > o.MaxRows && len(orders) > 1 || o.Alone && len(orders) > 1 {
			t.Errorf("a batch of %d rows and %d items", rows, len(orders))
		}
		switch bad {
		case 1:
			return errBad
		case 2:
			panic(errBad)
		}
		for _, o := range orders {
			for i, in := range o.in {
				o.out[i] = -in
			}
		}
		return nil
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(caller), 1))
			for call := range calls {
				patience := time.Hour
				if random.IntN(8) == 0 {
					patience = time.Duration(random.IntN(300)) * time.Microsecond
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				if random.IntN(8) == 0 {
					go cancel()
				}
				rows := 1 + random.IntN(6)
				key, priority := random.IntN(keys), uint32(random.IntN(6))
				var err error
				parts := 1 + random.IntN(4)/2
				for part := 0; part < parts && err == nil; part++ {
					mine := &order{key: key, rows: rows, in: make([]int, rows), out: make([]int, rows)}
					for i := range mine.in {
						mine.in[i] = (caller*calls+call)*10 + i + 1
					}
					if n := random.IntN(60); n < 3 {
						mine.bad = n
					}
					err = b.DoPart(ctx, priority, Part{part * rows, (parts - 1 - part) * rows}, key, rows, mine)
					over := ctx.Err()
					if deadline, _ := ctx.Deadline(); errors.Is(err, context.DeadlineExceeded) && time.Now().After(deadline) {
						over = err // though ctx may not have noticed yet, or was cancelled first
					}
					var panicked *PanicError
					switch {
					case err == nil && mine.bad == 0:
						for i, in := range mine.in {
							if mine.out[i] != -in {
								t.Errorf("caller %d got %v for %v", caller, mine.out, mine.in)
								break
							}
						}
					case errors.Is(err, errBad) && mine.bad == 1 && mine.runs > 0:
					case errors.As(err, &panicked) && mine.bad == 2 && mine.runs > 0:
					case errors.Is(err, ErrQueueFull) && mine.runs == 0 && part == 0:
						rejected.Add(1)
					case err != nil && errors.Is(err, over) && mine.runs <= 1: // once if in a batch that failed
						rejected.Add(1)
					default:
						t.Errorf("caller %d: part %d: %v (bad %d, %d runs, context %v)", caller, part, err, mine.bad, mine.runs, over)
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if items, rows := b.Waiting(); items != 0 || rows != 0 {
		t.Errorf("%d items, %d rows still wait", items, rows)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if reached.Load() != ran.Load() {
		t.Errorf("%d items were run, Ran was told of %d", reached.Load(), ran.Load())
	}
	if rejected.Load() != told.Load() {
		t.Errorf("%d items were rejected, Rejected was told of %d", rejected.Load(), told.Load())
	}
}
