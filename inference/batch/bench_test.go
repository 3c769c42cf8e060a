package batch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// BenchmarkUncontended compares Do, where a slot is free, with a bare call of the run function.
func BenchmarkUncontended(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	run := func(items []*int) error { *items[0]++; return nil }
	item := []*int{new(int)}
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := run(item); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, o := range map[string]Options{"do": {}, "do-observed": {Ran: func(Run) {}}} {
		batcher, err := New[int](2, run, o)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := batcher.Do(ctx, 1, 1, item[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkContended compares 64 callers, on two slots, with two goroutines that run batches of 32
// items made by hand. A run burns 2 µs and so much a row. Both take turns within each iteration;
// reported are the medians of
//
//   - cpu-ratio: rows per second of CPU, by means of the Batcher relative to by hand. It says what
//     the Batcher costs, also on a machine that has something else to do;
//   - ratio: the same by the clock;
//   - items/run.
func BenchmarkContended(b *testing.B) {
	for _, c := range []struct {
		perRow time.Duration
		rows   int // per item
	}{
		{1 * time.Microsecond, 1},
		{1 * time.Microsecond, 8},
		{3 * time.Microsecond, 1},
		{10 * time.Microsecond, 1},
		{30 * time.Microsecond, 1},
	} {
		b.Run(fmt.Sprintf("%vPerRow/%dRowsPerItem", c.perRow, c.rows), func(b *testing.B) {
			const slots, callers, calls, batch = 2, 64, 100, 32
			spin := spinner()
			var runs atomic.Int64
			run := func(items []*int) error {
				runs.Add(1)
				spin(2*time.Microsecond + time.Duration(len(items)*c.rows)*c.perRow)
				for _, i := range items {
					*i++
				}
				return nil
			}
			byHand := func() {
				var wg sync.WaitGroup
				for range slots {
					wg.Go(func() {
						items := make([]*int, batch)
						for i := range items {
							items[i] = new(int)
						}
						for range callers * calls / slots / batch {
							if err := run(items); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
			}
			batcher, err := New[int](slots, run, Options{MaxRows: batch * c.rows})
			if err != nil {
				b.Fatal(err)
			}
			byBatcher := func() {
				var wg sync.WaitGroup
				for range callers {
					wg.Go(func() {
						ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
						defer cancel()
						item := new(int)
						for range calls {
							if err := batcher.Do(ctx, 1, c.rows, item); err != nil {
								b.Error(err)
							}
						}
						if *item != calls {
							b.Errorf("%d runs of %d calls", *item, calls)
						}
					})
				}
				wg.Wait()
			}
			var clocks, cpus, sizes []float64
			for b.Loop() {
				handClock, handCPU := measure(byHand)
				runs.Store(0)
				clock, cpu := measure(byBatcher)
				clocks = append(clocks, handClock.Seconds()/clock.Seconds())
				cpus = append(cpus, handCPU.Seconds()/cpu.Seconds())
				sizes = append(sizes, callers*calls/float64(runs.Load()))
			}
			b.ReportMetric(median(clocks), "ratio")
			b.ReportMetric(median(cpus), "cpu-ratio")
			b.ReportMetric(median(sizes), "items/run")
		})
	}
}

// measure returns how long f takes by the clock, and of CPU.
func measure(f func()) (clock, cpu time.Duration) {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			panic(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start, cpuStart := time.Now(), used()
	f()
	return time.Since(start), used() - cpuStart
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

var sink atomic.Uint64

// spinner returns a function that computes for about as long as it is told, by counting: a clock
// would hide that something else had the CPU.
func spinner() func(time.Duration) {
	compute := func(steps int64) {
		x := uint64(steps) | 1
		for range steps {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		sink.Store(x)
	}
	const steps = 100_000
	fastest := time.Hour
	for range 20 {
		start := time.Now()
		compute(steps)
		fastest = min(fastest, time.Since(start))
	}
	return func(d time.Duration) { compute(int64(d) * steps / int64(fastest)) }
}
