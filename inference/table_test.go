package inference

import (
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestAcquire(t *testing.T) {
	s := newStage(t)
	s.put(t, "a", "1", "good")
	s.put(t, "a", "2", "good")
	s.put(t, "a", "10", "good")
	s.put(t, "b", "3", "bad")
	writeFile(t, filepath.Join(s.dir, "a", "aliases.json"), `{"champion": "2", "challenger": "10"}`)
	r := newRegistry(t, s, Options{})
	if got, want := answer(t, r, "a", ""), "model not ready: models have not been listed yet"; got != want {
		t.Errorf("before the first poll: got %s, want %s", got, want)
	}
	poll(t, r)
	for _, test := range []struct{ name, version, want string }{
		{"a", "", "a/2=12"},
		{"a", "1", "a/1=11"},
		{"a", "10", "a/10=20"},
		{"a", "champion", "a/2=12"},
		{"a", "challenger", "a/10=20"},
		{"a", "3", `model version unknown: "a" version "3"; expected 1, 2, 10, champion, challenger`},
		{"a", "shadow", `model version unknown: "a" version "shadow"; expected 1, 2, 10, champion, challenger`},
		{"b", "", `model not ready: "b" version 3 has failed: the file is bad`},
		{"b", "3", `model not ready: "b" version 3 has failed: the file is bad`},
		{"c", "", `model unknown: "c"; expected a, b`},
		{"", "", `model unknown: ""; expected a, b`},
	} {
		if got := answer(t, r, test.name, test.version); got != test.want {
			t.Errorf("%s/%s: got %s, want %s", test.name, test.version, got, test.want)
		}
	}
	if got, want := strings.Join(s.opened, " "), "a/2 b/3 a/10 a/1"; got != want {
		t.Errorf("opened %s, want those that serve first, then the highest: %s", got, want)
	}
}

// Each change of the version that serves is logged, whatever brought it about.
func TestServingVersionChangedIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.put(t, "m", "1", "good")
		s.put(t, "m", "2", "good")
		var log strings.Builder
		r := newRegistry(t, s, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		aliases := filepath.Join(s.dir, "m", "aliases.json")
		for _, step := range []struct {
			name   string
			change func()
			want   string
		}{
			{"first", func() {}, "from= to=2"},
			{"nothing", func() {}, ""},
			{"alias", func() { writeFile(t, aliases, `{"champion": "1"}`) }, "from=2 to=1"},
			{"another alias", func() { writeFile(t, aliases, `{"champion": "1", "challenger": "2"}`) }, ""},
			{"new version beside the alias", func() { s.put(t, "m", "3", "good") }, ""},
			{"no alias", func() { writeFile(t, aliases, `{}`) }, "from=1 to=3"},
			{"new version", func() { s.put(t, "m", "4", "good") }, "from=3 to=4"},
			{"bad version", func() { s.put(t, "m", "5", "bad") }, ""},
			{"no version", func() { s.wishes = []Aspired{} }, "from=4 to="},
		} {
			log.Reset()
			step.change()
			poll(t, r)
			synctest.Wait() // for what logs that it was closed
			var got []string
			for line := range strings.Lines(log.String()) {
				if _, change, ok := strings.Cut(line, `level=INFO msg="serving version changed" model=m `); ok {
					got = append(got, strings.NewReplacer(`""`, "", "\n", "").Replace(change))
				}
			}
			if strings.Join(got, "; ") != step.want {
				t.Errorf("%s: got %v, want %s", step.name, got, step.want)
			}
		}
	})
}

// A handle's version answers as itself, however often versions are swapped under its callers.
func TestSwapsUnderLoad(t *testing.T) {
	s := newStage(t)
	s.put(t, "m", "1", "good")
	s.put(t, "m", "2", "good")
	r := newRegistry(t, s, Options{})
	wish := func(version string) {
		s.wishes = []Aspired{{Name: "m", Versions: []string{version}, Serving: version}}
		poll(t, r)
	}
	wish("1")
	done := make(chan struct{})
	var callers sync.WaitGroup
	var answers atomic.Int64
	for range 4 {
		callers.Go(func() {
			outputs := []Tensor{{Name: "y"}}
			inputs := []Tensor{{"x", FP32, []int64{1, 1}, BytesOf([]float32{10})}}
			for {
				select {
				case <-done:
					return
				default:
				}
				h, err := r.Acquire("m", "")
				if err != nil {
					t.Error(err)
					return
				}
				err = h.Run(t.Context(), inputs, outputs)
				got, want := ElementsOf[float32](outputs[0].Data)[0], 10+h.Model().(*batched).Model.(*puppet).plus
				h.Release()
				if err != nil || got != want {
					t.Errorf("got %v, want %v: %v", got, want, err)
					return
				}
				answers.Add(1)
			}
		})
	}
	for swap := 0; swap < 200 || answers.Load() < 1000; swap++ {
		wish([]string{"2", "1"}[swap%2])
	}
	close(done)
	callers.Wait()
}

func TestAcquireAllocatesNothing(t *testing.T) {
	s := newStage(t)
	s.put(t, "m", "1", "good")
	r := newRegistry(t, s, Options{})
	poll(t, r)
	if n := testing.AllocsPerRun(100, func() {
		h, err := r.Acquire("m", "")
		if err != nil {
			t.Fatal(err)
		}
		h.Release()
	}); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

func BenchmarkAcquire(b *testing.B) {
	s := newStage(b)
	s.put(b, "match-outcome", "1", "good")
	s.put(b, "another", "1", "good")
	r := newRegistry(b, s, Options{})
	poll(b, r)
	acquire := func() {
		h, err := r.Acquire("match-outcome", "")
		if err != nil {
			b.Fatal(err)
		}
		h.Release()
	}
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			acquire()
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				acquire()
			}
		})
	})
}
