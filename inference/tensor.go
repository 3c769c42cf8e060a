// Package inference serves models without knowing what they are about: a Source says which
// versions of which models should be served, the Registry decides when, and a Handle keeps the
// version it names alive for as long as somebody uses it. Children implement: inference/onnx opens
// model files, inference/mlflow is a Source over a tracking server.
package inference

import (
	"fmt"
	"unsafe"
)

// DataType is a tensor's element type, named as the Open Inference Protocol names it.
type DataType uint8

// The element types. The zero value is no type.
const (
	InvalidType DataType = iota
	Bool
	Int8
	Int16
	Int32
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	FP16
	BF16
	FP32
	FP64
	Bytes // strings of any length and content but a zero byte; see Tensor
)

var dataTypes = [...]struct {
	name string
	size int
}{
	InvalidType: {"INVALID", 0},
	Bool:        {"BOOL", 1},
	Int8:        {"INT8", 1},
	Int16:       {"INT16", 2},
	Int32:       {"INT32", 4},
	Int64:       {"INT64", 8},
	Uint8:       {"UINT8", 1},
	Uint16:      {"UINT16", 2},
	Uint32:      {"UINT32", 4},
	Uint64:      {"UINT64", 8},
	FP16:        {"FP16", 2},
	BF16:        {"BF16", 2},
	FP32:        {"FP32", 4},
	FP64:        {"FP64", 8},
	Bytes:       {"BYTES", 0},
}

// String returns the Open Inference name, such as "FP32".
func (t DataType) String() string {
	if int(t) >= len(dataTypes) {
		return fmt.Sprintf("DataType(%d)", uint8(t))
	}
	return dataTypes[t].name
}

// Size returns the bytes of one element, or 0 where elements have no fixed width: those of Bytes.
func (t DataType) Size() int {
	if int(t) >= len(dataTypes) {
		return 0
	}
	return dataTypes[t].size
}

// ParseDataType reads an Open Inference name, such as "FP32".
func ParseDataType(name string) (DataType, error) {
	for t, d := range dataTypes {
		if t != int(InvalidType) && d.name == name {
			return DataType(t), nil
		}
	}
	return InvalidType, fmt.Errorf("unknown datatype %q", name)
}

// TensorSpec describes an input or output of a model. A dimension of -1 is variable; where the
// first dimension is -1 it counts rows, and rows of different requests may share one run.
type TensorSpec struct {
	Name  string
	Type  DataType
	Shape []int64
}

// String formats the spec as "features FP32 [-1,44]".
func (s TensorSpec) String() string {
	return fmt.Sprintf("%s %s %s", s.Name, s.Type, FormatShape(s.Shape))
}

// Tensor is a dense tensor: Data holds its elements row-major in the machine's (little-endian)
// byte order without padding, so len(Data) is the product of Shape times Type.Size(). Elements of
// Bytes lie there as Open Inference has them: each after its length, in 4 bytes, little-endian.
type Tensor struct {
	Name  string
	Type  DataType
	Shape []int64
	Data  []byte
}

// Element is a Go type that tensors of fixed width hold; the bits of FP16 and BF16 are uint16 in Go.
type Element interface {
	~bool | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// BytesOf returns the memory of values as bytes, without a copy.
func BytesOf[T Element](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(values[0])))
}

// ElementsOf returns the elements that data holds. It copies only where data is not aligned for T
// (bytes cut out of a message may lie anywhere). Bytes beyond the last whole element are left out.
func ElementsOf[T Element](data []byte) []T {
	var zero T
	size := int(unsafe.Sizeof(zero))
	n := len(data) / size
	if n == 0 {
		return nil
	}
	p := unsafe.Pointer(unsafe.SliceData(data))
	if uintptr(p)%unsafe.Alignof(zero) == 0 {
		return unsafe.Slice((*T)(p), n)
	}
	aligned := make([]T, n)
	copy(BytesOf(aligned), data)
	return aligned
}
