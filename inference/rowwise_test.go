package inference

import (
	"context"
	"math"
	"slices"
	"testing"
)

// centred answers with each value less the mean of all.
type centred struct{ puppet }

func (c *centred) Run(_ context.Context, inputs, outputs []Tensor) error {
	y := slices.Clone(ElementsOf[float32](inputs[0].Data))
	mean := float32(0)
	for _, v := range y {
		mean += v / float32(len(y))
	}
	for i := range y {
		y[i] -= mean
	}
	outputs[0].Type, outputs[0].Shape = FP32, slices.Clone(inputs[0].Shape)
	outputs[0].Data = append(outputs[0].Data[:0], BytesOf(y)...)
	return nil
}

// quantised answers with each value to the nearest of 255 steps between the least and the largest.
type quantised struct{ puppet }

func (q *quantised) Run(_ context.Context, inputs, outputs []Tensor) error {
	y := slices.Clone(ElementsOf[float32](inputs[0].Data))
	least := min(0, slices.Min(y))
	step := (max(0, slices.Max(y)) - least) / 255
	for i := range y {
		y[i] = least + step*float32(math.Round(float64((y[i]-least)/step)))
	}
	outputs[0].Type, outputs[0].Shape = FP32, slices.Clone(inputs[0].Shape)
	outputs[0].Data = append(outputs[0].Data[:0], BytesOf(y)...)
	return nil
}

// crowded answers otherwise where there are many rows.
type crowded struct{ puppet }

func (c *crowded) Run(ctx context.Context, inputs, outputs []Tensor) error {
	p := puppet{plus: 1}
	if inputs[0].Shape[0] > 8 {
		p.plus = 2
	}
	return p.Run(ctx, inputs, outputs)
}

func TestMixes(t *testing.T) {
	rows := func(values ...float32) *Golden {
		return &Golden{Inputs: []Tensor{{"x", FP32, []int64{int64(len(values)), 1}, BytesOf(values)}}}
	}
	for _, c := range []struct {
		name   string
		model  Model
		golden *Golden
		want   bool
	}{
		{"rows apart", &puppet{plus: 1}, nil, false},
		{"rows apart, golden", &puppet{plus: 1}, rows(1, 2, 7), false},
		{"a mean over rows", new(centred), nil, true},
		{"a mean over rows, golden", new(centred), rows(1, 2, 7), true},
		{"a mean over rows, one golden row", new(centred), rows(1), true},
		{"quantised as it runs", new(quantised), nil, true},
		{"quantised as it runs, golden rows alike", new(quantised), rows(1, 1.001, 1.002), true},
		{"another answer to many rows", new(crowded), nil, true},
		{"a model of one row", fixed{}, nil, false},
	} {
		if got := mixes(t.Context(), c.model, c.golden); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}
