package onnx

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"footballprediction/inference"
)

// runFreely runs inputs of any shape that the signature allows, on tensors made for the occasion,
// and takes outputs of whatever shape the model gives.
func (s *session) runFreely(inputs, outputs []inference.Tensor) (err error) {
	m := s.model
	var values []ort.Value
	defer func() {
		for _, v := range values {
			if v != nil {
				err = errors.Join(err, v.Destroy())
			}
		}
	}()
	var pinned runtime.Pinner
	defer pinned.Unpin()
	for i := range m.inputs {
		in := inference.Find(inputs, m.inputs[i].Name, i)
		data := aligned(in.Data, in.Type.Size())
		pinned.Pin(&data[0])
		v, err := ort.NewCustomDataTensor(in.Shape, data, ortType(in.Type))
		if err != nil {
			return fmt.Errorf("%w: make input %q: %w", inference.ErrModelFailed, in.Name, err)
		}
		values = append(values, v)
	}
	values = slices.Grow(values, len(m.outputs))[:len(m.inputs)+len(m.outputs)]
	results := values[len(m.inputs):]
	if err := s.ort.Run(values[:len(m.inputs)], results); err != nil {
		return fmt.Errorf("%w: %w", inference.ErrModelFailed, err)
	}
	for i := range m.outputs {
		if err := take(&m.outputs[i], results[i], inference.Find(outputs, m.outputs[i].Name, i)); err != nil {
			return err
		}
	}
	return nil
}

// take checks a result against the signature and copies it into out, which is nil where nobody
// asked for it.
func take(spec *inference.TensorSpec, v ort.Value, out *inference.Tensor) error {
	var t inference.DataType
	var data []byte
	switch v := v.(type) {
	case *ort.Tensor[bool]:
		t, data = inference.Bool, inference.BytesOf(v.GetData())
	case *ort.Tensor[int32]:
		t, data = inference.Int32, inference.BytesOf(v.GetData())
	case *ort.Tensor[int64]:
		t, data = inference.Int64, inference.BytesOf(v.GetData())
	case *ort.Tensor[float32]:
		t, data = inference.FP32, inference.BytesOf(v.GetData())
	case *ort.Tensor[float64]:
		t, data = inference.FP64, inference.BytesOf(v.GetData())
	default:
		return fmt.Errorf("%w: output %q: expected %s, got %T", inference.ErrModelFailed, spec.Name, spec, v)
	}
	shape := v.GetShape()
	if t != spec.Type || !compatible(spec.Shape, shape) {
		return fmt.Errorf("%w: output %q: expected %s, got %s %s",
			inference.ErrModelFailed, spec.Name, spec, t, inference.FormatShape(shape))
	}
	if out != nil {
		out.Type = t
		out.Shape = append(out.Shape[:0], shape...)
		out.Data = append(out.Data[:0], data...)
	}
	return nil
}

// aligned returns data, or a copy of it if it does not start at a multiple of size.
func aligned(data []byte, size int) []byte {
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(size) == 0 {
		return data
	}
	return append(make([]byte, 0, len(data)), data...)
}
