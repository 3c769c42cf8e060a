package onnx

import (
	"errors"
	"runtime"
	"time"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"footballprediction/inference"
)

// session runs a model on one thread. Only the goroutine that took it from the pool uses it.
//
// Its tensors lie in one buffer, made once for each number of rows that has come along and bound to
// the session for good, so that a run of the fast path is: copy in, one call into C, copy out.
type session struct {
	model  *Model
	ort    *ort.DynamicAdvancedSession
	buffer []byte
	pinned runtime.Pinner // keeps buffer where C has been told that it is
	rows   int64          // the rows that buffer has room for
	bound  []*binding     // by number of rows, nil where none came along yet
}

// binding holds tensors of one number of rows, which share the session's buffer with the others.
type binding struct {
	io      *ort.IoBinding
	tensors []*ort.CustomDataTensor
}

// runRows runs any number of rows, as many at a time as the layout allows.
func (s *session) runRows(rows int64, inputs, outputs []inference.Tensor, copied *inference.Copied) error {
	l := s.model.layout
	for i := range l.outputs {
		r := &l.outputs[i]
		if out := inference.Find(outputs, r.spec.Name, i); out != nil {
			out.Type = r.spec.Type
			out.Shape = l.shape(out.Shape[:0], r.spec, rows)
			out.Data = sized(out.Data, rows*r.rowSize)
		}
	}
	for from := int64(0); from < rows; from += l.rowsMax {
		n := min(rows-from, l.rowsMax)
		b, err := s.binding(n)
		if err != nil {
			return err
		}
		began, at := time.Now(), int64(0)
		for i := range l.inputs {
			r := &l.inputs[i]
			in := inference.Find(inputs, r.spec.Name, i)
			copy(s.region(&at, r), in.Data[from*r.rowSize:(from+n)*r.rowSize])
		}
		copied.In += time.Since(began)
		if err := s.ort.RunWithBinding(b.io); err != nil {
			return err
		}
		began = time.Now()
		for i := range l.outputs {
			r := &l.outputs[i]
			got := s.region(&at, r)
			if out := inference.Find(outputs, r.spec.Name, i); out != nil {
				copy(out.Data[from*r.rowSize:(from+n)*r.rowSize], got)
			}
		}
		copied.Out += time.Since(began)
	}
	return nil
}

// region returns the part of the buffer that starts at *at, where r lies, and moves *at past it.
func (s *session) region(at *int64, r *region) []byte {
	size := s.rows * r.rowSize
	b := s.buffer[*at : *at+size : *at+size]
	*at += (size + alignment - 1) / alignment * alignment
	return b
}

// binding returns the tensors of that many rows, at most layout.rowsMax, and makes them if need be.
func (s *session) binding(rows int64) (*binding, error) {
	if rows > s.rows {
		if err := s.grow(rows); err != nil {
			return nil, err
		}
	}
	if s.bound[rows] == nil {
		b, err := s.bind(rows)
		if err != nil {
			return nil, err
		}
		s.bound[rows] = b
	}
	return s.bound[rows], nil
}

// grow makes room for at least that many rows. Buffers double, so that they grow seldom.
func (s *session) grow(rows int64) error {
	if err := s.drop(); err != nil {
		return err
	}
	l := s.model.layout
	room := int64(1)
	for room < rows {
		room *= 2
	}
	room = min(room, l.rowsMax)
	raw := make([]byte, l.bufferSize(room)+alignment)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(raw))) % alignment
	s.buffer = raw[skip:]
	s.pinned.Pin(&raw[0])
	s.rows, s.bound = room, make([]*binding, room+1)
	return nil
}

func (s *session) bind(rows int64) (*binding, error) {
	io, err := s.ort.CreateIoBinding()
	if err != nil {
		return nil, err
	}
	b := &binding{io: io}
	l, at := s.model.layout, int64(0)
	add := func(regions []region, bind func(string, ort.Value) error) error {
		for i := range regions {
			r := &regions[i]
			data := s.region(&at, r)[:rows*r.rowSize]
			tensor, err := ort.NewCustomDataTensor(l.shape(nil, r.spec, rows), data, ortTypes[r.spec.Type])
			if err != nil {
				return err
			}
			b.tensors = append(b.tensors, tensor)
			if err := bind(r.spec.Name, tensor); err != nil {
				return err
			}
		}
		return nil
	}
	if err := errors.Join(add(l.inputs, io.BindInput), add(l.outputs, io.BindOutput)); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// drop frees the tensors and the buffer under them.
func (s *session) drop() error {
	var errs []error
	for _, b := range s.bound {
		if b != nil {
			errs = append(errs, b.close())
		}
	}
	s.pinned.Unpin()
	s.buffer, s.rows, s.bound = nil, 0, nil
	return errors.Join(errs...)
}

func (s *session) close() error {
	return errors.Join(s.drop(), s.ort.Destroy())
}

func (b *binding) close() error {
	errs := []error{b.io.Destroy()}
	for _, t := range b.tensors {
		errs = append(errs, t.Destroy())
	}
	return errors.Join(errs...)
}

// sized returns data with that length, in its own memory if there is enough of it.
func sized(data []byte, n int64) []byte {
	if int64(cap(data)) >= n {
		return data[:n]
	}
	return make([]byte, n)
}
