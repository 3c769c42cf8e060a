package onnx

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"

	ort "github.com/yalue/onnxruntime_go"

	"footballprediction/inference"
)

// onnxruntime_go hands over outputs whose shape is not known before a run by copying them, and knows
// how many bytes to copy for all types but FP16 and BF16. A model that has such outputs, and no
// layout, is opened with casts of them to FP32 behind its graph, which are fetched in their place.
// FP32 holds every value of either type, so nothing is lost on the way there and back.

func isHalf(t inference.DataType) bool { return t == inference.FP16 || t == inference.BF16 }

func hasHalf(specs []inference.TensorSpec) bool {
	for i := range specs {
		if isHalf(specs[i].Type) {
			return true
		}
	}
	return false
}

// singleName names the cast of an output.
func singleName(output string) string { return output + "/as FP32" }

// halves turns the elements of a cast back into those of a type.
func halves(t inference.DataType, singles []float32) []uint16 {
	all := make([]uint16, len(singles))
	for i, f := range singles {
		if t == inference.FP16 {
			all[i] = inference.ToFP16(f)
		} else {
			all[i] = inference.ToBF16(f)
		}
	}
	return all
}

// withSingles reads a model file, appends the casts, and returns the names of what is to be fetched.
func withSingles(path string, outputs []inference.TensorSpec, options *ort.SessionOptions) (graph []byte, fetched []string, err error) {
	if graph, err = os.ReadFile(path); err != nil {
		return nil, nil, err
	}
	// Without a file, what lies beside it has to be said.
	if err := options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", filepath.Dir(path)); err != nil {
		return nil, nil, err
	}
	var more []byte
	fetched = names(outputs)
	for i := range outputs {
		if isHalf(outputs[i].Type) {
			fetched[i] = singleName(outputs[i].Name)
			more = append(more, cast(outputs[i].Name, fetched[i])...)
		}
	}
	// Of a message that stands in another twice, protobuf makes one that has the lists of both.
	return append(graph, part(modelGraph, more)...), fetched, nil
}

// Field numbers of ONNX's protobuf messages, and values of its enumerations.
const (
	modelGraph         = 7
	graphNode          = 1
	graphOutput        = 12
	nodeInput          = 1
	nodeOutput         = 2
	nodeOperator       = 4
	nodeAttribute      = 5
	attributeName      = 1
	attributeInt       = 3
	attributeType      = 20
	attributeTypeInt   = 2
	valueName          = 1
	valueType          = 2
	typeTensor         = 1
	tensorElement      = 1
	tensorElementFloat = 1
)

// cast returns the fields by which a graph gets the node that casts from to FP32, and its output.
func cast(from, to string) []byte {
	attribute := join(part(attributeName, []byte("to")), number(attributeInt, tensorElementFloat), number(attributeType, attributeTypeInt))
	node := join(part(nodeInput, []byte(from)), part(nodeOutput, []byte(to)), part(nodeOperator, []byte("Cast")), part(nodeAttribute, attribute))
	value := join(part(valueName, []byte(to)), part(valueType, part(typeTensor, number(tensorElement, tensorElementFloat))))
	return join(part(graphNode, node), part(graphOutput, value))
}

// part encodes a protobuf field that has a length.
func part(n int, content []byte) []byte {
	key := binary.AppendUvarint(nil, uint64(n)<<3|2)
	return append(binary.AppendUvarint(key, uint64(len(content))), content...)
}

// number encodes a protobuf field that is a whole number.
func number(n int, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(n)<<3), value)
}

func join(fields ...[]byte) []byte { return bytes.Join(fields, nil) }
