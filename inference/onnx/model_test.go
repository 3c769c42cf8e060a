package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"footballprediction/inference"
	"footballprediction/inference/onnx/onnxtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, name string, sessions int) *Model {
	t.Helper()
	return openDir(t, filepath.Join(onnxtest.Models(t), name, "1"), sessions)
}

func openDir(t testing.TB, dir string, sessions int) *Model {
	t.Helper()
	opener, err := New(onnxtest.Library(t), Options{Sessions: sessions})
	if err != nil {
		t.Fatal(err)
	}
	m, err := opener.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m.(*Model)
}

func tensor[T inference.Element](name string, t inference.DataType, shape []int64, values ...T) inference.Tensor {
	return inference.Tensor{Name: name, Type: t, Shape: shape, Data: inference.BytesOf(values)}
}

func fp32(name string, shape []int64, values ...float32) inference.Tensor {
	return tensor(name, inference.FP32, shape, values...)
}

func wanted(names ...string) []inference.Tensor {
	outputs := make([]inference.Tensor, len(names))
	for i, name := range names {
		outputs[i].Name = name
	}
	return outputs
}

func equal[T inference.Element](t *testing.T, out inference.Tensor, shape []int64, values ...T) {
	t.Helper()
	got := inference.ElementsOf[T](out.Data)
	if !slices.Equal(out.Shape, shape) || !slices.Equal(got, values) {
		t.Errorf("output %q: got %v %v, want %v %v", out.Name, out.Shape, got, shape, values)
	}
}

func TestRunRows(t *testing.T) {
	m := open(t, "half_plus_two", 1)
	outputs := wanted("y")
	// Growing, shrinking and the same number of rows again, over one buffer.
	for _, x := range [][]float32{{0}, {2, 4, -4}, {1}, {8, 6, 4, 2, 0}, {3, 5}, {2, 4, 6}} {
		rows := int64(len(x))
		if err := m.Run(t.Context(), []inference.Tensor{fp32("x", []int64{rows, 1}, x...)}, outputs); err != nil {
			t.Fatal(err)
		}
		want := make([]float32, len(x))
		for i := range x {
			want[i] = x[i]/2 + 2
		}
		equal(t, outputs[0], []int64{rows, 1}, want...)
		if outputs[0].Type != inference.FP32 {
			t.Errorf("type: got %s", outputs[0].Type)
		}
	}
}

// More rows than one run takes are run in turns, and come back in order.
func TestRunRowsInTurns(t *testing.T) {
	m := open(t, "match_shaped", 1)
	for _, rows := range []int{rowsMax, rowsMax + 1, 3*rowsMax - 1} {
		features := make([]float32, 4*rows)
		for i := range rows {
			copy(features[4*i:], []float32{float32(i), float32(2 * i), float32(i), 7})
		}
		features[0] = 4 // no row sums up to 0
		outputs := wanted("expected_goals", "outcome_probabilities")
		if err := m.Run(t.Context(), []inference.Tensor{fp32("features", []int64{int64(rows), 4}, features...)}, outputs); err != nil {
			t.Fatal(err)
		}
		goals := inference.ElementsOf[float32](outputs[0].Data)
		outcomes := inference.ElementsOf[float32](outputs[1].Data)
		for i := 1; i < rows; i++ {
			if goals[2*i] != float32(i) || goals[2*i+1] != float32(2*i) ||
				!slices.Equal(outcomes[3*i:3*i+3], []float32{.25, .25, .5}) {
				t.Fatalf("%d rows: row %d is %v %v", rows, i, goals[2*i:2*i+2], outcomes[3*i:3*i+3])
			}
		}
	}
}

