package onnx

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"footballprediction/inference"
	"footballprediction/inference/onnx/onnxtest"
)

// read returns a file of models/testdata.
func read(t *testing.T, names ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{onnxtest.Models(t)}, names...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// release puts a version of model "m" into dir, as one should: written aside and renamed.
func release(t *testing.T, dir, version string, files map[string][]byte) {
	t.Helper()
	aside := filepath.Join(dir, "m", "."+version)
	if err := os.MkdirAll(aside, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		write(t, filepath.Join(aside, name), string(data))
	}
	place := filepath.Join(dir, "m", version)
	if err := os.RemoveAll(place); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, place); err != nil {
		t.Fatal(err)
	}
}

func newRegistry(t *testing.T, dir string, options inference.Options) *inference.Registry {
	t.Helper()
	opener, err := New(onnxtest.Library(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := inference.NewRegistry(inference.NewFolderSource(dir, nil), opener, options)
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// A version that cannot be served is refused with the reason, and the one that serves goes on.
func TestRegistryRefusesBadVersions(t *testing.T) {
	good := map[string][]byte{"model.onnx": read(t, "half_plus_two", "1", "model.onnx"),
		"MLmodel": read(t, "half_plus_two", "1", "MLmodel"), "golden.json": read(t, "half_plus_two", "1", "golden.json")}
	with := func(file string, data []byte) map[string][]byte {
		files := map[string][]byte{}
		for name := range good {
			files[name] = good[name]
		}
		files[file] = data
		return files
	}
	graph := good["model.onnx"]
	corrupt := bytes.Clone(graph)
	for i := range corrupt {
		corrupt[i] ^= 0x55
	}
	tests := []struct {
		name  string
		files map[string][]byte
		want  string
	}{
		{"no model file", map[string][]byte{"golden.json": good["golden.json"]}, "open model: find the model file"},
		{"truncated", with("model.onnx", graph[:len(graph)-10]), "open model: "},
		{"corrupt", with("model.onnx", corrupt), "open model: "},
		{"another graph than MLmodel says", with("model.onnx", read(t, "match_shaped", "1", "model.onnx")), `open model: MLmodel signature.inputs: tensor "x" is not in the graph`},
		{"another graph altogether", map[string][]byte{"model.onnx": read(t, "match_shaped", "1", "model.onnx")}, "expected a model of x"},
		{"golden rows not met", with("model.onnx", read(t, "third_plus_two", "1", "model.onnx")), `golden rows: output "y": element 1: expected 3 within 1e-05, got 2.6666667`},
		{"golden rows cut off", with("golden.json", good["golden.json"][:100]), "read golden.json: unexpected EOF"},
		{"golden rows infinite", with("model.onnx", read(t, "reciprocal", "1", "model.onnx")), `golden rows: output "y": element 0 is not finite`},
		{"three rows only", with("model.onnx", read(t, "refused", "three_rows", "model.onnx")), "warm up with inputs of shape [1,1]: model failed"},
	}
	dir := t.TempDir()
	release(t, dir, "1", good)
	r := newRegistry(t, dir, inference.Options{Admit: func(_, _, _ string, m inference.Model) (any, error) {
		if m.Inputs()[0].Name != "x" {
			return nil, fmt.Errorf("expected a model of x, got %s", m.Inputs()[0])
		}
		return nil, nil
	}})
	answers := func() error {
		h, err := r.Acquire("m", "")
		if err != nil {
			return err
		}
		defer h.Release()
		outputs := wanted("y")
		if err := h.Run(t.Context(), []inference.Tensor{fp32("x", []int64{1, 1}, 4)}, outputs); err != nil {
			return err
		}
		if y := inference.ElementsOf[float32](outputs[0].Data)[0]; y != 4 {
			return fmt.Errorf("got %v", y)
		}
		return nil
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			version := fmt.Sprint(i + 2)
			release(t, dir, version, test.files)
			if err := r.Poll(t.Context()); err != nil {
				t.Fatal(err)
			}
			m := r.Status().Models[0]
			v := m.Versions[len(m.Versions)-1]
			if m.Serving != "1" || v.Version != version || v.State != inference.Failed || !strings.Contains(v.Reason, test.want) {
				t.Errorf("serving %s; version %s is %s: %s\nwant %s", m.Serving, v.Version, v.State, v.Reason, test.want)
			}
			if err := answers(); err != nil {
				t.Error(err)
			}
		})
	}
	last := fmt.Sprint(len(tests) + 1)
	release(t, dir, last, good) // mended
	if err := r.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := r.Status().Models[0]; m.Serving != last {
		t.Errorf("mended: serving %s", m.Serving)
	}
	if err := answers(); err != nil {
		t.Error(err)
	}
}

// The whole folder of tiny models can be served, each as it says.
func TestRegistryServesTestdata(t *testing.T) {
	r := newRegistry(t, onnxtest.Models(t), inference.Options{})
	if err := r.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	models := r.Status().Models
	if len(models) < 10 {
		t.Errorf("got %d models", len(models))
	}
	for _, m := range models {
		if m.Serving != "1" || len(m.Versions) != 1 || m.Versions[0].State != inference.Available {
			t.Errorf("got %+v", m)
		}
	}
}

// While versions are swapped under their callers, each answer is the one of the version it names.
func TestRegistrySwapsUnderLoad(t *testing.T) {
	dir := t.TempDir()
	half, third := read(t, "half_plus_two", "1", "model.onnx"), read(t, "third_plus_two", "1", "model.onnx")
	release(t, dir, "1", map[string][]byte{"model.onnx": half})
	release(t, dir, "2", map[string][]byte{"model.onnx": third})
	opener, err := New(onnxtest.Library(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	source := &onlyOne{FolderSource: inference.NewFolderSource(dir, nil), version: "1"}
	r := inference.NewRegistry(source, opener, inference.Options{})
	defer func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := r.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]float32{"1": 5, "2": 4} // for x = 6
	var callers sync.WaitGroup
	var answers atomic.Int64
	done := make(chan struct{})
	for range 4 {
		callers.Go(func() {
			inputs, outputs := []inference.Tensor{fp32("x", []int64{1, 1}, 6)}, wanted("y")
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
				version := h.Version()
				err = h.Run(t.Context(), inputs, outputs)
				h.Release()
				if y := inference.ElementsOf[float32](outputs[0].Data); err != nil || y[0] != want[version] {
					t.Errorf("version %s: got %v, want %v: %v", version, y, want[version], err)
					return
				}
				answers.Add(1)
			}
		})
	}
	for swap := 0; (swap < 50 || answers.Load() < 500) && !t.Failed(); swap++ {
		source.version = []string{"2", "1"}[swap%2]
		if err := r.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	callers.Wait()
}

// onlyOne is a FolderSource that wants one version of model "m" at a time. Only Poll's caller sets it.
type onlyOne struct {
	*inference.FolderSource
	version string
}

func (s *onlyOne) List(context.Context) ([]inference.Aspired, error) {
	return []inference.Aspired{{Name: "m", Versions: []string{s.version}, Serving: s.version}}, nil
}
