package inference

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"

	"footballprediction/inference/batch"
)

// gated is a Model of one slot whose executions wait for the test: y = 2x, row by row.
type gated struct {
	inputs, outputs []TensorSpec
	enter           chan int64 // tells the rows of each execution
	leave           chan error // lets it end
	sums            bool       // y has one row, however many x has
}

func newGated() *gated {
	return &gated{
		inputs:  []TensorSpec{{"x", FP32, []int64{-1, -1}}},
		outputs: []TensorSpec{{"y", FP32, []int64{-1, -1}}, {"z", FP32, []int64{-1, -1}}},
		enter:   make(chan int64), leave: make(chan error),
	}
}

func (g *gated) Inputs() []TensorSpec  { return g.inputs }
func (g *gated) Outputs() []TensorSpec { return g.outputs }
func (g *gated) Concurrency() int      { return 1 }
func (g *gated) Close() error          { return nil }

func (g *gated) Run(_ context.Context, inputs, outputs []Tensor) error {
	g.enter <- inputs[0].Shape[0]
	if err := <-g.leave; err != nil {
		return err
	}
	for i := range outputs {
		out := &outputs[i]
		factor := float32(2)
		if out.Name == "z" {
			factor = 3
		}
		var y []float32
		for _, x := range ElementsOf[float32](inputs[0].Data) {
			y = append(y, factor*x)
		}
		out.Type, out.Shape, out.Data = FP32, slices.Clone(inputs[0].Shape), BytesOf(y)
		if g.sums {
			total := float32(0)
			for _, v := range y {
				total += v
			}
			out.Shape, out.Data = []int64{1, 1}, BytesOf([]float32{total})
		}
	}
	return nil
}

// ask runs rows of a width, all of them x, and returns what came of it.
func ask(ctx context.Context, m Model, x float32, rows, width int, names ...string) ([]Tensor, error) {
	values := slices.Repeat([]float32{x}, rows*width)
	outputs := make([]Tensor, len(names))
	for i, name := range names {
		outputs[i].Name = name
	}
	return outputs, m.Run(ctx, []Tensor{{Name: "x", Type: FP32, Shape: []int64{int64(rows), int64(width)}, Data: BytesOf(values)}}, outputs)
}

// bench is a batched model with callers on the way.
type bench struct {
	*batched
	model   *gated
	callers sync.WaitGroup
}

func newBench(t *testing.T, model *gated, options batch.Options) *bench {
	t.Helper()
	b, err := newBatched(model, options, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{batched: b, model: model}
}

// call asks on a goroutine of its own; check gets what came of it.
func (b *bench) call(ctx context.Context, x float32, rows, width int, check func([]Tensor, error), names ...string) {
	b.callers.Go(func() { check(ask(ctx, b.batched, x, rows, width, names...)) })
}

// queued waits until that many items wait.
func (b *bench) queued(n int) {
	for items := -1; items != n; {
		runtime.Gosched()
		items, _ = b.batcher.Waiting()
	}
}

// wants returns a check that the outputs are factor times x.
func wants(t *testing.T, x float32, rows, width int) func([]Tensor, error) {
	return func(outputs []Tensor, err error) {
		if err != nil {
			t.Errorf("x=%v: %v", x, err)
			return
		}
		for _, out := range outputs {
			want := 2 * x
			if out.Name == "z" {
				want = 3 * x
			}
			got := ElementsOf[float32](out.Data)
			if !slices.Equal(out.Shape, []int64{int64(rows), int64(width)}) || !slices.Equal(got, slices.Repeat([]float32{want}, rows*width)) {
				t.Errorf("x=%v: %s %v %v, expected %d×%d of %v", x, out.Name, out.Shape, got, rows, width, want)
			}
		}
	}
}

func TestRequestsShareAnExecutionWhileTheModelIsBusy(t *testing.T) {
	b := newBench(t, newGated(), batch.Options{})
	ctx := t.Context()
	b.call(ctx, 1, 1, 2, wants(t, 1, 1, 2), "y")
	if rows := <-b.model.enter; rows != 1 {
		t.Fatalf("first execution: %d rows", rows)
	}
	// Four that fit together; one with other outputs, one of another width.
	for i, rows := range []int{1, 3, 2, 4} {
		b.call(ctx, float32(10+i), rows, 2, wants(t, float32(10+i), rows, 2), "y")
		b.queued(i + 1)
	}
	b.call(ctx, 20, 2, 2, wants(t, 20, 2, 2), "z", "y")
	b.queued(5)
	b.call(ctx, 30, 5, 7, wants(t, 30, 5, 7), "y")
	b.queued(6)
	for i, want := range []int64{10, 2, 5} {
		b.model.leave <- nil
		if rows := <-b.model.enter; rows != want {
			t.Errorf("execution %d: %d rows, expected %d", i, rows, want)
		}
	}
	b.model.leave <- nil
	b.callers.Wait()
}

func TestABadRequestFailsAlone(t *testing.T) {
	b := newBench(t, newGated(), batch.Options{})
	ctx := t.Context()
	b.call(ctx, 1, 1, 1, wants(t, 1, 1, 1), "y")
	<-b.model.enter
	bad := errors.New("bad row")
	b.call(ctx, 2, 1, 1, wants(t, 2, 1, 1), "y")
	b.queued(1)
	b.call(ctx, 3, 2, 1, func(_ []Tensor, err error) {
		if !errors.Is(err, bad) {
			t.Errorf("the bad request: %v", err)
		}
	}, "y")
	b.queued(2)
	// What does not fit the signature never joins.
	if _, err := ask(ctx, b.batched, 4, 1, 1, "nope"); !errors.Is(err, ErrTensorUnknown) {
		t.Errorf("an unknown output: %v", err)
	}
	b.model.leave <- nil
	for _, step := range []struct {
		rows int64
		err  error
	}{{3, bad}, {1, nil}, {2, bad}} { // together, then one by one
		if rows := <-b.model.enter; rows != step.rows {
			t.Errorf("%d rows, expected %d", rows, step.rows)
		}
		b.model.leave <- step.err
	}
	b.callers.Wait()
}

func TestWhoLeavesNeverReachesTheModel(t *testing.T) {
	b := newBench(t, newGated(), batch.Options{})
	b.call(t.Context(), 1, 1, 1, wants(t, 1, 1, 1), "y")
	<-b.model.enter
	leaving, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	b.call(leaving, 2, 1, 1, func(_ []Tensor, err error) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
		close(left)
	}, "y")
	b.queued(1)
	b.call(t.Context(), 3, 2, 1, wants(t, 3, 2, 1), "y")
	b.queued(2)
	leave()
	<-left // while the model is still busy
	b.model.leave <- nil
	if rows := <-b.model.enter; rows != 2 {
		t.Errorf("%d rows, expected those of the one who stayed", rows)
	}
	b.model.leave <- nil
	b.callers.Wait()
}

