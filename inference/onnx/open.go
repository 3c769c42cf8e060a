// Package onnx opens ONNX models with ONNX Runtime. It is the only package that needs cgo.
package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"footballprediction/inference"
)

// Options of an Opener.
type Options struct {
	// Sessions is how many threads the runs of one model may take together; 0 means one per core. A
	// model gets as many sessions, each with a thread of its own, unless its inference.Config says
	// otherwise.
	Sessions int
}

// Opener opens models as pools of sessions. It is safe for concurrent use.
type Opener struct {
	sessions int
}

// New loads ONNX Runtime from a shared library, once per process, and returns an Opener.
func New(library string, options Options) (*Opener, error) {
	if options.Sessions < 0 {
		return nil, fmt.Errorf("onnx: Sessions: expected 0 or more, got %d", options.Sessions)
	}
	if options.Sessions == 0 {
		options.Sessions = runtime.GOMAXPROCS(0)
	}
	if err := loadLibrary(library); err != nil {
		return nil, err
	}
	return &Opener{sessions: options.Sessions}, nil
}

// Open opens the model in dir: an MLflow ONNX model folder, whose signature must be the graph's, or
// a folder with a bare model.onnx, and in either a config.json, see inference.Config; of that, the
// execution provider may be cpu, coreml, cuda, openvino, qnn, tensorrt, webgpu or xnnpack, as far as
// the library has it. Models that take or give anything but tensors of the types that inference knows,
// with at least one dimension, are refused.
func (o *Opener) Open(ctx context.Context, dir string) (inference.Model, error) {
	m, err := o.open(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	return m, nil
}

func (o *Opener) open(ctx context.Context, dir string) (*Model, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	config, err := inference.ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	described, err := readMLmodel(root)
	if err != nil {
		return nil, err
	}
	file := described.Flavors.ONNX.Data
	// The root refuses names that lead out of the folder, by ".." or by a link.
	info, err := root.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q is not a file", file)
	}
	if err != nil {
		return nil, fmt.Errorf("find the model file: %w", err)
	}
	path := filepath.Join(dir, file)

	options, err := sessionOptions(config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = options.Destroy() }() // it fails only on options destroyed already
	inputs, outputs, err := signature(path, config)
	if err != nil {
		return nil, err
	}
	m := &Model{}
	for _, side := range []struct {
		what, signature string
		infos           []ort.InputOutputInfo
		specs           *[]inference.TensorSpec
	}{
		{"input", described.Signature.Inputs, inputs, &m.inputs},
		{"output", described.Signature.Outputs, outputs, &m.outputs},
	} {
		fields, err := readSignature(side.what, side.signature)
		if err != nil {
			return nil, err
		}
		if *side.specs, err = specs(side.what, side.infos, shapes(fields)); err != nil {
			return nil, err
		}
		if err := checkSignature(side.what, fields, *side.specs); err != nil {
			return nil, err
		}
		if side.what == "output" {
			leaveOpen(*side.specs, shapes(fields))
		}
	}
	m.layout = newLayout(m.inputs, m.outputs)
	if err := m.start(ctx, path, o.count(config), options); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// signature returns a graph's inputs and outputs. ONNX Runtime tells them of a session, so one is made
// for this alone, as cheaply as can be.
func signature(path string, config inference.Config) (inputs, outputs []ort.InputOutputInfo, err error) {
	config.GraphOptimization = "disable"
	options, err := sessionOptions(config)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = options.Destroy() }() // it fails only on options destroyed already
	if err := options.AddSessionConfigEntry("session.disable_prepacking", "1"); err != nil {
		return nil, nil, err
	}
	inputs, outputs, err = ort.GetInputOutputInfoWithOptions(path, options)
	if err != nil && strings.Contains(err.Error(), "MLDataType for: tensor(") {
		err = fmt.Errorf("%w: export complex numbers as real ones, in two tensors or with a last dimension of 2", err)
	}
	return inputs, outputs, err
}

