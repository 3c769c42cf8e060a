package onnx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"footballprediction/inference"
	"footballprediction/inference/onnx/onnxtest"
)

// trained makes models as users bring them, with what Python's onnxruntime answers as golden rows.
func trained(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	script := exec.CommandContext(t.Context(), onnxtest.Python(t), filepath.Join("testdata", "trained.py"), folder)
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("make the models: %v\n%s", err, out)
	}
	return folder
}

// unservable are the models that are refused, and why.
var unservable = map[string]string{
	"scikit_zipmap":               `open model: output "output_probability" is a SEQUENCE; expected a tensor: export with zipmap=False`,
	"lightgbm_zipmap":             `open model: output "probabilities" is a SEQUENCE; expected a tensor: export with zipmap=False`,
	"lightgbm_classes_of_one_row": `golden rows: model failed: output "label": expected label INT64 [1], got INT64 [200]`,
}

// Models of scikit-learn, LightGBM and XGBoost, and graphs made by hand, answer through the registry
// as they do in Python, to 1e-6: all rows at once (which is how they are admitted), each row alone, and
// rows asked for by 64 callers at once, which share executions where there are rows.
func TestAnswersArePythons(t *testing.T) {
	folder := trained(t)
	source := inference.NewFolderSource(folder, nil)
	names, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		// One session, and a delay, so that executions are shared for certain.
		write(t, filepath.Join(folder, name.Name(), "1", "config.json"),
			`{"sessions": 1, "max_queue_delay_microseconds": 300, "max_batch_rows": 64, "warm_up_rows": [1, 64]}`)
	}
	opener, err := New(onnxtest.Library(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := inference.NewRegistry(source, opener, inference.Options{})
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := r.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	models := r.Status().Models
	if len(models) != len(names) || len(models) != 21 {
		t.Errorf("got %d models of %d", len(models), len(names))
	}
	for _, m := range models {
		t.Run(m.Name, func(t *testing.T) {
			v := m.Versions[0]
			if why := unservable[m.Name]; why != "" {
				if v.State != inference.Failed || !strings.HasPrefix(v.Reason, why) {
					t.Errorf("got %s: %s\nwant %s", v.State, v.Reason, why)
				}
				return
			}
			if v.State != inference.Available {
				t.Fatalf("%s: %s", v.State, v.Reason)
			}
			golden, err := inference.ReadGolden(filepath.Join(folder, m.Name, "1"))
			if err != nil {
				t.Fatal(err)
			}
			h, err := r.Acquire(m.Name, "")
			if err != nil {
				t.Fatal(err)
			}
			defer h.Release()
			answersAre(t, h, golden)
		})
	}
}

// answersAre asks for a model's golden rows in groups, singly and by many callers.
func answersAre(t *testing.T, h inference.Handle, golden *inference.Golden) {
	rowwise := true
	for _, spec := range slices.Concat(h.Model().Inputs(), h.Model().Outputs()) {
		rowwise = rowwise && spec.Shape[0] == -1
	}
	all := golden.Inputs[0].Shape[0]
	group := func(from, n int64) *inference.Golden {
		if !rowwise {
			return golden
		}
		return &inference.Golden{Tolerance: golden.Tolerance, Inputs: rowsOf(golden.Inputs, from, n), Outputs: rowsOf(golden.Outputs, from, n)}
	}
	for row := range all {
		if err := group(row, 1).Check(t.Context(), h.Model()); err != nil {
			t.Fatalf("row %d alone: %v", row, err)
		}
	}
	before := h.Statistics()
	var callers sync.WaitGroup
	for caller := range int64(64) {
		callers.Go(func() {
			for turn := range int64(8) {
				n := 1 + (caller+turn)%3
				from := (caller*31 + turn*7) % (all - n + 1)
				if err := group(from, n).Check(t.Context(), h.Model()); err != nil {
					t.Errorf("rows %d to %d among others: %v", from, from+n, err)
					return
				}
			}
		})
	}
	callers.Wait()
	after := h.Statistics()
	items, executions := after.Answered.Count-before.Answered.Count, after.Executions-before.Executions
	if items != 64*8 || rowwise && executions > items/2 || !rowwise && executions != items {
		t.Errorf("rowwise %v: %d requests in %d executions", rowwise, items, executions)
	}
}

// rowsOf returns n rows of tensors.
func rowsOf(tensors []inference.Tensor, from, n int64) []inference.Tensor {
	all := slices.Clone(tensors)
	for i := range all {
		t := &all[i]
		elements := int64(1)
		for _, d := range t.Shape[1:] {
			elements *= d
		}
		t.Shape = append([]int64{n}, t.Shape[1:]...)
		if t.Type != inference.Bytes {
			size := elements * int64(t.Type.Size())
			t.Data = t.Data[from*size : (from+n)*size]
			continue
		}
		rest := t.Data
		t.Data = nil
		for at := range (from + n) * elements {
			var element []byte
			element, rest, _ = inference.NextBytes(rest)
			if at >= from*elements {
				t.Data = inference.AppendBytes(t.Data, element)
			}
		}
	}
	return all
}

// The same request gets the same bits, whatever else is asked for meanwhile.
func TestDeterministicRequestsRunAlone(t *testing.T) {
	dir := t.TempDir()
	release(t, dir, "1", map[string][]byte{
		"model.onnx":  read(t, "network", "1", "model.onnx"),
		"config.json": []byte(`{"deterministic": true}`),
	})
	r := newRegistry(t, dir, inference.Options{})
	if err := r.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := r.Acquire("m", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if !h.Config().Deterministic {
		t.Errorf("got %+v", h.Config())
	}
	var callers sync.WaitGroup
	for rows := range int64(16) {
		callers.Go(func() {
			inputs, err := inputsOf(h, rows+1)
			var first [][]byte
			for range 20 {
				outputs := wanted("outcome_probabilities", "expected_goals")
				if err = errors.Join(err, h.Run(t.Context(), inputs, outputs)); err != nil {
					t.Error(err)
					return
				}
				got := [][]byte{outputs[0].Data, outputs[1].Data}
				if first == nil {
					first = got
				}
				if !slices.EqualFunc(got, first, bytes.Equal) {
					t.Errorf("%d rows: other bits", rows+1)
				}
			}
		})
	}
	callers.Wait()
	if s := h.Statistics(); s.Executions != 16*20 || s.Answered.Count != s.Executions {
		t.Errorf("%d requests in %d executions", s.Answered.Count, s.Executions)
	}
}

// inputsOf makes rows of a model of one FP32 input, each element another.
func inputsOf(h inference.Handle, rows int64) ([]inference.Tensor, error) {
	spec := h.Model().Inputs()[0]
	if spec.Type != inference.FP32 || len(spec.Shape) != 2 {
		return nil, fmt.Errorf("expected FP32 [-1,n], got %s", spec)
	}
	values := make([]float32, rows*spec.Shape[1])
	for i := range values {
		values[i] = 1 / float32(i+1)
	}
	return []inference.Tensor{fp32(spec.Name, []int64{rows, spec.Shape[1]}, values...)}, nil
}
