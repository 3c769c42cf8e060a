package onnx

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	ort "github.com/yalue/onnxruntime_go"

	"footballprediction/inference"
)

// Model is an ONNX model and the pool of its sessions.
//
// A model whose tensors all count rows with their first dimension, no other dimension being open,
// is run on tensors that its sessions keep: a Run whose outputs have the capacity then allocates
// nothing, and crosses into C once per 1,024 rows. Other models are run on tensors made for the
// occasion.
type Model struct {
	inputs, outputs []inference.TensorSpec
	layout          *layout // nil: no fast path
	// uncounted: the first dimensions have turned out not to be rows.
	uncounted atomic.Bool
	// free hands sessions out first in, first out, so that runs in turn visit them all.
	free chan *session
}

var _ inference.Meter = (*Model)(nil)

// start opens n sessions.
func (m *Model) start(ctx context.Context, path string, n int, options *ort.SessionOptions) error {
	m.free = make(chan *session, n)
	open := func() (*ort.DynamicAdvancedSession, error) {
		return ort.NewDynamicAdvancedSession(path, names(m.inputs), names(m.outputs), options)
	}
	if m.layout == nil && hasHalf(m.outputs) {
		graph, fetched, err := withSingles(path, m.outputs, options)
		if err != nil {
			return err
		}
		open = func() (*ort.DynamicAdvancedSession, error) {
			return ort.NewDynamicAdvancedSessionWithONNXData(graph, names(m.inputs), fetched, options)
		}
	}
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		run, err := open()
		if err != nil {
			return err
		}
		m.free <- &session{model: m, ort: run}
	}
	return nil
}

// Inputs returns the graph's inputs.
func (m *Model) Inputs() []inference.TensorSpec { return m.inputs }

// Outputs returns the graph's outputs.
func (m *Model) Outputs() []inference.TensorSpec { return m.outputs }

// Concurrency returns the number of sessions.
func (m *Model) Concurrency() int { return cap(m.free) }

// Run implements inference.Model.
func (m *Model) Run(ctx context.Context, inputs, outputs []inference.Tensor) error {
	var copied inference.Copied
	return m.RunMeasured(ctx, inputs, outputs, &copied)
}

// RunMeasured implements inference.Meter.
func (m *Model) RunMeasured(ctx context.Context, inputs, outputs []inference.Tensor, copied *inference.Copied) error {
	check, counted := inference.CheckInputs, m.layout != nil && !m.uncounted.Load()
	if !counted {
		check = inference.CheckInputsApart
	}
	rows, err := check(m.inputs, inputs)
	if err != nil {
		return err
	}
	if err := inference.CheckOutputs(m.outputs, outputs); err != nil {
		return err
	}
	s, err := m.take(ctx)
	if err != nil {
		return err
	}
	defer func() { m.free <- s }() // it has room for all sessions
	if !counted {
		return s.runFreely(inputs, outputs, copied)
	}
	err = s.runRows(rows, inputs, outputs, copied)
	if err == nil {
		return nil
	}
	if hasHalf(m.outputs) { // without the casts by which runFreely could fetch them
		return fmt.Errorf("%w: %w", inference.ErrModelFailed, err)
	}
	// The model may be sound all the same: first dimensions that are not rows (positions found, boxes
	// kept) look just like rows in a signature. If it is not, this run says why.
	err = s.runFreely(inputs, outputs, copied)
	if err == nil {
		m.uncounted.Store(true)
	}
	return err
}

// take waits for a free session no longer than ctx allows.
func (m *Model) take(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s := <-m.free:
		return s, nil
	default:
	}
	select {
	case s := <-m.free:
		return s, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a session: %w", ctx.Err())
	}
}

// Close frees the sessions and their tensors.
func (m *Model) Close() error {
	var errs []error
	for len(m.free) > 0 {
		errs = append(errs, (<-m.free).close())
	}
	return errors.Join(errs...)
}

func names(specs []inference.TensorSpec) []string {
	all := make([]string, len(specs))
	for i := range specs {
		all[i] = specs[i].Name
	}
	return all
}
