package onnx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"go.yaml.in/yaml/v3"

	"footballprediction/inference"
)

const (
	modelFileDefault = "model.onnx"
	// mlmodelSizeMax bounds MLmodel, which holds little more than the signature.
	mlmodelSizeMax = 4 << 20
)

// mlmodel is the part of an MLflow MLmodel file that matters here.
type mlmodel struct {
	Flavors struct {
		ONNX *struct {
			Data string `yaml:"data"`
		} `yaml:"onnx"`
	} `yaml:"flavors"`
	Signature struct {
		Inputs  string `yaml:"inputs"` // JSON in a string
		Outputs string `yaml:"outputs"`
	} `yaml:"signature"`
}

// field is one input or output of an MLflow signature. Signatures of data frames, which have
// columns instead of tensors, say nothing that a graph could be compared with.
type field struct {
	Name   string `json:"name"`
	Type   string `json:"type"` // "tensor", or a column's type
	Tensor struct {
		DataType string  `json:"dtype"` // as NumPy names it
		Shape    []int64 `json:"shape"`
	} `json:"tensor-spec"`
}

var numpyTypes = map[string]inference.DataType{
	"bool": inference.Bool,
	"int8": inference.Int8, "int16": inference.Int16, "int32": inference.Int32, "int64": inference.Int64,
	"uint8": inference.Uint8, "uint16": inference.Uint16, "uint32": inference.Uint32, "uint64": inference.Uint64,
	"float16": inference.FP16, "bfloat16": inference.BF16, "float32": inference.FP32, "float64": inference.FP64,
	"str": inference.Bytes, "object": inference.Bytes,
}

// readMLmodel reads the MLmodel file of a folder; a folder without one holds a bare model.onnx.
func readMLmodel(dir *os.Root) (mlmodel, error) {
	var m mlmodel
	file, err := inference.OpenFile(dir.OpenFile, "MLmodel")
	if errors.Is(err, fs.ErrNotExist) {
		m.Flavors.ONNX = &struct {
			Data string `yaml:"data"`
		}{modelFileDefault}
		return m, nil
	}
	if err != nil {
		return m, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, mlmodelSizeMax+1))
	if err != nil {
		return m, fmt.Errorf("read MLmodel: %w", err)
	}
	if len(data) > mlmodelSizeMax {
		return m, fmt.Errorf("read MLmodel: expected at most %d bytes", mlmodelSizeMax)
	}
	if err := yaml.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("read MLmodel: %w", err)
	}
	if m.Flavors.ONNX == nil {
		return m, errors.New("read MLmodel: expected a flavor \"onnx\": log the model with mlflow.onnx")
	}
	if m.Flavors.ONNX.Data == "" {
		m.Flavors.ONNX.Data = modelFileDefault
	}
	return m, nil
}

// readSignature reads one side of an MLflow signature: nil where there is none, or none of tensors.
func readSignature(what, signature string) ([]field, error) {
	if signature == "" {
		return nil, nil
	}
	var fields []field
	if err := json.Unmarshal([]byte(signature), &fields); err != nil {
		return nil, fmt.Errorf("MLmodel signature.%ss: %w", what, err)
	}
	for _, f := range fields {
		if f.Type != "tensor" {
			return nil, nil
		}
	}
	return fields, nil
}

// shapes returns the shapes of a signature's tensors by name.
func shapes(fields []field) map[string][]int64 {
	all := map[string][]int64{}
	for _, f := range fields {
		all[f.Name] = f.Tensor.Shape
	}
	return all
}

// checkSignature tells whether an MLflow signature, if there is one, is the graph's.
func checkSignature(what string, fields []field, graph []inference.TensorSpec) error {
	if len(fields) == 0 {
		return nil
	}
	if len(fields) != len(graph) {
		return fmt.Errorf("MLmodel signature.%ss: expected %d tensors as in the graph, got %d", what, len(graph), len(fields))
	}
	for i, f := range fields {
		spec := graph[i]
		if f.Name != "" { // one tensor alone may go without a name
			at := indexOf(graph, f.Name)
			if at < 0 {
				return fmt.Errorf("MLmodel signature.%ss: tensor %q is not in the graph", what, f.Name)
			}
			spec = graph[at]
		}
		if t := numpyTypes[f.Tensor.DataType]; t != spec.Type || !compatible(f.Tensor.Shape, spec.Shape) {
			return fmt.Errorf("MLmodel signature.%ss: expected %s as in the graph, got %s %s",
				what, spec, f.Tensor.DataType, inference.FormatShape(f.Tensor.Shape))
		}
	}
	return nil
}

// leaveOpen opens the dimensions of outputs that a signature leaves open. Converters write graphs that
// have one wrong, as that of LightGBM does, for whom a class is given to a single row; ONNX Runtime
// takes what a graph says of its outputs for a hint.
func leaveOpen(outputs []inference.TensorSpec, shapes map[string][]int64) {
	for i := range outputs {
		for j, d := range shapes[outputs[i].Name] {
			if d == -1 {
				outputs[i].Shape[j] = -1
			}
		}
	}
}

func indexOf(specs []inference.TensorSpec, name string) int {
	for i := range specs {
		if specs[i].Name == name {
			return i
		}
	}
	return -1
}

// compatible tells whether two shapes, of which either may leave dimensions open, can be one.
func compatible(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && a[i] != -1 && b[i] != -1 {
			return false
		}
	}
	return true
}