// count returns how many sessions a model gets.
func (o *Opener) count(config inference.Config) int {
	if config.Sessions > 0 {
		return config.Sessions
	}
	return max(1, o.sessions/max(config.Threads, 1))
}

// ortTypes are the element types as ONNX Runtime knows them.
var ortTypes = map[inference.DataType]ort.TensorElementDataType{
	inference.Bool:   ort.TensorElementDataTypeBool,
	inference.Int8:   ort.TensorElementDataTypeInt8,
	inference.Int16:  ort.TensorElementDataTypeInt16,
	inference.Int32:  ort.TensorElementDataTypeInt32,
	inference.Int64:  ort.TensorElementDataTypeInt64,
	inference.Uint8:  ort.TensorElementDataTypeUint8,
	inference.Uint16: ort.TensorElementDataTypeUint16,
	inference.Uint32: ort.TensorElementDataTypeUint32,
	inference.Uint64: ort.TensorElementDataTypeUint64,
	inference.FP16:   ort.TensorElementDataTypeFloat16,
	inference.BF16:   ort.TensorElementDataTypeBFloat16,
	inference.FP32:   ort.TensorElementDataTypeFloat,
	inference.FP64:   ort.TensorElementDataTypeDouble,
	inference.Bytes:  ort.TensorElementDataTypeString,
}

// dataType is the inverse of ortTypes, InvalidType for others.
func dataType(t ort.TensorElementDataType) inference.DataType {
	for ours, theirs := range ortTypes {
		if theirs == t {
			return ours
		}
	}
	return inference.InvalidType
}

// specs reads a graph's side of the signature, refusing what cannot be served. Shapes that the graph
// leaves open altogether are those of MLmodel.
func specs(what string, infos []ort.InputOutputInfo, shapes map[string][]int64) ([]inference.TensorSpec, error) {
	if len(infos) == 0 {
		return nil, fmt.Errorf("the graph has no %ss", what)
	}
	all := make([]inference.TensorSpec, len(infos))
	for i, info := range infos {
		if info.OrtValueType != ort.ONNXTypeTensor {
			return nil, fmt.Errorf("%s %q is a %s; expected a tensor: export with zipmap=False, and split sequences into outputs",
				what, info.Name, strings.TrimPrefix(info.OrtValueType.String(), "ONNX_TYPE_"))
		}
		t := dataType(info.DataType)
		if t == inference.InvalidType {
			return nil, fmt.Errorf("%s %q is %s, which Open Inference has no name for: put a Cast before or after the graph",
				what, info.Name, strings.TrimPrefix(info.DataType.String(), "ONNX_TENSOR_ELEMENT_DATA_TYPE_"))
		}
		if len(info.Dimensions) == 0 {
			// ONNX Runtime does not tell a number from a tensor of any rank.
			info.Dimensions = shapes[info.Name]
		}
		if len(info.Dimensions) == 0 {
			return nil, fmt.Errorf("%s %q has no dimensions or leaves their number open; expected at least one: export it with a shape such as [1], "+
				"or say in MLmodel's signature which it has", what, info.Name)
		}
		if slices.Contains(info.Dimensions, 0) {
			return nil, fmt.Errorf("%s %q has shape %s; expected no dimension of 0", what, info.Name, inference.FormatShape(info.Dimensions))
		}
		all[i] = inference.TensorSpec{Name: info.Name, Type: t, Shape: info.Dimensions}
		if _, ok := inference.ByteSize(t, known(info.Dimensions)); !ok {
			return nil, fmt.Errorf("%s %s is too large", what, all[i])
		}
	}
	return all, nil
}

// known returns shape with 1 for each open dimension.
func known(shape []int64) []int64 {
	shape = append([]int64(nil), shape...)
	for i := range shape {
		shape[i] = max(shape[i], 1)
	}
	return shape
}
