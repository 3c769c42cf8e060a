package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of ONNX's messages, and the number of FLOAT among its types.
const (
	modelIRVersion, modelGraph, modelOpset      = 1, 7, 8
	opsetVersion                                = 2
	graphNode, graphName, graphInitializer      = 1, 2, 5
	graphInput, graphOutput                     = 11, 12
	nodeInput, nodeOutput, nodeOperator         = 1, 2, 4
	tensorDims, tensorType, tensorName          = 1, 2, 8
	tensorRaw                                   = 9
	valueName, valueType, typeTensor            = 1, 2, 1
	tensorElement, tensorShape                  = 1, 2
	shapeDimension, dimensionValue, dimensionOf = 1, 1, 2
	onnxFloat                                   = 1
)

// writeLayers makes a model of so many layers, each a multiplication with a matrix of its own, from
// FP32 x [N,width] to y of the same shape: 4×layers×width² bytes.
func writeLayers(dir string, layers, width int) error {
	random := rand.New(rand.NewPCG(1, 1))
	var graph []byte
	from := "x"
	for i := range layers {
		to, weights := fmt.Sprintf("y%d", i), fmt.Sprintf("w%d", i)
		if i == layers-1 {
			to = "y"
		}
		var node []byte
		node = text(node, nodeInput, from)
		node = text(node, nodeInput, weights)
		node = text(node, nodeOutput, to)
		node = text(node, nodeOperator, "MatMul")
		graph = message(graph, graphNode, node)

		raw := make([]byte, 0, 4*width*width)
		for range width * width {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(random.Float32()/float32(width)))
		}
		var tensor []byte
		tensor = number(tensor, tensorDims, uint64(width))
		tensor = number(tensor, tensorDims, uint64(width))
		tensor = number(tensor, tensorType, onnxFloat)
		tensor = text(tensor, tensorName, weights)
		tensor = message(tensor, tensorRaw, raw)
		graph = message(graph, graphInitializer, tensor)
		from = to
	}
	graph = text(graph, graphName, "layers")
	graph = message(graph, graphInput, value("x", width))
	graph = message(graph, graphOutput, value("y", width))
	model := number(nil, modelIRVersion, 8)
	model = message(model, modelGraph, graph)
	model = message(model, modelOpset, number(nil, opsetVersion, 17))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "model.onnx"), model, 0o600)
}

// value describes FP32 [N,width].
func value(name string, width int) []byte {
	shape := message(nil, shapeDimension, text(nil, dimensionOf, "N"))
	shape = message(shape, shapeDimension, number(nil, dimensionValue, uint64(width)))
	tensor := message(number(nil, tensorElement, onnxFloat), tensorShape, shape)
	return message(text(nil, valueName, name), valueType, message(nil, typeTensor, tensor))
}

func message(b []byte, field protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), content)
}

func text(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func number(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}
