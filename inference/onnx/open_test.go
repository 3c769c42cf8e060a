package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"footballprediction/inference/onnx/onnxtest"
)

// signed is an MLmodel file with a signature for half_plus_two, which tests bend.
const signed = `flavors:
  onnx:
    data: model.onnx
signature:
  inputs: '[{"name": "x", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 1]}}]'
  outputs: '[{"name": "y", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 1]}}]'
`

// folder makes a model folder of half_plus_two's graph and an MLmodel file.
func folder(t *testing.T, mlmodel string) string {
	t.Helper()
	dir := t.TempDir()
	graph, err := os.ReadFile(filepath.Join(onnxtest.Models(t), "half_plus_two", "1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "model.onnx"), string(graph))
	if mlmodel != "" {
		write(t, filepath.Join(dir, "MLmodel"), mlmodel)
	}
	return dir
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	tests := map[string]string{
		"bare":                   "",
		"MLflow":                 signed,
		"no signature":           "flavors:\n  onnx:\n    data: model.onnx\n",
		"file by default":        "flavors:\n  onnx: {}\n",
		"nothing about outputs":  strings.Split(signed, "  outputs")[0],
		"tensor without name":    strings.Replace(signed, `"name": "x", `, "", 1),
		"dimension left open":    strings.Replace(signed, "[-1, 1]", "[-1, -1]", 1),
		"rows fixed":             strings.Replace(signed, "[-1, 1]", "[5, 1]", 1),
		"columns of a dataframe": strings.Replace(signed, `"type": "tensor"`, `"type": "double"`, 2),
	}
	for name, mlmodel := range tests {
		t.Run(name, func(t *testing.T) {
			m := openDir(t, folder(t, mlmodel), 0)
			if got := m.Inputs()[0].String(); got != "x FP32 [-1,1]" {
				t.Errorf("input: got %s", got)
			}
			if got := m.Outputs()[0].String(); got != "y FP32 [-1,1]" {
				t.Errorf("output: got %s", got)
			}
			if m.Concurrency() != runtime.GOMAXPROCS(0) {
				t.Errorf("concurrency: got %d", m.Concurrency())
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	refused := func(name string) string { return filepath.Join(onnxtest.Models(t), "refused", name) }
	good, err := os.ReadFile(filepath.Join(onnxtest.Models(t), "network", "1", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	broken := func(graph []byte) string {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "model.onnx"), string(graph))
		return dir
	}
	garbled := append([]byte(nil), good...)
	for i := range 40 {
		garbled[i] ^= 0xa5
	}
	linked := folder(t, strings.Replace(signed, "model.onnx", "link.onnx", 1))
	if err := os.Symlink(filepath.Join(onnxtest.Models(t), "half_plus_two", "1", "model.onnx"), filepath.Join(linked, "link.onnx")); err != nil {
		t.Fatal(err)
	}
	mlmodel := func(old, replacement string) string {
		return folder(t, strings.Replace(signed, old, replacement, 1))
	}
	outside := filepath.Join(filepath.Dir(refused("escaping")), "escaping")

	piped := t.TempDir()
	for _, name := range []string{"MLmodel", "model.onnx"} {
		if err := syscall.Mkfifo(filepath.Join(piped, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	tests := []struct{ name, dir, text string }{
		{"MLmodel is a pipe", piped, "open MLmodel: expected a regular file, got a named pipe"},
		{"no folder", filepath.Join(t.TempDir(), "none"), "no such file"},
		{"no model file", t.TempDir(), "model.onnx"},
		{"empty file", broken(nil), ""},
		{"truncated", broken(good[:len(good)/2]), ""},
		{"a byte short", broken(good[:len(good)-1]), ""},
		{"garbled", broken(garbled), ""},
		{"a web page", broken([]byte("<!doctype html><title>503</title>")), ""},
		{"a type without a name", refused("eighths"), `input "x" is FLOAT8E4M3FN, which Open Inference has no name for: put a Cast before or after the graph`},
		{"a type that cannot be computed with", refused("imaginary"), `tensor(complex64) is not currently registered or supported: export complex numbers as real ones`},
		{"sequence", refused("sequence"), `output "parts" is a SEQUENCE; expected a tensor: export with zipmap=False`},
		{"any rank", refused("any_rank"), `input "x" has no dimensions or leaves their number open`},
		{"any rank of an output", refused("another_rank"), `output "y" has no dimensions or leaves their number open`},
		{"scalar", refused("scalar"), `input "x" has no dimensions`},
		{"constants from outside", outside, ""},
		{"data leads up", mlmodel("data: model.onnx", "data: ../model.onnx"), "escapes"},
		{"data is absolute", mlmodel("data: model.onnx", "data: /etc/passwd"), "escapes"},
		{"data is a link out", linked, "escapes"},
		{"data is a folder", mlmodel("data: model.onnx", "data: ."), "is not a file"},
		{"another flavor", mlmodel("onnx:", "sklearn:"), `expected a flavor "onnx"`},
		{"MLmodel not YAML", folder(t, "\t{"), "read MLmodel"},
		{"MLmodel endless", folder(t, strings.Repeat("#\n", mlmodelSizeMax)), "expected at most"},
		{"signature not JSON", mlmodel("'[{", "'[{{"), "MLmodel signature.inputs"},
		{"signature's name", mlmodel(`"name": "x"`, `"name": "z"`), `MLmodel signature.inputs: tensor "z" is not in the graph`},
		{"signature's type", mlmodel("float32", "float64"), "MLmodel signature.inputs: expected x FP32 [-1,1] as in the graph, got float64 [-1,1]"},
		{"signature's dimension", mlmodel("[-1, 1]", "[-1, 2]"), "expected x FP32 [-1,1] as in the graph, got float32 [-1,2]"},
		{"signature's rank", mlmodel("[-1, 1]", "[-1]"), "expected x FP32 [-1,1] as in the graph, got float32 [-1]"},
		{"signature's number", mlmodel("inputs: '[", `inputs: '[{"name": "w", "type": "tensor"}, `), "MLmodel signature.inputs: expected 1 tensors as in the graph, got 2"},
		{"signature's number of outputs", mlmodel("outputs: '[", `outputs: '[{"name": "w", "type": "tensor"}, `), "MLmodel signature.outputs: expected 1 tensors as in the graph, got 2"},
		{"signature's outputs", mlmodel(`"name": "y"`, `"name": "z"`), `MLmodel signature.outputs: tensor "z" is not in the graph`},
	}
	opener, err := New(onnxtest.Library(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := opener.Open(t.Context(), test.dir)
			if err == nil {
				t.Fatal("opened", m.Inputs(), m.Close())
			}
			if !strings.HasPrefix(err.Error(), "open model: ") || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got  %v\nwant %s", err, test.text)
			}
		})
	}
}

func TestOpenCancelled(t *testing.T) {
	opener, err := New(onnxtest.Library(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := opener.Open(ctx, folder(t, "")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	library := onnxtest.Library(t)
	if _, err := New(library, Options{}); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "none.so")
	other := filepath.Join(t.TempDir(), "other.so")
	write(t, other, "")
	for _, test := range []struct {
		library  string
		sessions int
		text     string
	}{
		{missing, 0, "none.so: no such file or directory: run `make setup` to get the library"},
		{"", 0, "run `make setup`"},
		{t.TempDir(), 0, "is not a file"},
		{other, 0, "this process has it from"},
		{library, -1, "Sessions: expected 0 or more, got -1"},
	} {
		if _, err := New(test.library, Options{Sessions: test.sessions}); err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("New(%q, %d): got %v, want %s", test.library, test.sessions, err, test.text)
		}
	}
}

// A process of its own, because this one has loaded ONNX Runtime.
func TestNewRefusesAnotherLibrary(t *testing.T) {
	if library := os.Getenv("TEST_ANOTHER_LIBRARY"); library != "" {
		_, err := New(library, Options{})
		fmt.Println("got:", err)
		return
	}
	other := filepath.Join(t.TempDir(), "other.so")
	write(t, other, "no library")
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNewRefusesAnotherLibrary$")
	again.Env = append(os.Environ(), "TEST_ANOTHER_LIBRARY="+other)
	out, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "version 1.24.3 or newer is needed, run `make setup`") {
		t.Errorf("got %v: %s", err, out)
	}
}

// The memory of closed models comes back.
func TestOpenAndCloseManyTimes(t *testing.T) {
	opener, err := New(onnxtest.Library(t), Options{Sessions: 2})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(onnxtest.Models(t), "network", "1")
	cycle := func(times int) {
		for range times {
			opened, err := opener.Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			m := opened.(*Model)
			for _, rows := range []int64{1, 7, 1000} {
				inputs, outputs := zeros(m, rows)
				for range m.Concurrency() {
					if err := m.Run(t.Context(), inputs, outputs); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
		runtime.GC()
	}
	cycle(50)
	before := resident(t)
	cycle(200)
	if after := resident(t); after > before+10<<20 {
		t.Errorf("resident memory grew from %d to %d KiB", before>>10, after>>10)
	}
}
