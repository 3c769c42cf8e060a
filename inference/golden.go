package inference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
)

// goldenSizeMax bounds golden.json, which is meant to hold some dozens of rows.
const goldenSizeMax = 64 << 20

// goldenToleranceMax is far more than runtimes and machines differ by; with more, another model passes.
const goldenToleranceMax = 1e-2

// Golden is what golden.json in a model's folder holds: inputs, and the outputs that the model gave
// for them where it was made. A model that gives others here is not the one that was released.
type Golden struct {
	// Tolerance is how far each output may be off: |got-want| <= Tolerance * max(1, |want|).
	// Integers and booleans must be equal.
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
	size, ok := ByteSize(dataType, t.Shape)
	if !ok || size != int64(len(t.Data)*dataType.Size()) {
		return Tensor{}, fmt.Errorf("data: expected as many values as shape %s has, got %d", FormatShape(t.Shape), len(t.Data))
	}
	if len(t.Data) == 0 {
		return Tensor{}, errors.New("data: expected at least one value, got none")
	}
	parsed := Tensor{Name: t.Name, Type: dataType, Shape: t.Shape, Data: make([]byte, size)}
	for i, raw := range t.Data {
		if err := parsed.set(i, string(raw)); err != nil {
			return Tensor{}, fmt.Errorf("data[%d]: expected %s: %w", i, dataType, err)
		}
	}
	return parsed, nil
}

// set writes element i from its JSON text.
func (t *Tensor) set(i int, text string) error {
	switch t.Type {
	case Bool:
		v, err := strconv.ParseBool(text)
		ElementsOf[bool](t.Data)[i] = v
		return err
	case Int32:
		v, err := strconv.ParseInt(text, 10, 32)
		ElementsOf[int32](t.Data)[i] = int32(v)
		return err
	case Int64:
		v, err := strconv.ParseInt(text, 10, 64)
		ElementsOf[int64](t.Data)[i] = v
		return err
	case FP32:
		v, err := strconv.ParseFloat(text, 32)
		ElementsOf[float32](t.Data)[i] = float32(v)
		return err
	case FP64:
		v, err := strconv.ParseFloat(text, 64)
		ElementsOf[float64](t.Data)[i] = v
		return err
	}
	return fmt.Errorf("cannot read %s", t.Type)
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
		if err := g.compare(got, want); err != nil {
			return fmt.Errorf("golden rows: output %q: %w", want.Name, err)
		}
	}
	return nil
}

func (g *Golden) compare(got, want *Tensor) error {
	if got.Type != want.Type || FormatShape(got.Shape) != FormatShape(want.Shape) || len(got.Data) != len(want.Data) {
		return fmt.Errorf("expected %s %s, got %s %s", want.Type, FormatShape(want.Shape), got.Type, FormatShape(got.Shape))
	}
	switch want.Type {
	case FP32:
		return near(ElementsOf[float32](got.Data), ElementsOf[float32](want.Data), g.Tolerance)
	case FP64:
		return near(ElementsOf[float64](got.Data), ElementsOf[float64](want.Data), g.Tolerance)
	case Int32:
		return same(ElementsOf[int32](got.Data), ElementsOf[int32](want.Data))
	case Int64:
		return same(ElementsOf[int64](got.Data), ElementsOf[int64](want.Data))
	}
	return same(got.Data, want.Data)
}

func near[T float32 | float64](got, want []T, tolerance float64) error {
	for i := range want {
		g, w := float64(got[i]), float64(want[i])
		if !(math.Abs(g-w) <= tolerance*max(1, math.Abs(w))) {
			return fmt.Errorf("element %d: expected %v within %v, got %v", i, want[i], tolerance, got[i])
		}
	}
	return nil
}

func same[T comparable](got, want []T) error {
	for i := range want {
		if got[i] != want[i] {
			return fmt.Errorf("element %d: expected %v, got %v", i, want[i], got[i])
		}
	}
	return nil
}

// notFinite returns the first element that is NaN or infinite, or -1.
func notFinite(t *Tensor) int {
	switch t.Type {
	case FP32:
		return firstNotFinite(ElementsOf[float32](t.Data))
	case FP64:
		return firstNotFinite(ElementsOf[float64](t.Data))
	}
	return -1
}

func firstNotFinite[T float32 | float64](values []T) int {
	for i, v := range values {
		if v-v != 0 { // NaN for NaN and for both infinities
			return i
		}
	}
	return -1
}

// readGoldenIfAny returns nil where the folder has no golden.json.
func readGoldenIfAny(dir string) (*Golden, error) {
	g, err := ReadGolden(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return g, err
}