func TestRunEveryType(t *testing.T) {
	m := open(t, "several_inputs", 2)
	inputs := []inference.Tensor{ // not in the graph's order
		tensor("flag", inference.Bool, []int64{2}, true, false),
		tensor("exact", inference.FP64, []int64{2, 2}, 0.5, 0.25, 0, 1e300),
		fp32("single", []int64{2, 2}, 0.5, 0.75, 0, 0),
		tensor[int64]("large", inference.Int64, []int64{2, 2}, 1<<53+1, 10, math.MaxInt64, 0),
		tensor[int32]("small", inference.Int32, []int64{2, 2}, 1, -1, 0, math.MinInt32),
	}
	outputs := wanted("opposite", "total", "whole")
	if err := m.Run(t.Context(), inputs, outputs); err != nil {
		t.Fatal(err)
	}
	equal(t, outputs[0], []int64{2}, false, true)
	equal(t, outputs[1], []int64{2, 2}, 1<<53+2, 10, float64(math.MaxInt64), 1e300)
	equal[int64](t, outputs[2], []int64{2, 2}, 1<<53+2, 9, math.MaxInt64, math.MinInt32)

	t.Run("some outputs only", func(t *testing.T) {
		outputs := wanted("whole")
		if err := m.Run(t.Context(), inputs, outputs); err != nil {
			t.Fatal(err)
		}
		equal[int64](t, outputs[0], []int64{2, 2}, 1<<53+2, 9, math.MaxInt64, math.MinInt32)
	})
}

func TestRunOtherShapes(t *testing.T) {
	tests := []struct {
		model string
		in    []inference.Tensor
		check func(t *testing.T, out inference.Tensor)
	}{
		{"row_sums", []inference.Tensor{tensor[int64]("matrix", inference.Int64, []int64{2, 3}, 1, 2, 3, 4, 5, 6)},
			func(t *testing.T, out inference.Tensor) { equal[int64](t, out, []int64{2, 1}, 6, 15) }},
		{"row_sums", []inference.Tensor{tensor[int64]("matrix", inference.Int64, []int64{1, 1}, 9)},
			func(t *testing.T, out inference.Tensor) { equal[int64](t, out, []int64{1, 1}, 9) }},
		{"product", []inference.Tensor{fp32("b", []int64{3, 2}, 1, 0, 0, 1, 1, 1), fp32("a", []int64{2, 3}, 1, 2, 3, 4, 5, 6)},
			func(t *testing.T, out inference.Tensor) { equal[float32](t, out, []int64{2, 2}, 4, 5, 10, 11) }},
		{"product_of_any", []inference.Tensor{fp32("a", []int64{1, 3}, 1, 2, 3), fp32("b", []int64{3, 1}, 1, 1, 1)},
			func(t *testing.T, out inference.Tensor) { equal[float32](t, out, []int64{1, 1}, 6) }},
		{"filled", []inference.Tensor{tensor[int64]("shape", inference.Int64, []int64{2}, 2, 3)},
			func(t *testing.T, out inference.Tensor) { equal[float32](t, out, []int64{2, 3}, 0, 0, 0, 0, 0, 0) }},
		{"positions", []inference.Tensor{tensor("flag", inference.Bool, []int64{4}, false, true, false, true)},
			func(t *testing.T, out inference.Tensor) { equal[int64](t, out, []int64{2}, 1, 3) }},
		{"positions", []inference.Tensor{tensor("flag", inference.Bool, []int64{2}, true, true)},
			func(t *testing.T, out inference.Tensor) { equal[int64](t, out, []int64{2}, 0, 1) }},
		{"positions", []inference.Tensor{tensor("flag", inference.Bool, []int64{2}, false, false)},
			func(t *testing.T, out inference.Tensor) { equal[int64](t, out, []int64{0}) }},
		{"three_kept", []inference.Tensor{fp32("x", []int64{1, 4}, 1, 2, 0, 4)},
			func(t *testing.T, out inference.Tensor) { equal[float32](t, out, []int64{1, 3}, 1, 2, 4) }},
	}
	for _, test := range tests {
		t.Run(test.model, func(t *testing.T) {
			m := open(t, test.model, 1)
			for range 2 {
				outputs := wanted(m.Outputs()[0].Name)
				if err := m.Run(t.Context(), test.in, outputs); err != nil {
					t.Fatal(err)
				}
				test.check(t, outputs[0])
			}
		})
	}
}

