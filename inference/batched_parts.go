package inference

import (
	"context"
	"slices"
	"sync"

	"footballprediction/inference/batch"
)

// parts is the memory of a request of more rows than one execution may have: those of its rows that
// are run now.
type parts struct {
	request
	rests [][]byte // what comes after them, of each input
}

var partsPool = sync.Pool{New: func() any { return new(parts) }}

// runParts runs a request part by part, and joins what comes of them. Between two parts it waits its
// turn behind those who have come meanwhile, and ends with ctx; nobody waits for more than one of its
// parts, and it takes no more than one session at a time.
func (b *batched) runParts(ctx context.Context, priority uint32, rows int64, inputs, outputs []Tensor) error {
	p := partsPool.Get().(*parts)
	defer p.free()
	p.begin(inputs, outputs)
	for before := int64(0); before < rows; before += p.rows {
		p.cut(inputs, min(b.maxRows, rows-before))
		part := batch.Part{Before: int(before), After: int(rows - before - p.rows)}
		if err := b.batcher.DoPart(ctx, priority, part, b.key(&p.request), int(p.rows), &p.request); err != nil {
			return rejection(err)
		}
		if !p.join(outputs, before == 0) {
			b.rowwise.Store(false)
			return b.RunAt(ctx, priority, inputs, outputs) // as a whole, from now on
		}
	}
	for i := range outputs {
		outputs[i].Shape[0] = rows
	}
	return nil
}

func (p *parts) begin(inputs, outputs []Tensor) {
	p.inputs, p.outputs = resize(p.inputs, len(inputs)), resize(p.outputs, len(outputs))
	p.rests = p.rests[:0]
	for i := range inputs {
		p.inputs[i].Name, p.inputs[i].Type = inputs[i].Name, inputs[i].Type
		p.rests = append(p.rests, inputs[i].Data)
	}
	for i := range outputs {
		p.outputs[i].Name = outputs[i].Name
	}
}

// cut takes the next rows of the inputs.
func (p *parts) cut(inputs []Tensor, rows int64) {
	p.rows = rows
	for i := range p.inputs {
		in, whole := &p.inputs[i], inputs[i].Shape
		elements, _ := count(1, whole[1:]) // of a row
		in.Shape = append(append(in.Shape[:0], rows), whole[1:]...)
		in.Data, p.rests[i] = cut(in.Type, p.rests[i], rows*elements)
	}
}

// join puts the rows of the part's outputs behind those of the parts before it; false where these are
// no rows.
func (p *parts) join(outputs []Tensor, first bool) bool {
	for i := range outputs {
		out, got := &outputs[i], &p.outputs[i]
		if len(got.Shape) == 0 || got.Shape[0] != p.rows {
			return false
		}
		if first {
			out.Type, out.Data = got.Type, out.Data[:0]
			out.Shape = append(out.Shape[:0], got.Shape...)
		} else if !slices.Equal(got.Shape[1:], out.Shape[1:]) {
			return false
		}
		out.Data = append(out.Data, got.Data...)
	}
	return true
}

// free returns p to the pool, without what is the caller's.
func (p *parts) free() {
	for i := range p.inputs {
		p.inputs[i].Data = nil
	}
	clear(p.rests)
	partsPool.Put(p)
}
