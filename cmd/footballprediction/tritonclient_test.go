package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Triton's Python client, as PyPI has it, looks around, infers and shares executions on the real
// binary; what it does and expects is in its script.
func TestTritonClient(t *testing.T) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	models := t.TempDir()
	for name, from := range map[string]string{
		"half_plus_two": "testdata", "several_inputs": "testdata", "toil": "testdata", "match-outcome": "released",
	} {
		if err := os.Symlink(filepath.Join(repository, "models", from, name), filepath.Join(models, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := startServer(t, "--models", models)
	python := filepath.Join(repository, ".tmp", "clients", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("Python clients: %v: run `make setup`", err)
	}
	client := exec.CommandContext(t.Context(), python, filepath.Join(repository, "serving", "openinference", "testdata", "triton_client.py"), s.grpc)
	output, err := client.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Fatal(err)
	}
}