func TestAFullQueueSaysSo(t *testing.T) {
	b := newBench(t, newGated(), batch.Options{QueueItems: 1})
	b.call(t.Context(), 1, 1, 1, wants(t, 1, 1, 1), "y")
	<-b.model.enter
	b.call(t.Context(), 2, 1, 1, wants(t, 2, 1, 1), "y")
	b.queued(1)
	if _, err := ask(t.Context(), b.batched, 3, 1, 1, "y"); !errors.Is(err, ErrQueueFull) {
		t.Errorf("got %v", err)
	}
	b.model.leave <- nil
	<-b.model.enter
	b.model.leave <- nil
	b.callers.Wait()
}

// A model may give one row whatever it is given: its signature looks like any other's.
func TestAModelThatDoesNotCountRowsIsRunSingly(t *testing.T) {
	model := newGated()
	model.sums = true
	b := newBench(t, model, batch.Options{})
	sum := func(want float32) func([]Tensor, error) {
		return func(outputs []Tensor, err error) {
			if got := ElementsOf[float32](outputs[0].Data); err != nil || len(got) != 1 || got[0] != want {
				t.Errorf("got %v, %v, expected %v", got, err, want)
			}
		}
	}
	for round := range 2 {
		b.call(t.Context(), 1, 2, 1, sum(4), "y")
		<-b.model.enter
		b.call(t.Context(), 2, 2, 1, sum(8), "y")
		b.queued(1)
		b.call(t.Context(), 3, 2, 1, sum(12), "y")
		b.queued(2)
		b.model.leave <- nil
		if round == 0 {
			if rows := <-b.model.enter; rows != 4 {
				t.Errorf("%d rows, expected 4: nobody could know", rows)
			}
			b.model.leave <- nil
		}
		for range 2 {
			if rows := <-b.model.enter; rows != 2 {
				t.Errorf("round %d: %d rows, expected 2", round, rows)
			}
			b.model.leave <- nil
		}
		b.callers.Wait()
	}
}

func TestBatchedRunAllocatesNothing(t *testing.T) {
	b, err := newBatched(fixed{}, batch.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := []float32{1, 2, 3, 4}
	inputs := []Tensor{{Name: "x", Type: FP32, Shape: []int64{4, 1}, Data: BytesOf(x)}}
	outputs := []Tensor{{Name: "y"}}
	if n := testing.AllocsPerRun(200, func() {
		if err := b.Run(context.Background(), inputs, outputs); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// fixed copies x to y.
type fixed struct{}

func (fixed) Inputs() []TensorSpec  { return puppetInputs }
func (fixed) Outputs() []TensorSpec { return puppetOutputs }
func (fixed) Concurrency() int      { return 2 }
func (fixed) Close() error          { return nil }
func (fixed) Run(_ context.Context, inputs, outputs []Tensor) error {
	outputs[0].Type, outputs[0].Shape = FP32, append(outputs[0].Shape[:0], inputs[0].Shape...)
	outputs[0].Data = append(outputs[0].Data[:0], inputs[0].Data...)
	return nil
}

// Many callers at once: each gets the answers to its own rows.
func TestEveryCallerGetsItsOwnRows(t *testing.T) {
	for _, options := range []batch.Options{{}, {MaxRows: 3}, {MaxRows: 4, PriorityLevels: 3}, {Alone: true}} {
		everyCallerGetsItsOwnRows(t, options)
	}
}

func everyCallerGetsItsOwnRows(t *testing.T, options batch.Options) {
	b, err := newBatched(fixed{}, options, nil)
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for caller := range 64 {
		callers.Go(func() {
			outputs := []Tensor{{Name: "y"}}
			for i := range 200 {
				x := make([]float32, 1+(caller+i)%7)
				for j := range x {
					x[j] = float32(caller*1000 + i + j)
				}
				inputs := []Tensor{{Name: "x", Type: FP32, Shape: []int64{int64(len(x)), 1}, Data: BytesOf(x)}}
				if err := b.RunAt(t.Context(), uint32(caller%5), inputs, outputs); err != nil {
					t.Error(err)
					return
				}
				if got := ElementsOf[float32](outputs[0].Data); !slices.Equal(got, x) {
					t.Errorf("got %v, expected %v", got, x)
					return
				}
			}
		})
	}
	callers.Wait()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ask(t.Context(), b, 1, 1, 1, "y"); !errors.Is(err, ErrNotReady) {
		t.Errorf("after Close: %v", err)
	}
}
