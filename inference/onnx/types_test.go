package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"footballprediction/inference"
	"footballprediction/inference/onnx/onnxtest"
)

// text makes a BYTES tensor.
func text(name string, shape []int64, elements ...string) inference.Tensor {
	t := inference.Tensor{Name: name, Type: inference.Bytes, Shape: shape}
	for _, element := range elements {
		t.Data = inference.AppendBytes(t.Data, element)
	}
	return t
}

// Every type goes through unchanged, whatever its bits.
func TestRunSameOfEveryType(t *testing.T) {
	m := open(t, "same", 1)
	if len(m.Inputs()) != 13 || m.layout == nil {
		t.Fatalf("got %v, layout %v", m.Inputs(), m.layout)
	}
	var inputs []inference.Tensor
	for i, spec := range m.Inputs() {
		data := make([]byte, 3*2*spec.Type.Size())
		for j := range data {
			data[j] = byte(37*i + 101*j)
			if spec.Type == inference.Bool {
				data[j] &= 1
			}
		}
		inputs = append(inputs, inference.Tensor{Name: spec.Name, Type: spec.Type, Shape: []int64{3, 2}, Data: data})
	}
	outputs := wanted(names(m.Outputs())...)
	if err := m.Run(t.Context(), inputs, outputs); err != nil {
		t.Fatal(err)
	}
	for i, out := range outputs {
		if out.Type != inputs[i].Type || !slices.Equal(out.Shape, []int64{3, 2}) || !slices.Equal(out.Data, inputs[i].Data) {
			t.Errorf("%s: got %s %v %v, expected %v", inputs[i].Name, out.Type, out.Shape, out.Data, inputs[i].Data)
		}
	}
}

func TestRunStrings(t *testing.T) {
	for _, name := range []string{"strings", "strings_of_one_shape"} {
		m := open(t, name, 1)
		long := strings.Repeat("Łódź ", 100_000)
		in := text("text", []int64{6, 1}, "", "Ünal", long, "\xff\xfe", "", "a")
		if name != "strings" {
			in.Shape = []int64{2, 3}
		}
		for range 2 {
			outputs := wanted("same")
			if err := m.Run(t.Context(), []inference.Tensor{in}, outputs); err != nil {
				t.Fatal(err)
			}
			if out := outputs[0]; out.Type != inference.Bytes || !slices.Equal(out.Shape, in.Shape) || !slices.Equal(out.Data, in.Data) {
				t.Errorf("%s: got %s %v, %d bytes", name, out.Type, out.Shape, len(out.Data))
			}
		}
		in = text("text", in.Shape, "a", "b", "c", "d", "e", "f\x00g")
		if err := m.Run(t.Context(), []inference.Tensor{in}, wanted("same")); !errors.Is(err, inference.ErrTensorValue) {
			t.Errorf("%s: a zero byte: got %v", name, err)
		}
		in = text("text", in.Shape, "a", "b", "c", "d", "e", "")
		copy(in.Data[len(in.Data)-4:], "\x00\x00\x00\x40")
		if err := m.Run(t.Context(), []inference.Tensor{in}, wanted("same")); !errors.Is(err, inference.ErrTensorSize) {
			t.Errorf("%s: 1 GB claimed: got %v", name, err)
		}
	}
}

func TestRunHalves(t *testing.T) {
	// 0.5, 1/3 to the nearest, -65504, the least above 0, infinity, NaN; as BF16 other numbers.
	bits := []uint16{0x3800, 0x3555, 0xfbff, 0x0001, 0x7c00, 0x7e01}
	double := []uint16{0x3c00, 0x3955, 0xfc00, 0x0002, 0x7c00, 0x7e01}
	for _, test := range []struct {
		model string
		shape []int64
	}{{"halves", []int64{6, 1}}, {"halves_of_any_width", []int64{2, 3}}} {
		m := open(t, test.model, 1)
		if (m.layout != nil) != (test.model == "halves") {
			t.Errorf("%s: layout %v", test.model, m.layout)
		}
		inputs := []inference.Tensor{tensor("x", inference.FP16, test.shape, bits...), tensor("b", inference.BF16, test.shape, bits...)}
		outputs := wanted("same", "double")
		if err := m.Run(t.Context(), inputs, outputs); err != nil {
			t.Fatal(err)
		}
		if out := outputs[0]; out.Type != inference.BF16 || !slices.Equal(inference.ElementsOf[uint16](out.Data), bits) {
			t.Errorf("%s: same: got %s %x", test.model, out.Type, inference.ElementsOf[uint16](out.Data))
		}
		got := inference.ElementsOf[uint16](outputs[1].Data)
		if out := outputs[1]; out.Type != inference.FP16 || !slices.Equal(out.Shape, test.shape) || !slices.Equal(got[:5], double[:5]) || got[5]&0x7e00 != 0x7e00 {
			t.Errorf("%s: double: got %s %v %x, expected %x", test.model, out.Type, out.Shape, got, double)
		}
	}
}

