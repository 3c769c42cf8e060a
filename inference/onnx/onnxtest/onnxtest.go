// Package onnxtest finds for tests what lies beside the code: ONNX Runtime, and the tiny models.
package onnxtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Library returns the file of ONNX Runtime: what FOOTBALLPREDICTION_ONNXRUNTIME names, else the one
// that `make setup` lays into bin/lib. Without it the test fails.
func Library(t testing.TB) string {
	t.Helper()
	library := os.Getenv("FOOTBALLPREDICTION_ONNXRUNTIME")
	if library == "" {
		library = filepath.Join(root(t), "bin", "lib", "libonnxruntime.so")
	}
	if _, err := os.Stat(library); err != nil {
		t.Fatalf("ONNX Runtime: %v: run `make setup`", err)
	}
	return library
}

// Models returns models/testdata, a folder of models as FolderSource reads it. What each model
// computes is said in its served.py and refused.py.
func Models(t testing.TB) string {
	t.Helper()
	return filepath.Join(root(t), "models", "testdata")
}

// Python returns the Python that has the packages of inference/onnx/testdata, which `make setup` lays
// into .tmp/trained. Without it the test fails.
func Python(t testing.TB) string {
	t.Helper()
	python := filepath.Join(root(t), ".tmp", "trained", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("packages that make models: %v: run `make setup`", err)
	}
	return python
}

// root returns the folder of go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}
