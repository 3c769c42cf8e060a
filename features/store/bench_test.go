package store

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"footballprediction/features"
	"footballprediction/features/store/redistest"
)

// BenchmarkVectors is what the features of one prediction, of many at a time and of batches cost, in
// process and from a real Redis on loopback, over the released state.
func BenchmarkVectors(b *testing.B) {
	state, err := Load(filepath.Join("..", "..", "models", "released", "state"))
	if err != nil {
		b.Fatal(err)
	}
	memory, err := NewMemory(state, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	redis := filled(b, redistest.Start(b), memory, RedisOptions{})
	for _, store := range []struct {
		name string
		features.VectorStore
	}{{"memory", memory}, {"redis", redis}} {
		for _, kind := range []string{"stored", "pairing"} {
			for _, n := range []int{1, 100, 1000} {
				fixtures := scheduledFixtures(memory, n, kind == "stored")
				b.Run(fmt.Sprintf("%s/%s/%d", store.name, kind, n), func(b *testing.B) {
					b.ReportAllocs()
					out := make([]features.Vector, n)
					for b.Loop() {
						ask(b, store, fixtures, out)
					}
					b.ReportMetric(float64(b.N)*float64(n)/b.Elapsed().Seconds(), "vectors/s")
				})
			}
			b.Run(fmt.Sprintf("%s/%s/concurrent", store.name, kind), func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(64)
				b.RunParallel(func(pb *testing.PB) {
					fixtures, out := scheduledFixtures(memory, 1, kind == "stored"), make([]features.Vector, 1)
					for pb.Next() {
						ask(b, store, fixtures, out)
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "vectors/s")
			})
		}
	}
	if s := redis.Status(); s.Failed != 0 || unusable(s) != 0 {
		b.Errorf("status %+v", s)
	}
}

func ask(b *testing.B, store features.VectorStore, fixtures []features.Fixture, out []features.Vector) {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if err := store.Vectors(ctx, fixtures, out); err != nil {
		b.Error(err)
	}
	if last := &out[len(out)-1]; last.Err != nil || last.Degraded != "" || len(last.Values) == 0 {
		b.Errorf("%+v", last)
	}
}

// scheduledFixtures are n matches to come, as they are stored or as pairings.
func scheduledFixtures(memory *Memory, n int, stored bool) []features.Fixture {
	var all []features.Fixture
	for i := 0; len(all) < n; i++ {
		if match := &memory.matches[i%len(memory.matches)]; match.Status == features.Scheduled {
			f := storedFixture(match)
			if !stored {
				f.MatchID = ""
			}
			all = append(all, f)
		}
	}
	return all
}