// Rows that are none are found out too late for halves: the run fails, and the next one works.
func TestRunHalvesThatAreNotRows(t *testing.T) {
	m := open(t, "halves_found", 1)
	for _, bits := range [][]uint16{{0x3c00, 0xbc00}, {0x3c00, 0x3800}, {0xbc00}} {
		outputs := wanted("kept")
		err := m.Run(t.Context(), []inference.Tensor{tensor("x", inference.FP16, []int64{int64(len(bits))}, bits...)}, outputs)
		if bits[len(bits)-1]&0x8000 != 0 {
			if !errors.Is(err, inference.ErrModelFailed) {
				t.Errorf("%x: got %v", bits, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		equal(t, outputs[0], []int64{2}, bits...)
	}
}

// Constants may lie in files of the model's folder.
func TestRunWithExternalData(t *testing.T) {
	m := open(t, "from_file", 2)
	outputs := wanted("y")
	if err := m.Run(t.Context(), []inference.Tensor{fp32("x", []int64{2, 1}, 1, 2)}, outputs); err != nil {
		t.Fatal(err)
	}
	equal[float32](t, outputs[0], []int64{2, 1}, 8, 9)
	m = open(t, "halves_from_file", 2)
	if err := m.Run(t.Context(), []inference.Tensor{tensor[uint16]("x", inference.FP16, []int64{1, 2}, 0x3c00, 0x4000)}, outputs); err != nil {
		t.Fatal(err)
	}
	equal[uint16](t, outputs[0], []int64{1, 2}, 0x4800, 0x4880)
}

// MLmodel's signature may say what the graph leaves open, and is held to it.
func TestRunWithShapesOfMLmodel(t *testing.T) {
	folder := func(model, x, y string) string {
		dir := t.TempDir()
		graph, err := os.ReadFile(filepath.Join(onnxtest.Models(t), "refused", model, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "model.onnx"), string(graph))
		tensor := `'[{"name": "%s", "type": "tensor", "tensor-spec": {"dtype": "float32", "shape": %s}}]'`
		write(t, filepath.Join(dir, "MLmodel"), "flavors:\n  onnx: {}\nsignature:\n"+
			fmt.Sprintf("  inputs: "+tensor+"\n  outputs: "+tensor+"\n", "x", x, "y", y))
		return dir
	}
	in := []inference.Tensor{fp32("x", []int64{2, 1}, 1, 2)}
	scalar := []inference.Tensor{fp32("x", []int64{1, 1}, 1)}
	for _, test := range []struct{ model, x, y, err string }{
		{"any_rank", "[-1, 1]", "[-1, 1]", ""},
		{"another_rank", "[-1, 1]", "[-1]", ""},
		{"another_rank", "[-1, 1]", "[-1, 1]", `model failed: output "y": expected y FP32 [-1,1], got FP32 [2]`},
		{"any_rank", "[-1, 1]", "[-1, 3]", `model failed: output "y": expected y FP32 [-1,3], got FP32 [2,1]`},
	} {
		m := openDir(t, folder(test.model, test.x, test.y), 1)
		if test.model == "another_rank" {
			if err := m.Run(t.Context(), scalar, wanted("y")); !errors.Is(err, inference.ErrModelFailed) {
				t.Errorf("a tensor without dimensions: got %v", err)
			}
		}
		for range 2 {
			outputs := wanted("y")
			err := m.Run(t.Context(), in, outputs)
			if test.err != "" {
				if !errors.Is(err, inference.ErrModelFailed) || err.Error() != test.err {
					t.Errorf("%s: got %v, want %s", test.model, err, test.err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := inference.ElementsOf[float32](outputs[0].Data); !slices.Equal(got, []float32{.5, 1}) || inference.FormatShape(outputs[0].Shape) != strings.NewReplacer(" ", "", "-1", "2").Replace(test.y) {
				t.Errorf("%s: got %v %v", test.model, outputs[0].Shape, got)
			}
		}
	}
}