// Bytes cut out of a message may start anywhere.
func TestRunUnalignedInput(t *testing.T) {
	for _, name := range []string{"half_plus_two", "row_sums"} {
		m := open(t, name, 1)
		spec := m.Inputs()[0]
		message := make([]byte, 1+2*spec.Type.Size())
		in := inference.Tensor{Name: spec.Name, Type: spec.Type, Shape: []int64{2, 1}, Data: message[1:]}
		if err := m.Run(t.Context(), []inference.Tensor{in}, wanted(m.Outputs()[0].Name)); err != nil {
			t.Error(err)
		}
	}
}

func TestRunRefuses(t *testing.T) {
	x := fp32("x", []int64{1, 1}, 1)
	tests := []struct {
		name    string
		model   string
		inputs  []inference.Tensor
		outputs []inference.Tensor
		want    error
		text    string
	}{
		{"unknown input", "half_plus_two", []inference.Tensor{x, fp32("z", []int64{1, 1}, 1)}, wanted("y"),
			inference.ErrTensorUnknown, `input "z": tensor unknown: expected x FP32 [-1,1]`},
		{"missing input", "product", []inference.Tensor{fp32("a", []int64{2, 3}, 1, 2, 3, 4, 5, 6)}, wanted("ab"),
			inference.ErrTensorUnknown, `input "b": tensor unknown: it is missing; expected a FP32 [2,3], b FP32 [3,2]`},
		{"input twice", "half_plus_two", []inference.Tensor{x, x}, wanted("y"),
			inference.ErrTensorUnknown, `input "x": tensor unknown: it is given twice`},
		{"unknown output", "half_plus_two", []inference.Tensor{x}, wanted("z"),
			inference.ErrTensorUnknown, `output "z": tensor unknown: expected y FP32 [-1,1]`},
		{"output twice", "half_plus_two", []inference.Tensor{x}, wanted("y", "y"),
			inference.ErrTensorUnknown, `output "y": tensor unknown: it is given twice`},
		{"no output", "half_plus_two", []inference.Tensor{x}, nil,
			inference.ErrTensorUnknown, `tensor unknown: no output asked for; expected some of y FP32 [-1,1]`},
		{"datatype", "half_plus_two", []inference.Tensor{tensor("x", inference.FP64, []int64{1, 1}, 1.0)}, wanted("y"),
			inference.ErrTensorDataType, `input "x": tensor datatype: expected FP32, got FP64`},
		{"rank", "half_plus_two", []inference.Tensor{fp32("x", []int64{1}, 1)}, wanted("y"),
			inference.ErrTensorShape, `input "x": tensor shape: expected 2 dimensions [-1,1], got 1 [1]`},
		{"dimension", "half_plus_two", []inference.Tensor{fp32("x", []int64{1, 2}, 1, 2)}, wanted("y"),
			inference.ErrTensorShape, `input "x": tensor shape: expected [-1,1], got [1,2]`},
		{"no rows", "half_plus_two", []inference.Tensor{fp32("x", []int64{0, 1})}, wanted("y"),
			inference.ErrTensorShape, `input "x": tensor shape: dimension 0 of [0,1] is 0, expected at least 1`},
		{"negative", "half_plus_two", []inference.Tensor{fp32("x", []int64{-1, 1}, 1)}, wanted("y"),
			inference.ErrTensorShape, `input "x": tensor shape: dimension 0 of [-1,1] is -1, expected at least 1`},
		{"overflow", "row_sums", []inference.Tensor{tensor[int64]("matrix", inference.Int64, []int64{1 << 32, 1 << 32}, 1)}, wanted("sums"),
			inference.ErrTensorShape, `input "matrix": tensor shape: [4294967296,4294967296] overflows`},
		{"2 GiB claimed", "half_plus_two", []inference.Tensor{fp32("x", []int64{1 << 29, 1}, 1)}, wanted("y"),
			inference.ErrTensorSize, `input "x": tensor size: expected 2147483648 bytes for FP32 [536870912,1], got 4`},
		{"bytes too many", "half_plus_two", []inference.Tensor{fp32("x", []int64{1, 1}, 1, 2)}, wanted("y"),
			inference.ErrTensorSize, `input "x": tensor size: expected 4 bytes for FP32 [1,1], got 8`},
		{"rows differ", "several_inputs", []inference.Tensor{
			tensor[int32]("small", inference.Int32, []int64{1, 2}, 1, 1), tensor[int64]("large", inference.Int64, []int64{2, 2}, 1, 1, 1, 1),
			tensor("exact", inference.FP64, []int64{1, 2}, 1.0, 1), fp32("single", []int64{1, 2}, 1, 1), tensor("flag", inference.Bool, []int64{1}, true),
		}, wanted("total"),
			inference.ErrTensorShape, `input "large": tensor shape: expected 1 rows, as input "small" has, got 2`},
		{"boolean", "positions", []inference.Tensor{{Name: "flag", Type: inference.Bool, Shape: []int64{2}, Data: []byte{1, 2}}}, wanted("position"),
			inference.ErrTensorValue, `input "flag": tensor value: expected 0 or 1 for a BOOL, got 2 at byte 1`},
		{"model fails", "lookup", []inference.Tensor{tensor[int64]("index", inference.Int64, []int64{1}, 7)}, wanted("value"),
			inference.ErrModelFailed, ""},
		{"output of another shape", "three_kept", []inference.Tensor{fp32("x", []int64{1, 4}, 1, 2, 0, 0)}, wanted("kept"),
			inference.ErrModelFailed, `model failed: output "kept": expected kept FP32 [-1,3], got FP32 [1,2]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := open(t, test.model, 1)
			err := m.Run(t.Context(), test.inputs, test.outputs)
			if !errors.Is(err, test.want) || test.text != "" && err.Error() != test.text {
				t.Errorf("got  %v\nwant %s", err, test.text)
			}
			if m.Concurrency() != len(m.free) {
				t.Error("the session did not come back")
			}
		})
	}
}

// A failed run leaves its session as good as new.
func TestRunAfterFailure(t *testing.T) {
	m := open(t, "lookup", 1)
	for _, index := range []int64{0, 9, 2, -1} {
		outputs := wanted("value")
		err := m.Run(t.Context(), []inference.Tensor{tensor("index", inference.Int64, []int64{1}, index)}, outputs)
		switch {
		case index == 9 && !errors.Is(err, inference.ErrModelFailed):
			t.Errorf("index 9: got %v", err)
		case index != 9 && err != nil:
			t.Errorf("index %d: %v", index, err)
		case err == nil:
			equal(t, outputs[0], []int64{1}, float32((index+3)%3+1)*10)
		}
	}
}

func TestRunWaitsAsLongAsContextAllows(t *testing.T) {
	m := open(t, "half_plus_two", 1)
	in, out := []inference.Tensor{fp32("x", []int64{1, 1}, 4)}, wanted("y")

	s, err := m.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	expiring, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := m.Run(expiring, in, out); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("all sessions busy: got %v", err)
	}
	waited := make(chan error)
	go func() { waited <- m.Run(t.Context(), in, out) }()
	m.free <- s
	if err := <-waited; err != nil {
		t.Error(err)
	}
	equal[float32](t, out[0], []int64{1, 1}, 4)

	left, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(left, in, out); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: got %v", err)
	}
}

// Each caller gets its own rows back, whoever else is running.
func TestRunConcurrently(t *testing.T) {
	m := open(t, "match_shaped", 2)
	var wg sync.WaitGroup
	for caller := range 8 {
		wg.Go(func() {
			outputs := wanted("outcome_probabilities", "expected_goals")
			for turn := range 200 {
				rows := 1 + (caller+turn)%5
				features := make([]float32, 0, 4*rows)
				var goals []float32
				for row := range rows {
					home := float32(caller*1000 + turn + row + 1)
					features = append(features, home, 2*home, home, 0)
					goals = append(goals, home, 2*home)
				}
				if err := m.Run(t.Context(), []inference.Tensor{fp32("features", []int64{int64(rows), 4}, features...)}, outputs); err != nil {
					t.Error(err)
					return
				}
				equal(t, outputs[1], []int64{int64(rows), 2}, goals...)
			}
		})
	}
	wg.Wait()
}

func TestRunAllocatesNothing(t *testing.T) {
	for _, name := range []string{"half_plus_two", "network", "several_inputs", "product"} {
		for _, rows := range []int64{1, 128, 1024} {
			t.Run(fmt.Sprintf("%s/%d", name, rows), func(t *testing.T) {
				m := open(t, name, 2)
				inputs, outputs := zeros(m, rows)
				run := func() {
					if err := m.Run(t.Context(), inputs, outputs); err != nil {
						t.Fatal(err)
					}
				}
				for range m.Concurrency() {
					run() // each session makes its tensors
				}
				if n := testing.AllocsPerRun(100, run); n != 0 {
					t.Errorf("got %v allocations a run", n)
				}
				// One call into C a run: whatever C were to allocate for a tensor would take another.
				before := runtime.NumCgoCall()
				for range 100 {
					run()
				}
				if n := runtime.NumCgoCall() - before; n != 100 {
					t.Errorf("got %d calls into C for 100 runs", n)
				}
			})
		}
	}
}

// zeros makes tensors for m, that many rows where it counts rows.
func zeros(m *Model, rows int64) (inputs, outputs []inference.Tensor) {
	for _, spec := range m.Inputs() {
		shape := slices.Clone(spec.Shape)
		if shape[0] == -1 {
			shape[0] = rows
		}
		size, _ := inference.ByteSize(spec.Type, shape)
		inputs = append(inputs, inference.Tensor{Name: spec.Name, Type: spec.Type, Shape: shape, Data: make([]byte, size)})
	}
	return inputs, wanted(names(m.Outputs())...)
}

func BenchmarkRun(b *testing.B) {
	for _, name := range []string{"half_plus_two", "network"} {
		for _, rows := range []int64{1, 128, 1024} {
			b.Run(fmt.Sprintf("%s/%d", name, rows), func(b *testing.B) {
				m := open(b, name, 1)
				inputs, outputs := zeros(m, rows)
				b.ReportAllocs()
				for b.Loop() {
					if err := m.Run(b.Context(), inputs, outputs); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)*float64(rows)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

// BenchmarkBare is what BenchmarkRun cannot beat: the one call into C, without checks, pool and copies.
func BenchmarkBare(b *testing.B) {
	for _, name := range []string{"half_plus_two", "network"} {
		for _, rows := range []int64{1, 128, 1024} {
			b.Run(fmt.Sprintf("%s/%d", name, rows), func(b *testing.B) {
				m := open(b, name, 1)
				s, err := m.take(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer func() { m.free <- s }()
				bound, err := s.binding(rows)
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if err := s.ort.RunWithBinding(bound.io); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRunStrings is what rows cost that no buffer can be made for.
func BenchmarkRunStrings(b *testing.B) {
	for _, rows := range []int64{1, 128} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			m := open(b, "strings", 1)
			in := inference.Tensor{Name: "text", Type: inference.Bytes, Shape: []int64{rows, 1}}
			for range rows {
				in.Data = inference.AppendBytes(in.Data, "Borussia Mönchengladbach")
			}
			outputs := wanted("same")
			b.ReportAllocs()
			for b.Loop() {
				if err := m.Run(b.Context(), []inference.Tensor{in}, outputs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRunParallel(b *testing.B) {
	m := open(b, "network", 0)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		inputs, outputs := zeros(m, 1)
		for pb.Next() {
			if err := m.Run(b.Context(), inputs, outputs); err != nil {
				b.Error(err)
			}
		}
	})
}

// A few bytes in can be a great many out: that they are too many is only known then, and they are not
// copied.
func TestOutputsAreBounded(t *testing.T) {
	m := open(t, "filled", 1)
	shape := []int64{8192, 2048} // 64 MiB
	outputs := wanted("zeros")
	if err := m.Run(t.Context(), []inference.Tensor{tensor("shape", inference.Int64, []int64{2}, shape...)}, outputs); err != nil || len(outputs[0].Data) != inference.MaxOutputBytes {
		t.Errorf("got %d bytes, %v", len(outputs[0].Data), err)
	}
	shape[1]++
	err := m.Run(t.Context(), []inference.Tensor{tensor("shape", inference.Int64, []int64{2}, shape...)}, wanted("zeros"))
	if !errors.Is(err, inference.ErrOutputTooLarge) || err.Error() != `output too large: output "zeros" of shape [8192,2049]: expected at most 67108864 bytes in all, got more` {
		t.Errorf("got %v", err)
	}
}
