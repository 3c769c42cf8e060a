package inference

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"footballprediction/inference/batch"
)

// recorder is a Model that gives back a number and a string of each row, and notes how many rows it ran.
type recorder struct {
	mu   sync.Mutex
	rows []int64
	fail error // if not nil, of executions of one row
}

func (r *recorder) Inputs() []TensorSpec {
	return []TensorSpec{{"n", Int16, []int64{-1, 2}}, {"s", Bytes, []int64{-1, -1}}}
}

func (r *recorder) Outputs() []TensorSpec {
	return []TensorSpec{{"n", Int16, []int64{-1, 2}}, {"s", Bytes, []int64{-1, -1}}}
}
func (r *recorder) Concurrency() int { return 2 }
func (r *recorder) Close() error     { return nil }

func (r *recorder) Run(_ context.Context, inputs, outputs []Tensor) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows := inputs[0].Shape[0]
	r.rows = append(r.rows, rows)
	if r.fail != nil && rows == 1 {
		return r.fail
	}
	if _, err := CheckInputs(r.Inputs(), inputs); err != nil {
		return err
	}
	for i := range outputs {
		out, in := &outputs[i], Find(inputs, outputs[i].Name, i)
		out.Type, out.Shape, out.Data = in.Type, append(out.Shape[:0], in.Shape...), append(out.Data[:0], in.Data...)
	}
	return nil
}

// strings of width columns, each as long as its place tells.
func (r *recorder) ask(rows, width int) []Tensor {
	numbers := make([]int16, 2*rows)
	var text []byte
	for i := range numbers {
		numbers[i] = int16(i)
	}
	for i := range rows * width {
		text = AppendBytes(text, fmt.Sprintf("%0*d", i%7, i))
	}
	return []Tensor{
		{"s", Bytes, []int64{int64(rows), int64(width)}, text},
		{"n", Int16, []int64{int64(rows), 2}, BytesOf(numbers)},
	}
}

func TestManyRowsAreSplitAndJoined(t *testing.T) {
	for _, test := range []struct {
		rows int
		batch.Options
		want []int64
	}{
		{4, batch.Options{MaxRows: 4}, []int64{4}},
		{5, batch.Options{MaxRows: 4}, []int64{4, 1}},
		{12, batch.Options{MaxRows: 4}, []int64{4, 4, 4}},
		{3, batch.Options{MaxRows: 1}, []int64{1, 1, 1}},
		{batch.MaxRowsDefault + 1, batch.Options{}, []int64{batch.MaxRowsDefault, 1}},
		{9, batch.Options{MaxRows: 4, Alone: true}, []int64{9}}, // rows that may depend on one another
	} {
		model := new(recorder)
		b, err := newBatched(model, test.Options, nil)
		if err != nil {
			t.Fatal(err)
		}
		inputs := model.ask(test.rows, 3)
		outputs := []Tensor{{Name: "n"}, {Name: "s"}}
		for range 2 { // the second time with the memory of the first
			if err := b.Run(t.Context(), inputs, outputs); err != nil {
				t.Fatal(err)
			}
			for _, out := range outputs {
				if err := compare(&out, Find(inputs, out.Name, 0), 0); err != nil {
					t.Errorf("%d rows, %+v: output %s: %v", test.rows, test.Options, out.Name, err)
				}
			}
		}
		if want := slices.Concat(test.want, test.want); !slices.Equal(model.rows, want) {
			t.Errorf("%d rows, %+v: executions of %d rows, expected %d", test.rows, test.Options, model.rows, want)
		}
		s := b.collector.statistics()
		if s.Answered.Count != 2 || s.Waited.Count != 2 || s.Computed.Count != 2 || s.Rows != uint64(2*test.rows) || s.Executions != uint64(2*len(test.want)) {
			t.Errorf("%d rows: %+v, expected 2 requests", test.rows, s)
		}
	}
}

