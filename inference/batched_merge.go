package inference

// merge is the memory of an execution of several requests.
type merge struct {
	inputs, outputs []Tensor
	rows            int64
	copied          Copied
}

// join puts the rows of all requests behind one another.
func (m *merge) join(specs []TensorSpec, all []*request) {
	m.rows = 0
	for _, r := range all {
		m.rows += r.rows
	}
	m.inputs = resize(m.inputs, len(specs))
	for i := range specs {
		in := &m.inputs[i]
		first := Find(all[0].inputs, specs[i].Name, i)
		in.Name, in.Type = first.Name, first.Type
		in.Shape = append(append(in.Shape[:0], m.rows), first.Shape[1:]...)
		in.Data = in.Data[:0]
		for _, r := range all {
			in.Data = append(in.Data, Find(r.inputs, in.Name, i).Data...)
		}
	}
	m.outputs = resize(m.outputs, len(all[0].outputs))
	for i := range m.outputs {
		m.outputs[i].Name = all[0].outputs[i].Name
	}
}

// split gives every request its rows of the outputs; false where these are no rows.
func (m *merge) split(all []*request) bool {
	for i := range m.outputs {
		if shape := m.outputs[i].Shape; len(shape) == 0 || shape[0] != m.rows {
			return false
		}
	}
	for i := range m.outputs {
		got := &m.outputs[i]
		elements, _ := count(1, got.Shape[1:]) // of a row
		var rows []byte
		rest := got.Data
		for _, r := range all {
			out := Find(r.outputs, got.Name, i)
			out.Type = got.Type
			out.Shape = append(append(out.Shape[:0], r.rows), got.Shape[1:]...)
			rows, rest = cut(got.Type, rest, r.rows*elements)
			out.Data = append(out.Data[:0], rows...)
		}
	}
	return true
}

// resize returns n tensors, with the memory of those that were there.
func resize(tensors []Tensor, n int) []Tensor {
	if n <= cap(tensors) {
		return tensors[:n]
	}
	return append(tensors[:cap(tensors)], make([]Tensor, n-cap(tensors))...)
}
