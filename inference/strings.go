package inference

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// lengthSize is what the length before each element of BYTES takes.
const lengthSize = 4

// AppendBytes appends an element to the Data of a BYTES tensor. Elements of 4 GiB and more, which the
// encoding has no length for, are cut.
func AppendBytes[T string | []byte](data []byte, element T) []byte {
	element = element[:min(len(element), math.MaxUint32)]
	data = binary.LittleEndian.AppendUint32(data, uint32(len(element)))
	return append(data, element...)
}

// NextBytes cuts the first element off the Data of a BYTES tensor, without a copy; ok is false where
// data is shorter than it says.
func NextBytes(data []byte) (element, rest []byte, ok bool) {
	if len(data) < lengthSize {
		return nil, data, false
	}
	end := lengthSize + int64(binary.LittleEndian.Uint32(data))
	if int64(len(data)) < end {
		return nil, data, false
	}
	return data[lengthSize:end:end], data[end:], true
}

// checkBytes tells whether Data holds exactly the elements that the shape says.
func checkBytes(t *Tensor) error {
	n, _ := count(1, t.Shape)
	rest := t.Data
	for i := range n {
		element, after, ok := NextBytes(rest)
		if !ok && len(rest) < lengthSize {
			return fmt.Errorf("%w: expected %d elements for BYTES %s, got %d in %d bytes",
				ErrTensorSize, n, FormatShape(t.Shape), i, len(t.Data))
		}
		if !ok {
			return fmt.Errorf("%w: element %d: expected %d bytes, as its length says, got %d",
				ErrTensorSize, i, binary.LittleEndian.Uint32(rest), len(rest)-lengthSize)
		}
		if at := bytes.IndexByte(element, 0); at >= 0 {
			return fmt.Errorf("%w: element %d: expected no zero byte in a BYTES, got one at byte %d", ErrTensorValue, i, at)
		}
		rest = after
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: expected %d bytes for the %d elements of BYTES %s, got %d",
			ErrTensorSize, len(t.Data)-len(rest), n, FormatShape(t.Shape), len(t.Data))
	}
	return nil
}

// cut cuts the first n elements off the Data of a tensor of that type, which holds as many.
func cut(t DataType, data []byte, n int64) (head, rest []byte) {
	if t != Bytes {
		end := n * int64(t.Size())
		return data[:end:end], data[end:]
	}
	rest = data
	for range n {
		_, rest, _ = NextBytes(rest)
	}
	end := len(data) - len(rest)
	return data[:end:end], rest
}
