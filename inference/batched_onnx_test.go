package inference_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footballprediction/inference"
	"footballprediction/inference/onnx"
	"footballprediction/inference/onnx/onnxtest"
)

// serve loads the models in a folder, each with two sessions.
func serve(t *testing.T, dir string) *inference.Registry {
	t.Helper()
	opener, err := onnx.New(onnxtest.Library(t), onnx.Options{Sessions: 2})
	if err != nil {
		t.Fatal(err)
	}
	r := inference.NewRegistry(inference.NewFolderSource(dir, nil), opener, inference.Options{})
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := r.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func acquire(t *testing.T, r *inference.Registry, name string) inference.Handle {
	t.Helper()
	h, err := r.Acquire(name, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Release)
	return h
}

// random makes inputs of that many rows, where rows are counted, and 3 of what else is open.
func random(specs []inference.TensorSpec, rows int64, r *rand.Rand) []inference.Tensor {
	inputs := make([]inference.Tensor, len(specs))
	for i, spec := range specs {
		in := &inputs[i]
		in.Name, in.Type, in.Shape = spec.Name, spec.Type, slices.Clone(spec.Shape)
		elements := int64(1)
		for j, d := range in.Shape {
			if d < 0 {
				in.Shape[j] = 3
			}
			if j == 0 && d < 0 {
				in.Shape[0] = rows
			}
			elements *= in.Shape[j]
		}
		for range elements {
			switch in.Type {
			case inference.Bytes:
				in.Data = inference.AppendBytes(in.Data, fmt.Sprint("text"[:r.IntN(5)], r.IntN(1000)))
			case inference.FP16:
				in.Data = append(in.Data, inference.BytesOf([]uint16{inference.ToFP16(float32(r.NormFloat64()))})...)
			case inference.BF16:
				in.Data = append(in.Data, inference.BytesOf([]uint16{inference.ToBF16(float32(r.NormFloat64()))})...)
			case inference.FP32:
				in.Data = append(in.Data, inference.BytesOf([]float32{float32(r.NormFloat64())})...)
			case inference.FP64:
				in.Data = append(in.Data, inference.BytesOf([]float64{r.NormFloat64()})...)
			default:
				in.Data = append(append(in.Data, byte(r.IntN(2))), make([]byte, in.Type.Size()-1)...) // little-endian
			}
		}
	}
	return inputs
}

// row returns inputs of one of the rows of some that count them, or the outputs' row.
func row(tensors []inference.Tensor, at int64) []inference.Tensor {
	one := slices.Clone(tensors)
	for i := range one {
		rows := one[i].Shape[0]
		one[i].Shape = slices.Clone(one[i].Shape)
		one[i].Shape[0] = 1
		if one[i].Type != inference.Bytes {
			size := int64(len(one[i].Data)) / rows
			one[i].Data = one[i].Data[at*size : (at+1)*size]
			continue
		}
		elements := int64(1)
		for _, d := range one[i].Shape {
			elements *= d
		}
		rest, from := one[i].Data, 0
		for n := range (at + 1) * elements {
			if n == at*elements {
				from = len(one[i].Data) - len(rest)
			}
			_, rest, _ = inference.NextBytes(rest)
		}
		one[i].Data = one[i].Data[from : len(one[i].Data)-len(rest)]
	}
	return one
}

func answer(h inference.Handle, inputs []inference.Tensor) ([]inference.Tensor, error) {
	specs := h.Model().Outputs()
	outputs := make([]inference.Tensor, len(specs))
	for i, spec := range specs {
		outputs[i].Name = spec.Name
	}
	return outputs, h.Run(context.Background(), inputs, outputs)
}

// same tells how two answers differ by more than that much of their size.
func same(got, want []inference.Tensor, tolerance float64) error {
	for i := range want {
		g, w := got[i], want[i]
		if g.Type != w.Type || !slices.Equal(g.Shape, w.Shape) || len(g.Data) != len(w.Data) {
			return fmt.Errorf("%s: %s %v of %d bytes, expected %s %v of %d", w.Name, g.Type, g.Shape, len(g.Data), w.Type, w.Shape, len(w.Data))
		}
		if slices.Equal(g.Data, w.Data) {
			continue
		}
		var a, b []float64
		switch w.Type {
		case inference.FP32:
			for j, v := range inference.ElementsOf[float32](g.Data) {
				a, b = append(a, float64(v)), append(b, float64(inference.ElementsOf[float32](w.Data)[j]))
			}
		case inference.FP64:
			a, b = inference.ElementsOf[float64](g.Data), inference.ElementsOf[float64](w.Data)
		default:
			return fmt.Errorf("%s %s: other bytes", w.Name, w.Type)
		}
		for j := range a {
			if d := math.Abs(a[j] - b[j]); !(d <= tolerance*max(1, math.Abs(b[j]))) {
				return fmt.Errorf("%s: element %d is %v, expected %v", w.Name, j, a[j], b[j])
			}
		}
	}
	return nil
}

// What is answered to a row does not depend on how many others share its execution: not on those of its
// own request, nor on those that 64 callers ask for at once. What is answered to a request of a model
// that counts no rows does not depend on others either, nor does its failure.
func TestAnswersDoNotDependOnTheBatch(t *testing.T) {
	for _, dir := range []string{onnxtest.Models(t), filepath.Join(onnxtest.Models(t), "..", "released")} {
		r := serve(t, dir)
		for _, status := range r.Status().Models {
			if status.Serving == "" || slices.Contains([]string{"three_kept", "quantised", "product_of_any"}, status.Name) { // refused, or see below
				continue
			}
			t.Run(status.Name, func(t *testing.T) {
				h := acquire(t, r, status.Name)
				fixed := func(s inference.TensorSpec) bool { return s.Shape[0] != -1 }
				for _, asked := range askedOneByOne(t, h) {
					rows := asked.inputs[0].Shape[0]
					if asked.err != nil || slices.ContainsFunc(h.Model().Inputs(), fixed) ||
						slices.ContainsFunc(asked.outputs, func(out inference.Tensor) bool { return out.Shape[0] != rows }) {
						continue
					}
					for at := range rows {
						if alone, err := answer(h, row(asked.inputs, at)); err != nil {
							t.Errorf("row %d of %d, alone: %v", at, rows, err)
						} else if err := same(row(asked.outputs, at), alone, 1e-6); err != nil {
							t.Errorf("row %d of %d: %v", at, rows, err)
						}
					}
				}
				askedAtOnce(t, h, askedOneByOne(t, h), 1e-6)
			})
		}
	}
}

// Deterministic models answer to the last bit what they answer when nobody else asks. That makes models
// right as well whose rows depend on one another though the signature does not say so: three_kept keeps
// the columns whose first element is positive.
func TestDeterministicModels(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"three_kept", "network", "same"} {
		to := filepath.Join(dir, name, "1")
		if err := os.CopyFS(to, os.DirFS(filepath.Join(onnxtest.Models(t), name, "1"))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, "config.json"), []byte(`{"deterministic": true}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := serve(t, dir)
	for _, name := range []string{"three_kept", "network", "same"} {
		h := acquire(t, r, name)
		all := askedOneByOne(t, h)
		askedAtOnce(t, h, all, 0)
		if s := h.Statistics(); s.Executions > s.Answered.Count {
			t.Errorf("%s: %d executions for %d requests, expected one each", name, s.Executions, s.Answered.Count)
		}
	}
}

// asked is a request, and what came of it when nobody else asked.
type asked struct {
	inputs, outputs []inference.Tensor
	err             error
}

// askedOneByOne asks for few rows and for many.
func askedOneByOne(t *testing.T, h inference.Handle) (all []asked) {
	t.Helper()
	source := rand.New(rand.NewPCG(4, 2))
	for _, rows := range []int64{1, 2, 3, 5, 16, 127, 128, 129, 300} {
		inputs := random(h.Model().Inputs(), rows, source)
		outputs, err := answer(h, inputs)
		all = append(all, asked{inputs, outputs, err})
	}
	return all
}

// askedAtOnce has 64 callers ask for the same, and expects the same answers within that tolerance.
func askedAtOnce(t *testing.T, h inference.Handle, all []asked, tolerance float64) {
	t.Helper()
	var callers sync.WaitGroup
	for caller := range 64 {
		callers.Go(func() {
			for i := range 6 {
				which := (caller + i) % len(all)
				want := all[which]
				outputs, err := answer(h, want.inputs)
				if (err == nil) != (want.err == nil) {
					t.Errorf("%s: request %d: %v, alone: %v", h.Name(), which, err, want.err)
				} else if err == nil {
					if err := same(outputs, want.outputs, tolerance); err != nil {
						t.Errorf("%s: request %d: %v", h.Name(), which, err)
					}
				}
			}
		})
	}
	callers.Wait()
}

// toil keeps a session busy for so many rounds.
func toil(h inference.Handle, rounds int64) error {
	_, err := answer(h, []inference.Tensor{
		{Name: "id", Type: inference.Int64, Shape: []int64{1}, Data: inference.BytesOf([]int64{1})},
		{Name: "rounds", Type: inference.Int64, Shape: []int64{1}, Data: inference.BytesOf([]int64{rounds})},
	})
	return err
}

// While all sessions of one model are busy with runs of 10 ms and more, and callers wait for them,
// another model answers in less than such a run, and a third that is just as slow has its share. That is
// the operating system's doing, which takes the processor from those who have had most of it. A queue
// that models have in common cannot: a run is not interrupted, so whoever waits there waits for the end
// of one.
func TestABusyModelStarvesNoOther(t *testing.T) {
	r, other := serve(t, onnxtest.Models(t)), serve(t, onnxtest.Models(t))
	busy, quick, slow := acquire(t, r, "toil"), acquire(t, r, "half_plus_two"), acquire(t, other, "toil")
	const run = 10 * time.Millisecond
	rounds := int64(100)
	for took := time.Duration(0); took < run; rounds = rounds * 3 / 2 {
		began := time.Now()
		if err := toil(busy, rounds); err != nil {
			t.Fatal(err)
		}
		took = time.Since(began)
	}
	var stop atomic.Bool
	var callers sync.WaitGroup
	defer callers.Wait()
	defer stop.Store(true)
	for range 16 {
		callers.Go(func() {
			for !stop.Load() {
				if err := toil(busy, rounds); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var took []time.Duration
	for range 60 {
		<-time.After(2 * time.Millisecond)
		began := time.Now()
		if _, err := answer(quick, random(quick.Model().Inputs(), 1, rand.New(rand.NewPCG(1, 1)))); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median > run/2 {
		t.Errorf("beside a busy model, another answers in %v (median), expected %v at most", median, run/2)
	}

	before := busy.Statistics().Executions
	const runs = 10
	for range runs {
		if err := toil(slow, rounds); err != nil {
			t.Fatal(err)
		}
	}
	// One thread against two: a third.
	if others := busy.Statistics().Executions - before; others > 10*runs {
		t.Errorf("%d runs of the busy model while another had %d", others, runs)
	}
}

// Requests whose rows another row would change are run by themselves, with nobody having to say so.
func TestModelsThatMixRows(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"quantised", "product_of_any"} {
		if err := os.CopyFS(filepath.Join(dir, name, "1"), os.DirFS(filepath.Join(onnxtest.Models(t), name, "1"))); err != nil {
			t.Fatal(err)
		}
	}
	r := serve(t, dir)
	h := acquire(t, r, "quantised")
	all := askedOneByOne(t, h)
	askedAtOnce(t, h, all, 1e-6)

	// First dimensions that are no rows need not agree.
	h = acquire(t, r, "product_of_any")
	outputs := []inference.Tensor{{Name: "ab"}}
	err := h.Run(t.Context(), []inference.Tensor{
		{Name: "a", Type: inference.FP32, Shape: []int64{1, 2}, Data: inference.BytesOf([]float32{3, 4})},
		{Name: "b", Type: inference.FP32, Shape: []int64{2, 1}, Data: inference.BytesOf([]float32{5, 6})},
	}, outputs)
	if err != nil || inference.ElementsOf[float32](outputs[0].Data)[0] != 39 {
		t.Errorf("got %v, %v", outputs[0], err)
	}
}
