package openinference

import (
	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
)

// contentsFields are the fields of InferTensorContents by the datatype whose elements they hold.
var contentsFields = map[inference.DataType]string{
	inference.Bool:  "bool_contents",
	inference.Int32: "int_contents",
	inference.Int64: "int64_contents",
	inference.FP32:  "fp32_contents",
	inference.FP64:  "fp64_contents",
}

// otherField returns a field of c that holds elements although it is not the datatype's; where none
// should, also one that is. It returns "" where there is none.
func otherField(c *pb.InferTensorContents, t inference.DataType, none bool) string {
	if c == nil {
		return ""
	}
	for _, field := range [...]struct {
		name  string
		of    inference.DataType
		count int
	}{
		{"bool_contents", inference.Bool, len(c.BoolContents)},
		{"int_contents", inference.Int32, len(c.IntContents)},
		{"int64_contents", inference.Int64, len(c.Int64Contents)},
		{"uint_contents", inference.InvalidType, len(c.UintContents)},
		{"uint64_contents", inference.InvalidType, len(c.Uint64Contents)},
		{"fp32_contents", inference.FP32, len(c.Fp32Contents)},
		{"fp64_contents", inference.FP64, len(c.Fp64Contents)},
		{"bytes_contents", inference.InvalidType, len(c.BytesContents)},
	} {
		if field.count > 0 && (none || field.of != t) {
			return field.name
		}
	}
	return ""
}

// readContents returns the elements of a datatype, without a copy.
func readContents(c *pb.InferTensorContents, t inference.DataType) []byte {
	switch t {
	case inference.Bool:
		return inference.BytesOf(c.GetBoolContents())
	case inference.Int32:
		return inference.BytesOf(c.GetIntContents())
	case inference.Int64:
		return inference.BytesOf(c.GetInt64Contents())
	case inference.FP32:
		return inference.BytesOf(c.GetFp32Contents())
	case inference.FP64:
		return inference.BytesOf(c.GetFp64Contents())
	}
	return nil
}

// newContents returns the elements of a tensor, without a copy where they are aligned.
func newContents(t *inference.Tensor) *pb.InferTensorContents {
	switch t.Type {
	case inference.Bool:
		return &pb.InferTensorContents{BoolContents: inference.ElementsOf[bool](t.Data)}
	case inference.Int32:
		return &pb.InferTensorContents{IntContents: inference.ElementsOf[int32](t.Data)}
	case inference.Int64:
		return &pb.InferTensorContents{Int64Contents: inference.ElementsOf[int64](t.Data)}
	case inference.FP32:
		return &pb.InferTensorContents{Fp32Contents: inference.ElementsOf[float32](t.Data)}
	case inference.FP64:
		return &pb.InferTensorContents{Fp64Contents: inference.ElementsOf[float64](t.Data)}
	}
	return nil
}
