package onnx

import (
	"footballprediction/inference"
)

const (
	// rowsMax is the most rows that one run of the fast path takes; more are run in turns.
	rowsMax = 1024
	// bufferSizeMax bounds a session's buffer in bytes, so that models with wide rows run in turns
	// sooner, and those with a row wider than this leave the fast path.
	bufferSizeMax = 16 << 20
	// alignment of each tensor in the buffer: a cache line, and any vector register.
	alignment = 64
)

// layout says how the tensors of a model lie in a session's buffer, inputs before outputs, each in a
// region of its own that holds as many rows as the buffer was made for.
//
// Only models whose tensors all count rows with their first dimension and leave no other open have
// one, and those that leave no dimension at all open: these have a single row. Strings, which have
// no place of a known size, have none.
type layout struct {
	inputs, outputs []region
	rowSize         int64 // bytes of one row of all tensors
	rowsMax         int64 // the most rows in one run
	counted         bool  // the first dimension counts rows; else there is one row and no such dimension
}

// region is the place of one tensor.
type region struct {
	spec    *inference.TensorSpec
	rowSize int64 // bytes of one row
}

// newLayout returns nil for models that have none.
func newLayout(inputs, outputs []inference.TensorSpec) *layout {
	l := &layout{counted: inputs[0].Shape[0] == -1, rowsMax: 1}
	regions := func(specs []inference.TensorSpec) []region {
		all := make([]region, len(specs))
		for i := range specs {
			row := specs[i].Shape
			if (row[0] == -1) != l.counted || specs[i].Type == inference.Bytes {
				return nil
			}
			if l.counted {
				row = row[1:]
			}
			size, ok := inference.ByteSize(specs[i].Type, row)
			if !ok {
				return nil
			}
			all[i] = region{&specs[i], size}
			if l.rowSize += size; l.rowSize > bufferSizeMax {
				return nil
			}
		}
		return all
	}
	l.inputs, l.outputs = regions(inputs), regions(outputs)
	if l.inputs == nil || l.outputs == nil {
		return nil
	}
	if l.counted {
		l.rowsMax = min(rowsMax, bufferSizeMax/l.rowSize)
	}
	return l
}

// bufferSize is what a buffer for that many rows takes, each tensor aligned.
func (l *layout) bufferSize(rows int64) int64 {
	return rows*l.rowSize + int64(len(l.inputs)+len(l.outputs))*alignment
}

// shape appends the shape of a tensor of that many rows to dims.
func (l *layout) shape(dims []int64, spec *inference.TensorSpec, rows int64) []int64 {
	dims = append(dims, spec.Shape...)
	if l.counted {
		dims[len(dims)-len(spec.Shape)] = rows
	}
	return dims
}
