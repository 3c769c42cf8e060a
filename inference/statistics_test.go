package inference

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footballprediction/inference/batch"
)

// witness is an Observer that writes down what it is told.
type witness struct {
	mu   sync.Mutex
	told []string
}

func (w *witness) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, fmt.Sprintf(format, args...))
}

func (w *witness) Ran(e Execution) {
	w.note("%d requests, %d rows, waited %v, took %v, %v, %v", e.Items, e.Rows, e.Waited, e.Took, e.Release, e.Err)
}

func (w *witness) Rejected(reason error, waited time.Duration) {
	w.note("%v after %v", reason, waited)
}

// One busy session: requests share executions, fail, leave and find the queue full.
func TestStatisticsAndObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := new(witness)
		model := newGated()
		b, err := newBatched(model, batch.Options{QueueItems: 3}, w)
		if err != nil {
			t.Fatal(err)
		}
		call := func(ctx context.Context, rows int) {
			go func() { _, _ = ask(ctx, b, 1, rows, 1, "y") }() // what comes of it, the witness is told
			synctest.Wait()
		}
		runs := func(d time.Duration, err error) {
			<-model.enter
			<-time.After(d)
			model.leave <- err
			synctest.Wait()
		}
		bad := errors.New("bad row")
		leaving, leave := context.WithTimeout(t.Context(), 15*time.Millisecond)
		defer leave()

		call(t.Context(), 1)
		<-time.After(10 * time.Millisecond)
		call(t.Context(), 2)
		call(t.Context(), 3)
		call(leaving, 4)
		call(t.Context(), 5)                // one too many
		_, _ = ask(t.Context(), b, 1, 0, 1) // fits no signature: nobody is told
		runs(10*time.Millisecond, nil)
		runs(2*time.Millisecond, bad) // both together
		runs(3*time.Millisecond, nil)
		runs(4*time.Millisecond, bad)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		call(t.Context(), 6)

		want := []string{
			"queue full after 0s",
			"context deadline exceeded after 5ms",
			"1 requests, 1 rows, waited [0s], took 20ms, free_slot, <nil>",
			"2 requests, 5 rows, waited [10ms 10ms], took 2ms, free_slot, bad row",
			"1 requests, 2 rows, waited [12ms], took 3ms, retry, <nil>",
			"1 requests, 3 rows, waited [15ms], took 4ms, retry, bad row",
			"model not ready: the version has been closed after 0s",
		}
		if !slices.Equal(w.told, want) {
			t.Errorf("told %q, expected %q", w.told, want)
		}
		const ms = time.Millisecond
		if got, want := b.collector.statistics(), (Statistics{
			Last: start.Add(22 * ms), Rows: 3, Executions: 2,
			Answered: Tally{2, 35 * ms}, Waited: Tally{2, 12 * ms}, Computed: Tally{2, 23 * ms},
			Failed:  Tally{4, 24 * ms},
			Batches: []BatchTally{{Rows: 1, Tally: Tally{1, 20 * ms}}, {Rows: 2, Tally: Tally{1, 3 * ms}}},
		}); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, expected %+v", got, want)
		}
	})
}

func TestStatisticsOfManySizesAreBounded(t *testing.T) {
	var c collector
	for rows := 1; rows < 3*BatchRowsMax; rows++ {
		c.Ran(Execution{Items: 1, Rows: rows, Waited: []time.Duration{0}})
	}
	s := c.statistics()
	if len(s.Batches) != BatchRowsMax || s.Batches[BatchRowsMax-1].Rows != BatchRowsMax || s.Executions != 3*BatchRowsMax-1 {
		t.Errorf("%d sizes, %d executions", len(s.Batches), s.Executions)
	}
}

// Who observes a version is asked for once, and told of requests alone.
func TestObserveEachVersion(t *testing.T) {
	s := newStage(t)
	s.put(t, "m", "1", "good")
	s.put(t, "m", "2", "bad")
	witnesses := map[string]*witness{}
	r := newRegistry(t, s, Options{Observe: func(name, version string) Observer {
		w := new(witness)
		witnesses[name+"/"+version] = w
		return w
	}})
	poll(t, r)
	poll(t, r)
	if got := answer(t, r, "m", ""); got != "m/1=11" {
		t.Fatal(got)
	}
	if len(witnesses) != 1 || len(witnesses["m/1"].told) != 1 {
		t.Errorf("got %v", witnesses)
	}
	h, err := r.Acquire("m", "1")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if got := h.Statistics(); got.Executions != 1 || got.Rows != 1 || got.Last.IsZero() || got.Answered.Count != 1 {
		t.Errorf("got %+v", got)
	}
}

// metered is a gated model that says how long it copied.
type metered struct{ *gated }

func (m metered) RunMeasured(ctx context.Context, inputs, outputs []Tensor, copied *Copied) error {
	copied.In += 2 * time.Millisecond
	copied.Out += 3 * time.Millisecond
	return m.Run(ctx, inputs, outputs)
}

// What a model copied counts for each request that shares the execution, once for the execution, and
// not where it failed.
func TestStatisticsOfCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := metered{newGated()}
		b, err := newBatched(model, batch.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // the first alone, the others together
			go func() { _, _ = ask(t.Context(), b, 1, 2, 1, "y") }()
			synctest.Wait()
		}
		for _, err := range []error{nil, errors.New("bad row"), nil, nil} {
			<-model.enter
			<-time.After(10 * time.Millisecond)
			model.leave <- err
			synctest.Wait()
		}
		go func() { _, _ = ask(t.Context(), b, 1, 2, 1, "y") }()
		<-model.enter
		for range 2 {
			go func() { _, _ = ask(t.Context(), b, 1, 2, 1, "y") }()
		}
		synctest.Wait()
		for last := range 2 {
			<-time.After(10 * time.Millisecond)
			model.leave <- nil
			if last == 0 {
				<-model.enter
			}
		}
		synctest.Wait()
		const ms = time.Millisecond
		got := b.collector.statistics()
		if want := (Copied{6 * 2 * ms, 6 * 3 * ms}); got.Copied != want || got.Computed != (Tally{6, 60 * ms}) {
			t.Errorf("copied %v of %v, want %v", got.Copied, got.Computed, want)
		}
		if want := []BatchTally{
			{Rows: 2, Tally: Tally{4, 40 * ms}, Copied: Copied{8 * ms, 12 * ms}},
			{Rows: 4, Tally: Tally{1, 10 * ms}, Copied: Copied{2 * ms, 3 * ms}},
		}; !slices.Equal(got.Batches, want) {
			t.Errorf("got %v, want %v", got.Batches, want)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}
