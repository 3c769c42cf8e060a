package onnx

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"time"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"footballprediction/inference"
)

// runFreely runs inputs of any shape that the signature allows, on tensors made for the occasion,
// and takes outputs of whatever shape the model gives.
func (s *session) runFreely(inputs, outputs []inference.Tensor, copied *inference.Copied) (err error) {
	m, began := s.model, time.Now()
	var values []ort.Value
	defer func() {
		for _, v := range values {
			// What onnxruntime_go could not make is nil inside.
			if v != nil && !reflect.ValueOf(v).IsNil() {
				err = errors.Join(err, v.Destroy())
			}
		}
	}()
	var pinned runtime.Pinner
	defer pinned.Unpin()
	for i := range m.inputs {
		v, err := feed(inference.Find(inputs, m.inputs[i].Name, i), &pinned)
		if err != nil {
			return fmt.Errorf("%w: make input %q: %w", inference.ErrModelFailed, m.inputs[i].Name, err)
		}
		values = append(values, v)
	}
	values = slices.Grow(values, len(m.outputs))[:len(m.inputs)+len(m.outputs)]
	results := values[len(m.inputs):]
	copied.In += time.Since(began)
	if err := s.ort.Run(values[:len(m.inputs)], results); err != nil {
		return fmt.Errorf("%w: %w", inference.ErrModelFailed, err)
	}
	began = time.Now()
	room := inference.MaxOutputBytes
	for i := range m.outputs {
		out := inference.Find(outputs, m.outputs[i].Name, i)
		if err := take(&m.outputs[i], results[i], out, room); err != nil {
			return err
		}
		if out != nil {
			room -= len(out.Data)
		}
	}
	copied.Out += time.Since(began)
	return nil
}

// feed makes a tensor of an input, whose memory is pinned for it.
func feed(in *inference.Tensor, pinned *runtime.Pinner) (ort.Value, error) {
	if in.Type != inference.Bytes {
		data := aligned(in.Data, in.Type.Size())
		pinned.Pin(&data[0])
		return ort.NewCustomDataTensor(in.Shape, data, ortTypes[in.Type])
	}
	v, err := ort.NewStringTensor(in.Shape)
	if err != nil {
		return nil, err
	}
	// CheckInputs has seen that there are as many as the shape says, and no zero byte, at which C
	// would end a string.
	var elements []string
	for rest := in.Data; len(rest) > 0; {
		var element []byte
		element, rest, _ = inference.NextBytes(rest)
		elements = append(elements, unsafe.String(unsafe.SliceData(element), len(element)))
	}
	if err := v.SetContents(elements); err != nil {
		return nil, errors.Join(err, v.Destroy())
	}
	return v, nil
}

// take checks a result against the signature and copies it into out, which is nil where nobody
// asked for it. There is room for so many bytes.
func take(spec *inference.TensorSpec, v ort.Value, out *inference.Tensor, room int) error {
	t, data, err := contents(spec.Type, v)
	if err != nil {
		return fmt.Errorf("%w: output %q: %w", inference.ErrModelFailed, spec.Name, err)
	}
	shape := v.GetShape()
	if t != spec.Type || !compatible(spec.Shape, shape) {
		return fmt.Errorf("%w: output %q: expected %s, got %s %s",
			inference.ErrModelFailed, spec.Name, spec, t, inference.FormatShape(shape))
	}
	if out == nil {
		return nil
	}
	if len(data) > room {
		return fmt.Errorf("%w: output %q of shape %s: expected at most %d bytes in all, got more",
			inference.ErrOutputTooLarge, spec.Name, inference.FormatShape(shape), inference.MaxOutputBytes)
	}
	out.Type = t
	out.Shape = append(out.Shape[:0], shape...)
	out.Data = append(out.Data[:0], data...)
	return nil
}

// contents returns the type and the elements of a result. Where FP16 or BF16 is wanted, FP32 is a cast
// of it.
func contents(wanted inference.DataType, v ort.Value) (inference.DataType, []byte, error) {
	switch v := v.(type) {
	case *ort.Tensor[bool]:
		return inference.Bool, inference.BytesOf(v.GetData()), nil
	case *ort.Tensor[int8]:
		return inference.Int8, inference.BytesOf(v.GetData()), nil
	case *ort.Tensor[int16]:
		return inference.Int16, inference.BytesOf(v.GetData()), nil
	case *ort.Tensor[int32]:
		return inference.Int32, inference.BytesOf(v.GetData()), nil
	case *ort.Tensor[int64]:
		return inference.Int64, inference.BytesOf(v.GetData()), nil
	case *ort.Tensor[uint8]:
		return inference.Uint8, inference.BytesOf(v.GetData()), nil
	case *ort.Tensor[uint16]:
		return inference.Uint16, inference.BytesOf(v.GetData()), nil
	case *ort.Tensor[uint32]:
		return inference.Uint32, inference.BytesOf(v.GetData()), nil
	case *ort.Tensor[uint64]:
		return inference.Uint64, inference.BytesOf(v.GetData()), nil
	case *ort.Tensor[float32]:
		if isHalf(wanted) {
			return wanted, inference.BytesOf(halves(wanted, v.GetData())), nil
		}
		return inference.FP32, inference.BytesOf(v.GetData()), nil
	case *ort.Tensor[float64]:
		return inference.FP64, inference.BytesOf(v.GetData()), nil
	case *ort.StringTensor:
		elements, err := v.GetContents()
		if err != nil {
			return 0, nil, err
		}
		var data []byte
		for _, element := range elements {
			data = inference.AppendBytes(data, element)
		}
		return inference.Bytes, data, nil
	}
	return 0, nil, fmt.Errorf("expected a tensor, got %T", v)
}

// aligned returns data, or a copy of it if it does not start at a multiple of size.
func aligned(data []byte, size int) []byte {
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(size) == 0 {
		return data
	}
	return append(make([]byte, 0, len(data)), data...)
}