func TestAPartThatFailsFailsTheRequest(t *testing.T) {
	bad := errors.New("bad row")
	model := &recorder{fail: bad}
	b, err := newBatched(model, batch.Options{MaxRows: 4}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Run(t.Context(), model.ask(9, 1), []Tensor{{Name: "n"}}); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	if s := b.collector.statistics(); s.Answered.Count != 0 || s.Failed.Count != 1 {
		t.Errorf("%+v", s)
	}
	// Its memory is used again.
	inputs, outputs := model.ask(8, 2), []Tensor{{Name: "s"}}
	if err := b.Run(t.Context(), inputs, outputs); err != nil {
		t.Fatal(err)
	}
	if err := compare(&outputs[0], &inputs[0], 0); err != nil {
		t.Error(err)
	}
}

// A request of many rows and those of few take turns; who leaves between two parts is not run further.
func TestPartsLetOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := newGated()
		b, err := newBatched(model, batch.Options{MaxRows: 4}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		runs := func(rows int64) {
			t.Helper()
			if got := <-model.enter; got != rows {
				t.Errorf("%d rows, expected %d", got, rows)
			}
		}
		ctx, leave := context.WithCancel(t.Context())
		callers.Go(func() {
			if _, err := ask(ctx, b, 1, 13, 1, "y"); !errors.Is(err, context.Canceled) {
				t.Errorf("who left: %v", err)
			}
		})
		runs(4)
		callers.Go(func() { wants(t, 2, 9, 1)(ask(t.Context(), b, 2, 9, 1, "y", "z")) })
		synctest.Wait()
		callers.Go(func() { wants(t, 3, 1, 1)(ask(t.Context(), b, 3, 1, 1, "y")) })
		for _, rows := range []int64{4, 1, 4} { // of the second request, the third, the first again
			synctest.Wait()
			model.leave <- nil
			synctest.Wait()
			runs(rows)
		}
		leave()
		for _, rows := range []int64{4, 1} {
			synctest.Wait()
			model.leave <- nil
			synctest.Wait()
			runs(rows)
		}
		model.leave <- nil
		callers.Wait()
	})
}

// That outputs count no rows shows in the first part; then the request is run as a whole.
func TestManyRowsOfAModelThatDoesNotCountThem(t *testing.T) {
	model := newGated()
	model.sums = true
	b := newBench(t, model, batch.Options{MaxRows: 2})
	for round, executions := range [][]int64{{2, 5}, {5}} {
		b.call(t.Context(), 1, 5, 1, func(outputs []Tensor, err error) {
			if got := ElementsOf[float32](outputs[0].Data); err != nil || !slices.Equal(got, []float32{10}) {
				t.Errorf("round %d: got %v, %v", round, got, err)
			}
		}, "y")
		for _, want := range executions {
			if rows := <-model.enter; rows != want {
				t.Errorf("round %d: %d rows, expected %d", round, rows, want)
			}
			model.leave <- nil
		}
		b.callers.Wait()
	}
}

// Handle.RunAt hands the priority on, and a deadline that cannot be met is told from a full queue.
func TestPrioritiesAndDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		model := newGated()
		b, err := newBatched(model, batch.Options{MaxRows: 1, PriorityLevels: 2}, w)
		if err != nil {
			t.Fatal(err)
		}
		h := Handle{&version{model: b}}
		var callers sync.WaitGroup
		var order []float32
		var mu sync.Mutex
		call := func(ctx context.Context, priority uint32, x float32) {
			callers.Go(func() {
				outputs := []Tensor{{Name: "y"}}
				inputs := []Tensor{{"x", FP32, []int64{1, 1}, BytesOf([]float32{x})}}
				if err := h.RunAt(ctx, priority, inputs, outputs); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, x)
			})
			synctest.Wait()
		}
		runs := func() {
			<-model.enter
			<-time.After(10 * time.Millisecond)
			model.leave <- nil
			synctest.Wait()
		}
		call(t.Context(), 0, 1)
		runs()
		call(t.Context(), 0, 2)
		call(t.Context(), 0, 3)
		call(t.Context(), 2, 4)
		call(t.Context(), 1, 5)
		hasty, cancel := context.WithTimeout(t.Context(), 24*time.Millisecond)
		defer cancel()
		_, err = ask(hasty, b, 6, 1, 1, "y")
		var shed *DeadlineError
		if !errors.As(err, &shed) || shed.Wait != 30*time.Millisecond || !errors.Is(err, ErrDeadlineUnmeetable) || !errors.Is(err, ErrQueueFull) {
			t.Errorf("got %v", err)
		}
		call(hasty, 1, 7) // but for the one who asks so there is time
		for range 5 {
			runs()
		}
		callers.Wait()
		if want := []float32{1, 2, 5, 7, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("answered in the order %v, expected %v", order, want)
		}
		if !slices.Contains(w.told, shed.Error()+" after 0s") {
			t.Errorf("told %q", w.told)
		}
	})
}
