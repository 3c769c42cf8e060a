package inference

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// warmRowsMax is the most rows that a model is warmed with whose requests are run by themselves.
	warmRowsMax = 1024
	// warmStep is how many times as many rows the next step has.
	warmStep = 4
	// warmTimeMax ends the growing of batches: a model that slow gains nothing from more.
	warmTimeMax = 10 * time.Millisecond
)

// warm runs each of the model's sessions before any request does, on the given numbers of rows or else
// on those that requests may come to share, in few steps up to most, and at last on a single one, so
// that buffers have their size and code and data are in memory. The rows are the golden ones over and
// over, else zeros. A model whose inputs do not count rows is run as it is.
func warm(ctx context.Context, m Model, golden *Golden, sizes []int64, most int64, now func() time.Time) error {
	given := len(sizes) > 0
	if !given {
		for rows := int64(1); rows < most; rows *= warmStep {
			sizes = append(sizes, rows)
		}
		sizes = append(sizes, most)
	}
	outputs := make([]Tensor, len(m.Outputs()))
	for i, spec := range m.Outputs() {
		outputs[i].Name = spec.Name
	}
	run := func(inputs []Tensor) error {
		for range m.Concurrency() { // runs in turn visit all sessions
			if err := m.Run(ctx, inputs, outputs); err != nil {
				return fmt.Errorf("warm up with inputs of shape %s: %w", FormatShape(inputs[0].Shape), err)
			}
		}
		return nil
	}
	sample := zeros(m.Inputs())
	if golden != nil {
		sample = golden.Inputs
	}
	for _, spec := range m.Inputs() {
		if spec.Shape[0] != -1 {
			return run(sample)
		}
	}
	for _, rows := range sizes {
		began := now()
		if err := run(repeat(sample, rows)); err != nil {
			return err
		}
		if !given && now().Sub(began) > warmTimeMax*time.Duration(m.Concurrency()) {
			break
		}
	}
	return run(repeat(sample, 1))
}

// zeros makes inputs of one row, and of one element where another dimension is open.
func zeros(specs []TensorSpec) []Tensor {
	inputs := make([]Tensor, len(specs))
	for i, spec := range specs {
		shape := slices.Clone(spec.Shape)
		for j := range shape {
			shape[j] = max(shape[j], 1)
		}
		size, _ := ByteSize(spec.Type, shape) // an Opener refuses what overflows
		if spec.Type == Bytes {               // empty strings are all length
			size, _ = count(lengthSize, shape)
		}
		inputs[i] = Tensor{Name: spec.Name, Type: spec.Type, Shape: shape, Data: make([]byte, size)}
	}
	return inputs
}

// repeat makes inputs of that many rows out of a sample's.
func repeat(sample []Tensor, rows int64) []Tensor {
	inputs := slices.Clone(sample)
	for i := range inputs {
		in := &inputs[i]
		elements, _ := count(1, in.Shape[1:]) // of a row
		in.Shape = slices.Clone(in.Shape)
		in.Shape[0] = rows
		in.Data = nil
		var row, rest []byte
		for range rows {
			if len(rest) == 0 {
				rest = sample[i].Data
			}
			row, rest = cut(in.Type, rest, elements)
			in.Data = append(in.Data, row...)
		}
	}
	return inputs
}
