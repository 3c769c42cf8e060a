package inference

import (
	"context"
	"math"
	"slices"
	"strconv"
)

const (
	// probeRows is how many differing rows are compared, together and alone, and probeTimes how often
	// each is there when they are together: some models do otherwise from some number of rows on.
	probeRows, probeTimes = 5, 4
	// probeTolerance is above what a kernel's order of summing makes of a row, and below what another
	// row does to it; probeToleranceCoarse where numbers are large, or have few digits.
	probeTolerance, probeToleranceCoarse = 1e-5, 2e-3
	// probeScale is by how much the values of one row are larger than those of the one before, where
	// they differ: a model quantised as it runs spreads its few steps over all rows that it is given.
	probeScale = 10
)

// mixes tells whether a model whose tensors count rows answers to a row by the rows beside it, as one
// does that normalises over them or is quantised as it runs: its requests must not share runs, nor be
// split. Differing rows are run together and each alone, such as are alike in size and such as are
// not. A model that refuses made-up rows is believed to keep rows apart, and so is one that mixes
// others than these.
func mixes(ctx context.Context, m Model, golden *Golden) bool {
	if !countsRows(m.Inputs()) || !countsRows(m.Outputs()) || len(m.Outputs()) > outputsMax {
		return false // never shared anyway
	}
	row := func(i int) []Tensor { return madeUp(m.Inputs(), i) }
	if golden != nil && golden.Inputs[0].Shape[0] > 1 {
		row = func(i int) []Tensor { return goldenRow(golden, i) }
	}
	tolerance := probeTolerance
	for _, spec := range slices.Concat(m.Inputs(), m.Outputs()) {
		if spec.Type == FP16 || spec.Type == BF16 {
			tolerance = probeToleranceCoarse
		}
	}
	scaled := func(i int) []Tensor { return scale(row(i), math.Pow(probeScale, float64(i-1))) }
	return rowsMix(ctx, m, row, tolerance) || rowsMix(ctx, m, scaled, probeToleranceCoarse)
}

// rowsMix tells whether the answers to rows depend on whether they are asked together.
func rowsMix(ctx context.Context, m Model, row func(int) []Tensor, tolerance float64) bool {
	newRequest := func(inputs []Tensor) *request {
		r := &request{inputs: inputs, outputs: make([]Tensor, len(m.Outputs())), rows: 1}
		for i, spec := range m.Outputs() {
			r.outputs[i].Name = spec.Name
		}
		return r
	}
	var alone, together []*request
	for i := range probeRows {
		r := newRequest(row(i))
		if m.Run(ctx, r.inputs, r.outputs) != nil {
			return false
		}
		alone = append(alone, r)
	}
	for i := range probeRows * probeTimes {
		together = append(together, newRequest(alone[i%probeRows].inputs))
	}
	var all merge
	all.join(m.Inputs(), together)
	if m.Run(ctx, all.inputs, all.outputs) != nil || !all.split(together) {
		return true // each row by itself was fine
	}
	for i, r := range together {
		for j := range r.outputs {
			if compare(&r.outputs[j], &alone[i%probeRows].outputs[j], tolerance) != nil {
				return true
			}
		}
	}
	return false
}

// scale returns inputs with their fractions multiplied; other numbers may be indexes or categories.
func scale(inputs []Tensor, by float64) []Tensor {
	for i := range inputs {
		in := &inputs[i]
		switch in.Type {
		case FP32:
			values := slices.Clone(ElementsOf[float32](in.Data))
			for j := range values {
				values[j] *= float32(by)
			}
			in.Data = BytesOf(values)
		case FP64:
			values := slices.Clone(ElementsOf[float64](in.Data))
			for j := range values {
				values[j] *= by
			}
			in.Data = BytesOf(values)
		}
	}
	return inputs
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
