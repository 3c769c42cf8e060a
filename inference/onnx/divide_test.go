package onnx

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"footballprediction/inference"
)

// Numbers for which the processor has no quotient do not end the process.
func TestRunDivisionsThatTrap(t *testing.T) {
	integers := func(name string, numbers ...int64) inference.Tensor {
		in := inference.Tensor{Name: name, Type: inference.Int64, Shape: []int64{int64(len(numbers))}}
		for _, n := range numbers {
			in.Data = binary.LittleEndian.AppendUint64(in.Data, uint64(n)) //nolint:gosec // its bits
		}
		return in
	}
	m := open(t, "quotients", 1)
	inputs := []inference.Tensor{
		integers("number", 7, math.MinInt64, math.MinInt32, -7, math.MinInt64),
		integers("by", -2, -1, -1, 2, 1),
	}
	outputs := wanted("quotient64", "remainder64", "quotient32", "remainder32")
	if err := m.Run(t.Context(), inputs, outputs); err != nil {
		t.Fatal(err)
	}
	for i, expected := range [][]int64{ // Mod has the sign of what it divides by
		{-3, math.MinInt64, -math.MinInt32, -3, math.MinInt64},
		{-1, 0, 0, 1, 0},
		{-3, 0, math.MinInt32, -3, 0}, // of the lower 32 bits, which are 0 in the least of 64
		{-1, 0, 0, 1, 0},
	} {
		var got []int64
		for data := outputs[i].Data; len(data) > 0; data = data[outputs[i].Type.Size():] {
			if outputs[i].Type == inference.Int32 {
				got = append(got, int64(int32(binary.LittleEndian.Uint32(data)))) //nolint:gosec // its bits
			} else {
				got = append(got, int64(binary.LittleEndian.Uint64(data))) //nolint:gosec // its bits
			}
		}
		if !slices.Equal(got, expected) {
			t.Errorf("%s: got %v, expected %v", outputs[i].Name, got, expected)
		}
	}
	inputs[1] = integers("by", 1, 0, 1, 1, 1)
	if err := m.Run(t.Context(), inputs, wanted("quotient64")); err == nil || !strings.Contains(err.Error(), "by zero") {
		t.Errorf("by 0: got %v", err)
	}

	m = open(t, "unit", 1) // in which ONNX Runtime divides by how many columns are left
	outputs = wanted("y")
	in := inference.Tensor{Name: "x", Type: inference.FP32, Shape: []int64{2, 3}, Data: make([]byte, 24)}
	if err := m.Run(t.Context(), []inference.Tensor{in}, outputs); err != nil || !slices.Equal(outputs[0].Data, make([]byte, 8)) {
		t.Errorf("no columns: got %v, %v", outputs[0].Data, err)
	}
}

// Every other signal of that number is Go's: it ends the process, with the stacks that it always told.
func TestOtherSIGFPE(t *testing.T) {
	if os.Getenv("RAISE_SIGFPE") != "" {
		open(t, "half_plus_two", 1) // which loads ONNX Runtime
		if err := syscall.Kill(os.Getpid(), syscall.SIGFPE); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOtherSIGFPE$") //nolint:gosec // this test
	child.Env = append(os.Environ(), "RAISE_SIGFPE=yes")
	var exit *exec.ExitError
	if out, err := child.CombinedOutput(); !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), "SIGFPE: floating-point exception") {
		t.Errorf("got %v: %s", err, out)
	}
}

// Every form of a division that compilers write is decoded.
func TestDivide(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return // where nothing is decoded
	}
	compiler, err := exec.CommandContext(t.Context(), "go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "divide")
	arguments := append(strings.Fields(string(compiler)), "-O1", "-Wall", "-Werror", "-o", program, "testdata/divide.c")
	if out, err := exec.CommandContext(t.Context(), arguments[0], arguments[1:]...).CombinedOutput(); err != nil { //nolint:gosec // Go's own C compiler
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), program).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "0 of 100 wrong") { //nolint:gosec // just compiled
		t.Errorf("%v: %s", err, out)
	}
}
