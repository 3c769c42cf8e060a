package inference

import (
	"context"
	"slices"
	"strconv"
)

const (
	// probeRows is how many rows are compared, together and alone.
	probeRows = 5
	// probeTolerance is far above what a kernel's order of summing makes of a row, and far below what
	// another row does to it.
	probeTolerance = 1e-3
)

// mixes tells whether a model whose tensors count rows answers to a row by the rows beside it, as one
// does that normalises over them: its requests must not share runs, nor be split. Differing rows are
// run together and each alone. A model that refuses made-up rows is believed to keep rows apart.
func mixes(ctx context.Context, m Model, golden *Golden) bool {
	if !countsRows(m.Inputs()) || !countsRows(m.Outputs()) || len(m.Outputs()) > outputsMax {
		return false // never shared anyway
	}
	alone, together := make([]*request, probeRows), make([]*request, probeRows)
	told := golden != nil && golden.Inputs[0].Shape[0] > 1
	for row := range probeRows {
		inputs := madeUp(m.Inputs(), row)
		if told {
			inputs = goldenRow(golden, row)
		}
		for _, r := range []**request{&alone[row], &together[row]} {
			*r = &request{inputs: inputs, outputs: make([]Tensor, len(m.Outputs())), rows: 1}
			for i, spec := range m.Outputs() {
				(*r).outputs[i].Name = spec.Name
			}
		}
		if m.Run(ctx, inputs, alone[row].outputs) != nil {
			return false
		}
	}
	var all merge
	all.join(m.Inputs(), together)
	if m.Run(ctx, all.inputs, all.outputs) != nil || !all.split(together) {
		return true // each row by itself was fine
	}
	for row := range probeRows {
		for i := range alone[row].outputs {
			if compare(&together[row].outputs[i], &alone[row].outputs[i], probeTolerance) != nil {
				return true
			}
		}
	}
	return false
}

// madeUp returns one row of values that differ from those of other rows.
func madeUp(specs []TensorSpec, row int) []Tensor {
	inputs := zeros(specs)
	for i := range inputs {
		in := &inputs[i]
		elements, _ := count(1, in.Shape)
		in.Data = nil
		for j := range int(elements) {
			text := strconv.Itoa((row + j) % 3) // a whole number that an index or a category may be
			switch in.Type {
			case Bool:
				text = strconv.FormatBool((row+j)%2 == 0)
			case Bytes:
				text = strconv.Quote(text)
			case FP16, BF16, FP32, FP64:
				text = strconv.FormatFloat(.25+.75*float64(row)-.5*float64(j%3), 'g', -1, 64)
			}
			data, err := appendElement(in.Data, in.Type, text)
			if err != nil {
				return zeros(specs) // a type that has no such value
			}
			in.Data = data
		}
	}
	return inputs
}

// goldenRow returns one of the golden rows, the first again after the last.
func goldenRow(golden *Golden, row int) []Tensor {
	inputs := slices.Clone(golden.Inputs)
	for i := range inputs {
		in := &inputs[i]
		elements, _ := count(1, in.Shape[1:])
		_, rest := cut(in.Type, in.Data, int64(row)%in.Shape[0]*elements)
		in.Data, _ = cut(in.Type, rest, elements)
		in.Shape = append([]int64{1}, in.Shape[1:]...)
	}
	return inputs
}
