package inference

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
)

// CheckInputs tells whether inputs, in any order, are exactly what specs ask for: every name once,
// its type, its rank, its fixed dimensions, as many bytes as its shape says, BOOL bytes 0 or 1, BYTES
// elements without a zero byte, where what runs models would end them. It
// returns how many rows they hold: the first dimension of those inputs whose first dimension is
// variable, which must agree, or 1 where there is none. It trusts no shape: it allocates nothing
// unless it fails. An error is a *TensorError.
func CheckInputs(specs []TensorSpec, inputs []Tensor) (rows int64, err error) {
	return checkInputs(specs, inputs, true)
}

// CheckInputsApart is CheckInputs for a model whose first dimensions are no rows, and need not agree.
func CheckInputsApart(specs []TensorSpec, inputs []Tensor) (rows int64, err error) {
	return checkInputs(specs, inputs, false)
}

func checkInputs(specs []TensorSpec, inputs []Tensor, agree bool) (rows int64, err error) {
	if err := checkNames("input", specs, inputs); err != nil {
		return 0, err
	}
	var counted *Tensor // the input that set rows
	for i := range specs {
		spec := &specs[i]
		in := Find(inputs, spec.Name, i)
		if in == nil {
			return 0, tensorError("input", spec.Name, "%w: it is missing; expected %s", ErrTensorUnknown, list(specs))
		}
		if err := checkInput(spec, in); err != nil {
			return 0, &TensorError{"input", spec.Name, err}
		}
		if len(spec.Shape) == 0 || spec.Shape[0] >= 0 {
			continue
		}
		if counted != nil && in.Shape[0] != rows && agree {
			return 0, tensorError("input", spec.Name, "%w: expected %d rows, as input %q has, got %d",
				ErrTensorShape, rows, counted.Name, in.Shape[0])
		}
		counted, rows = in, in.Shape[0]
	}
	if counted == nil {
		return 1, nil
	}
	return rows, nil
}

// TensorError says which tensor does not fit a signature, and why.
type TensorError struct {
	What string // "input" or "output"
	Name string // as given or missing
	Err  error  // wraps ErrTensorUnknown or another of its kind
}

func tensorError(what, name, format string, args ...any) error {
	return &TensorError{what, name, fmt.Errorf(format, args...)}
}

// Error names the tensor and the reason.
func (e *TensorError) Error() string { return fmt.Sprintf("%s %q: %s", e.What, clip(e.Name), e.Err) }

// Unwrap returns the reason.
func (e *TensorError) Unwrap() error { return e.Err }

// CheckOutputs tells whether outputs ask for at least one output of specs, none twice.
func CheckOutputs(specs []TensorSpec, outputs []Tensor) error {
	if len(outputs) == 0 {
		return fmt.Errorf("%w: no output asked for; expected some of %s", ErrTensorUnknown, list(specs))
	}
	return checkNames("output", specs, outputs)
}

// Find returns the tensor of that name, or nil. It looks at position guess first, which may be any.
func Find(tensors []Tensor, name string, guess int) *Tensor {
	if guess < len(tensors) && tensors[guess].Name == name {
		return &tensors[guess]
	}
	for i := range tensors {
		if tensors[i].Name == name {
			return &tensors[i]
		}
	}
	return nil
}

// checkNames refuses unknown and repeated names. More names than specs hold one of these among the
// first len(specs)+1, so a long list costs no more than a short one.
func checkNames(what string, specs []TensorSpec, tensors []Tensor) error {
	for i := range tensors[:min(len(tensors), len(specs)+1)] {
		name := tensors[i].Name
		if FindSpec(specs, name, i) == nil {
			return tensorError(what, name, "%w: expected %s", ErrTensorUnknown, list(specs))
		}
		if Find(tensors[:i], name, i) != nil {
			return tensorError(what, name, "%w: it is given twice", ErrTensorUnknown)
		}
	}
	return nil
}

// FindSpec returns the spec of that name, or nil. It looks at position guess first, which may be any.
func FindSpec(specs []TensorSpec, name string, guess int) *TensorSpec {
	if guess < len(specs) && specs[guess].Name == name {
		return &specs[guess]
	}
	for i := range specs {
		if specs[i].Name == name {
			return &specs[i]
		}
	}
	return nil
}

func checkInput(spec *TensorSpec, in *Tensor) error {
	if in.Type != spec.Type {
		return fmt.Errorf("%w: expected %s, got %s", ErrTensorDataType, spec.Type, in.Type)
	}
	if len(in.Shape) != len(spec.Shape) {
		return fmt.Errorf("%w: expected %d dimensions %s, got %d %s",
			ErrTensorShape, len(spec.Shape), FormatShape(spec.Shape), len(in.Shape), FormatShape(in.Shape))
	}
	for i, d := range in.Shape {
		if d < 1 {
			return fmt.Errorf("%w: dimension %d of %s is %d, expected at least 1", ErrTensorShape, i, FormatShape(in.Shape), d)
		}
		if want := spec.Shape[i]; want >= 0 && d != want {
			return fmt.Errorf("%w: expected %s, got %s", ErrTensorShape, FormatShape(spec.Shape), FormatShape(in.Shape))
		}
	}
	size, ok := ByteSize(in.Type, in.Shape)
	if !ok {
		return fmt.Errorf("%w: %s overflows", ErrTensorShape, FormatShape(in.Shape))
	}
	if in.Type == Bytes {
		return checkBytes(in)
	}
	if size != int64(len(in.Data)) {
		return fmt.Errorf("%w: expected %d bytes for %s %s, got %d",
			ErrTensorSize, size, in.Type, FormatShape(in.Shape), len(in.Data))
	}
	if in.Type == Bool {
		for i, b := range in.Data {
			if b > 1 {
				return fmt.Errorf("%w: expected 0 or 1 for a BOOL, got %d at byte %d", ErrTensorValue, b, i)
			}
		}
	}
	return nil
}

// ByteSize returns how many bytes a tensor takes, 0 for one of BYTES, which its shape does not tell;
// ok is false where a dimension is negative or the product exceeds an int64.
func ByteSize(t DataType, shape []int64) (size int64, ok bool) {
	if t.Size() == 0 {
		_, ok = count(1, shape)
		return 0, ok
	}
	return count(uint64(t.Size()), shape)
}

// count returns n times the product of shape.
func count(n uint64, shape []int64) (product int64, ok bool) {
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, false
		}
		n = lo
	}
	return int64(n), true
}

// FormatShape formats a shape as "[-1,44]", no more than its first dimensions.
func FormatShape(shape []int64) string {
	const most = 16
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range shape {
		if i > 0 {
			b.WriteByte(',')
		}
		if i == most {
			b.WriteString("…")
			break
		}
		fmt.Fprint(&b, d)
	}
	b.WriteByte(']')
	return b.String()
}

func list(specs []TensorSpec) string {
	all := make([]string, len(specs))
	for i, s := range specs {
		all[i] = s.String()
	}
	return strings.Join(all, ", ")
}

// clip keeps what a stranger sent from filling a message.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
