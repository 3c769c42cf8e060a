package inference

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// appendElement appends an element to a tensor's Data, from its JSON text.
func appendElement(data []byte, t DataType, text string) ([]byte, error) {
	switch t {
	case Bool:
		v, err := strconv.ParseBool(text)
		return append(data, BytesOf([]bool{v})...), err
	case Int8, Int16, Int32, Int64:
		v, err := strconv.ParseInt(text, 10, 8*t.Size())
		return appendLow(data, uint64(v), t.Size()), err
	case Uint8, Uint16, Uint32, Uint64:
		v, err := strconv.ParseUint(text, 10, 8*t.Size())
		return appendLow(data, v, t.Size()), err
	case FP64:
		v, err := strconv.ParseFloat(text, 64)
		return appendLow(data, math.Float64bits(v), 8), err
	case FP16, BF16, FP32:
		v, err := strconv.ParseFloat(text, 32)
		f, bits := float32(v), uint64(0)
		switch t {
		case FP16:
			bits = uint64(ToFP16(f))
			if f-f == 0 && bits&0x7fff == 0x7c00 {
				err = fmt.Errorf("%s is out of range", text)
			}
		case BF16:
			bits = uint64(ToBF16(f))
		default:
			bits = uint64(math.Float32bits(f))
		}
		return appendLow(data, bits, t.Size()), err
	case Bytes:
		var v string
		err := json.Unmarshal([]byte(text), &v)
		return AppendBytes(data, v), err
	}
	return data, fmt.Errorf("cannot read %s", t)
}

// appendLow appends the lowest bytes of v.
func appendLow(data []byte, v uint64, size int) []byte {
	return append(data, binary.LittleEndian.AppendUint64(nil, v)[:size]...)
}

// compare tells whether a tensor is the one that is wanted, numbers with a fraction within tolerance.
func compare(got, want *Tensor, tolerance float64) error {
	if got.Type != want.Type || FormatShape(got.Shape) != FormatShape(want.Shape) || want.Type != Bytes && len(got.Data) != len(want.Data) {
		return fmt.Errorf("expected %s %s, got %s %s", want.Type, FormatShape(want.Shape), got.Type, FormatShape(got.Shape))
	}
	n, _ := count(1, want.Shape)
	values := [2][]float64{floats(got), floats(want)}
	rests := [2][]byte{got.Data, want.Data}
	for i := range n {
		var element [2][]byte
		for j := range element {
			element[j], rests[j] = cut(want.Type, rests[j], 1)
		}
		if string(element[0]) == string(element[1]) {
			continue
		}
		if values[1] == nil {
			return fmt.Errorf("element %d: expected %s, got %s", i, format(want.Type, element[1]), format(want.Type, element[0]))
		}
		g, w := values[0][i], values[1][i]
		if !(math.Abs(g-w) <= tolerance*max(1, math.Abs(w))) {
			return fmt.Errorf("element %d: expected %s within %v, got %s",
				i, format(want.Type, element[1]), tolerance, format(want.Type, element[0]))
		}
	}
	return nil
}

// notFinite returns the first element that is NaN or infinite, or -1.
func notFinite(t *Tensor) int {
	for i, v := range floats(t) {
		if v-v != 0 { // NaN for NaN and for both infinities
			return i
		}
	}
	return -1
}

// floats returns the elements of a tensor of a type that has fractions, else nil.
func floats(t *Tensor) []float64 {
	switch t.Type {
	case FP16:
		return convert(ElementsOf[uint16](t.Data), func(h uint16) float64 { return float64(fromFP16(h)) })
	case BF16:
		return convert(ElementsOf[uint16](t.Data), func(h uint16) float64 { return float64(fromBF16(h)) })
	case FP32:
		return convert(ElementsOf[float32](t.Data), func(f float32) float64 { return float64(f) })
	case FP64:
		return ElementsOf[float64](t.Data)
	}
	return nil
}

func convert[T any](values []T, f func(T) float64) []float64 {
	all := make([]float64, len(values))
	for i, v := range values {
		all[i] = f(v)
	}
	return all
}

// format formats one element for a person.
func format(t DataType, element []byte) string {
	switch t {
	case Bool:
		return strconv.FormatBool(element[0] != 0)
	case Bytes:
		text, _, _ := NextBytes(element)
		return strconv.Quote(clip(string(text)))
	case Int8, Int16, Int32, Int64:
		wide := append([]byte(nil), element...)
		for sign := int8(element[len(element)-1]) >> 7; len(wide) < 8; {
			wide = append(wide, byte(sign))
		}
		return strconv.FormatInt(int64(binary.LittleEndian.Uint64(wide)), 10)
	case Uint8, Uint16, Uint32, Uint64:
		return strconv.FormatUint(binary.LittleEndian.Uint64(append(append([]byte(nil), element...), make([]byte, 8)...)), 10)
	case FP64:
		return fmt.Sprint(ElementsOf[float64](element)[0])
	}
	return fmt.Sprint(float32(floats(&Tensor{Type: t, Data: element})[0]))
}
