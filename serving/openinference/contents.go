package openinference

import (
	"fmt"
	"math"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// contentsFields are the fields of InferTensorContents by the datatype whose elements they hold. Of
// FP16 and BF16 it has none: these are always raw.
var contentsFields = map[inference.DataType]string{
	inference.Bool:   "bool_contents",
	inference.Int8:   "int_contents",
	inference.Int16:  "int_contents",
	inference.Int32:  "int_contents",
	inference.Int64:  "int64_contents",
	inference.Uint8:  "uint_contents",
	inference.Uint16: "uint_contents",
	inference.Uint32: "uint_contents",
	inference.Uint64: "uint64_contents",
	inference.FP32:   "fp32_contents",
	inference.FP64:   "fp64_contents",
	inference.Bytes:  "bytes_contents",
}

// rawOnly tells whether elements of a datatype have no field of InferTensorContents.
func rawOnly(t inference.DataType) bool { return t == inference.FP16 || t == inference.BF16 }

// otherField returns a field of c that holds elements although it is not the one of that name.
func otherField(c *pb.InferTensorContents, name string) string {
	if c == nil {
		return ""
	}
	for _, field := range [...]struct {
		name  string
		count int
	}{
		{"bool_contents", len(c.BoolContents)},
		{"int_contents", len(c.IntContents)},
		{"int64_contents", len(c.Int64Contents)},
		{"uint_contents", len(c.UintContents)},
		{"uint64_contents", len(c.Uint64Contents)},
		{"fp32_contents", len(c.Fp32Contents)},
		{"fp64_contents", len(c.Fp64Contents)},
		{"bytes_contents", len(c.BytesContents)},
	} {
		if field.count > 0 && field.name != name {
			return field.name
		}
	}
	return ""
}

// readContents returns the elements of a datatype as a tensor has them, without a copy where they
// lie so already.
func readContents(c *pb.InferTensorContents, t inference.DataType) ([]byte, error) {
	switch t {
	case inference.Bool:
		return inference.BytesOf(c.GetBoolContents()), nil
	case inference.Int8:
		return narrow[int8](c.GetIntContents(), math.MinInt8, math.MaxInt8)
	case inference.Int16:
		return narrow[int16](c.GetIntContents(), math.MinInt16, math.MaxInt16)
	case inference.Int32:
		return inference.BytesOf(c.GetIntContents()), nil
	case inference.Int64:
		return inference.BytesOf(c.GetInt64Contents()), nil
	case inference.Uint8:
		return narrow[uint8](c.GetUintContents(), 0, math.MaxUint8)
	case inference.Uint16:
		return narrow[uint16](c.GetUintContents(), 0, math.MaxUint16)
	case inference.Uint32:
		return inference.BytesOf(c.GetUintContents()), nil
	case inference.Uint64:
		return inference.BytesOf(c.GetUint64Contents()), nil
	case inference.FP32:
		return inference.BytesOf(c.GetFp32Contents()), nil
	case inference.FP64:
		return inference.BytesOf(c.GetFp64Contents()), nil
	case inference.Bytes:
		var data []byte
		for _, element := range c.GetBytesContents() {
			data = inference.AppendBytes(data, element)
		}
		return data, nil
	}
	return nil, nil
}

// narrow copies values into a type that holds those from least to most.
func narrow[N int8 | int16 | uint8 | uint16, W int32 | uint32](values []W, least, most W) ([]byte, error) {
	narrowed := make([]N, len(values))
	for i, v := range values {
		if v < least || v > most {
			return nil, fmt.Errorf("element %d: expected %d to %d, got %d", i, least, most, v)
		}
		narrowed[i] = N(v)
	}
	return inference.BytesOf(narrowed), nil
}

// newContents returns the elements of a tensor, without a copy where they are aligned and as wide.
func newContents(t *inference.Tensor) *pb.InferTensorContents {
	switch t.Type {
	case inference.Bool:
		return &pb.InferTensorContents{BoolContents: inference.ElementsOf[bool](t.Data)}
	case inference.Int8:
		return &pb.InferTensorContents{IntContents: widen[int32](inference.ElementsOf[int8](t.Data))}
	case inference.Int16:
		return &pb.InferTensorContents{IntContents: widen[int32](inference.ElementsOf[int16](t.Data))}
	case inference.Int32:
		return &pb.InferTensorContents{IntContents: inference.ElementsOf[int32](t.Data)}
	case inference.Int64:
		return &pb.InferTensorContents{Int64Contents: inference.ElementsOf[int64](t.Data)}
	case inference.Uint8:
		return &pb.InferTensorContents{UintContents: widen[uint32](t.Data)}
	case inference.Uint16:
		return &pb.InferTensorContents{UintContents: widen[uint32](inference.ElementsOf[uint16](t.Data))}
	case inference.Uint32:
		return &pb.InferTensorContents{UintContents: inference.ElementsOf[uint32](t.Data)}
	case inference.Uint64:
		return &pb.InferTensorContents{Uint64Contents: inference.ElementsOf[uint64](t.Data)}
	case inference.FP32:
		return &pb.InferTensorContents{Fp32Contents: inference.ElementsOf[float32](t.Data)}
	case inference.FP64:
		return &pb.InferTensorContents{Fp64Contents: inference.ElementsOf[float64](t.Data)}
	case inference.Bytes:
		c := new(pb.InferTensorContents)
		for element, rest, ok := inference.NextBytes(t.Data); ok; element, rest, ok = inference.NextBytes(rest) {
			c.BytesContents = append(c.BytesContents, element)
		}
		return c
	}
	return nil
}

func widen[W int32 | uint32, N int8 | int16 | uint8 | uint16](values []N) []W {
	widened := make([]W, len(values))
	for i, v := range values {
		widened[i] = W(v)
	}
	return widened
}

// contentsError says why an input has no elements in contents.
func contentsError(i int, name, format string, args ...any) *serving.Error {
	return serving.ErrorAt(fmt.Sprintf("inputs[%d].contents", i), serving.TensorDataType,
		"input %q: tensor datatype: %s", clip(name), fmt.Sprintf(format, args...))
}
