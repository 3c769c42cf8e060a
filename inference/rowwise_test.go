package inference

import (
	"context"
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
		{"a model of one row", fixed{}, nil, false},
	} {
		if got := mixes(t.Context(), c.model, c.golden); got != c.want {
			t.Errorf("%s: got %t", c.name, got)
		}
	}
}
