package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// startWithTinyModels starts the real binary on some of the tiny models beside the released one.
func startWithTinyModels(t *testing.T, names ...string) *server {
	t.Helper()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	models := t.TempDir()
	link := func(from, name string) {
		if err := os.Symlink(filepath.Join(repository, "models", from, name), filepath.Join(models, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("released", "match-outcome")
	for _, name := range names {
		link("testdata", name)
	}
	return startServer(t, "--models", models)
}

// Other servers' clients, as PyPI has them, look around, infer, stream and share executions on the real
// binary; what they do and expect is in their scripts.
func TestClients(t *testing.T) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(repository, ".tmp", "clients", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("Python clients: %v: run `make setup`", err)
	}
	s := startWithTinyModels(t, "half_plus_two", "several_inputs", "toil", "strings", "same")
	address, operators := strings.TrimPrefix(s.http, "http://"), strings.TrimPrefix(s.operator, "http://")
	for script, addresses := range map[string][]string{
		"triton_client.py": {s.grpc, operators}, "triton_http_client.py": {address, operators}, "kserve_client.py": {address, s.grpc},
	} {
		t.Run(script, func(t *testing.T) {
			script = filepath.Join(repository, "serving", "openinference", "testdata", script)
			output, err := exec.CommandContext(t.Context(), python, append([]string{script}, addresses...)...).CombinedOutput()
			t.Logf("%s", output)
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
