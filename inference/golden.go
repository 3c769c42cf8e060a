package inference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// goldenSizeMax bounds golden.json, which is meant to hold some dozens of rows.
const goldenSizeMax = 64 << 20

// goldenToleranceMax is far more than runtimes and machines differ by; with more, another model passes.
const goldenToleranceMax = 1e-2

// Golden is what golden.json in a model's folder holds: inputs, and the outputs that the model gave
// for them where it was made. A model that gives others here is not the one that was released.
type Golden struct {
	// Tolerance is how far each output may be off: |got-want| <= Tolerance * max(1, |want|).
	// Integers, booleans and strings must be equal.
	Tolerance float64
	Inputs    []Tensor
	Outputs   []Tensor
}

// ReadGolden reads golden.json in dir. Where there is none, the error is fs.ErrNotExist.
func ReadGolden(dir string) (*Golden, error) {
	file, err := OpenFile(os.OpenFile, filepath.Join(dir, "golden.json"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	g, err := parseGolden(io.LimitReader(file, goldenSizeMax))
	if err != nil {
		return nil, fmt.Errorf("read golden.json: %w", err)
	}
	return g, nil
}

// goldenTensor is a tensor as golden.json writes it; numbers stay as written until the type is known.
type goldenTensor struct {
	Name     string            `json:"name"`
	DataType string            `json:"datatype"`
	Shape    []int64           `json:"shape"`
	Data     []json.RawMessage `json:"data"`
}

func parseGolden(r io.Reader) (*Golden, error) {
	var file struct {
		Tolerance *float64       `json:"tolerance"`
		Inputs    []goldenTensor `json:"inputs"`
		Outputs   []goldenTensor `json:"outputs"`
	}
	decoder := json.NewDecoder(r)
	if err := decoder.Decode(&file); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("expected nothing after the first value")
	}
	if file.Tolerance == nil || !(*file.Tolerance >= 0) {
		return nil, errors.New("tolerance: expected a number of at least 0")
	}
	if *file.Tolerance > goldenToleranceMax {
		return nil, fmt.Errorf("tolerance: expected at most %v, got %v", goldenToleranceMax, *file.Tolerance)
	}
	if len(file.Outputs) == 0 {
		return nil, errors.New("outputs: expected at least one")
	}
	g := &Golden{Tolerance: *file.Tolerance}
	for _, part := range []struct {
		what string
		from []goldenTensor
		to   *[]Tensor
	}{{"input", file.Inputs, &g.Inputs}, {"output", file.Outputs, &g.Outputs}} {
		for _, t := range part.from {
			parsed, err := t.parse()
			if err != nil {
				return nil, fmt.Errorf("%s %q: %w", part.what, t.Name, err)
			}
			*part.to = append(*part.to, parsed)
		}
	}
	return g, nil
}

func (t goldenTensor) parse() (Tensor, error) {
	dataType, err := ParseDataType(t.DataType)
	if err != nil {
		return Tensor{}, fmt.Errorf("datatype: %w", err)
	}
	if n, ok := count(1, t.Shape); !ok || n != int64(len(t.Data)) {
		return Tensor{}, fmt.Errorf("data: expected as many values as shape %s has, got %d", FormatShape(t.Shape), len(t.Data))
	}
	if len(t.Data) == 0 {
		return Tensor{}, errors.New("data: expected at least one value, got none")
	}
	parsed := Tensor{Name: t.Name, Type: dataType, Shape: t.Shape}
	for i, raw := range t.Data {
		if parsed.Data, err = appendElement(parsed.Data, dataType, string(raw)); err != nil {
			return Tensor{}, fmt.Errorf("data[%d]: expected %s: %w", i, dataType, err)
		}
	}
	return parsed, nil
}

// Check runs the model on the golden inputs and compares. It asks for all of the model's outputs:
// none may be NaN or infinite, whether or not the golden outputs name it.
func (g *Golden) Check(ctx context.Context, m Model) error {
	outputs := make([]Tensor, len(m.Outputs()))
	for i, spec := range m.Outputs() {
		outputs[i].Name = spec.Name
	}
	if err := m.Run(ctx, g.Inputs, outputs); err != nil {
		return fmt.Errorf("golden rows: %w", err)
	}
	for i := range outputs {
		if at := notFinite(&outputs[i]); at >= 0 {
			return fmt.Errorf("golden rows: output %q: element %d is not finite", outputs[i].Name, at)
		}
	}
	for i := range g.Outputs {
		want := &g.Outputs[i]
		got := Find(outputs, want.Name, i)
		if got == nil {
			return fmt.Errorf("golden rows: output %q: the model has none of that name", want.Name)
		}
		if err := compare(got, want, g.Tolerance); err != nil {
			return fmt.Errorf("golden rows: output %q: %w", want.Name, err)
		}
	}
	return nil
}

// readGoldenIfAny returns nil where the folder has no golden.json.
func readGoldenIfAny(dir string) (*Golden, error) {
	g, err := ReadGolden(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return g, err
}
