package openinference

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"footballprediction/inference"
)

// parseData returns the elements that JSON holds as a tensor has them. They lie in one list, row-major,
// or in lists within lists as the shape says. The JSON is valid. An error wraps ErrTensorDataType or
// another of its kind.
func parseData(data []byte, t inference.DataType, shape []int64) ([]byte, error) {
	if rawOnly(t) {
		return nil, fmt.Errorf("%w: JSON holds no %s: expected binary data", inference.ErrTensorDataType, t)
	}
	p := parser{rest: data, dataType: t}
	if p.peek() != '[' {
		return nil, fmt.Errorf("%w: expected a list of %s, got %s", inference.ErrTensorValue, t, clip(string(data)))
	}
	if depth := p.depth(); depth > 1 {
		if depth != len(shape) {
			return nil, fmt.Errorf("%w: expected one list, or lists within lists of %d dimensions %s, got %d",
				inference.ErrTensorShape, len(shape), inference.FormatShape(shape), depth)
		}
		p.shape = shape
	}
	if err := p.list(0); err != nil {
		return nil, err
	}
	if want, ok := inference.ByteSize(inference.Bool, shape); ok && want != p.count {
		return nil, fmt.Errorf("%w: expected %d elements for %s, got %d", inference.ErrTensorSize, want, inference.FormatShape(shape), p.count)
	}
	return p.elements, nil
}

// parser reads elements from valid JSON.
type parser struct {
	rest     []byte
	dataType inference.DataType
	shape    []int64 // of the lists, if they lie in one another
	elements []byte
	count    int64
}

// peek returns the first byte that is no space, and 0 at the end.
func (p *parser) peek() byte {
	p.rest = bytes.TrimLeft(p.rest, " \t\r\n")
	if len(p.rest) == 0 {
		return 0
	}
	return p.rest[0]
}

// depth returns how many lists begin before the first element.
func (p *parser) depth() (depth int) {
	for ahead := *p; ahead.peek() == '['; ahead.rest = ahead.rest[1:] {
		depth++
	}
	return depth
}

// list reads a list and those within.
func (p *parser) list(level int) error {
	items := int64(0)
	for p.rest = p.rest[1:]; p.peek() != ']'; items++ {
		if items > 0 {
			p.rest = p.rest[1:] // a comma
		}
		var err error
		if inner := p.peek() == '['; inner && level+1 < len(p.shape) {
			err = p.list(level + 1)
		} else if inner != (level+1 < len(p.shape)) {
			err = fmt.Errorf("%w: expected lists within lists as %s has, got an element and a list beside one another",
				inference.ErrTensorShape, inference.FormatShape(p.shape))
		} else {
			err = p.element()
		}
		if err != nil {
			return err
		}
	}
	p.rest = p.rest[1:]
	if p.shape != nil && items != p.shape[level] {
		return fmt.Errorf("%w: expected lists within lists as %s has, got one of %d in dimension %d",
			inference.ErrTensorShape, inference.FormatShape(p.shape), items, level)
	}
	return nil
}

// element reads an element.
func (p *parser) element() error {
	token := p.rest[:tokenEnd(p.rest)]
	p.rest = p.rest[len(token):]
	var err error
	if p.elements, err = appendElement(p.elements, p.dataType, token); err != nil {
		return fmt.Errorf("%w: element %d: %w", inference.ErrTensorValue, p.count, err)
	}
	p.count++
	return nil
}

// tokenEnd returns where the string, the number or the word ends that JSON begins with.
func tokenEnd(data []byte) int {
	if data[0] == '"' {
		for i := 1; ; i++ {
			switch data[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	}
	if end := bytes.IndexAny(data, ",] \t\r\n"); end >= 0 {
		return end
	}
	return len(data)
}

// appendElement appends the element of a JSON token.
func appendElement(data []byte, t inference.DataType, token []byte) ([]byte, error) {
	bits := 8 * t.Size()
	switch t {
	case inference.Bool:
		switch string(token) {
		case "false":
			return append(data, 0), nil
		case "true":
			return append(data, 1), nil
		}
		return nil, fmt.Errorf("expected true or false, got %s", clip(string(token)))
	case inference.Int8, inference.Int16, inference.Int32, inference.Int64:
		v, err := strconv.ParseInt(string(token), 10, bits)
		if err != nil {
			return nil, fmt.Errorf("expected a whole number of %d bits, got %s", bits, clip(string(token)))
		}
		return appendBits(data, uint64(v), bits), nil
	case inference.Uint8, inference.Uint16, inference.Uint32, inference.Uint64:
		v, err := strconv.ParseUint(string(token), 10, bits)
		if err != nil {
			return nil, fmt.Errorf("expected a whole number of %d bits, not negative, got %s", bits, clip(string(token)))
		}
		return appendBits(data, v, bits), nil
	case inference.FP32, inference.FP64:
		v, err := strconv.ParseFloat(string(token), bits)
		if err != nil {
			return nil, fmt.Errorf("expected a number of %d bits, got %s", bits, clip(string(token)))
		}
		if t == inference.FP32 {
			return appendBits(data, uint64(math.Float32bits(float32(v))), bits), nil
		}
		return appendBits(data, math.Float64bits(v), bits), nil
	case inference.Bytes:
		text, err := unquote(token)
		if err != nil {
			return nil, err
		}
		return inference.AppendBytes(data, text), nil
	}
	return nil, fmt.Errorf("expected no %s", t)
}

// appendBits appends a number's lowest bits, little-endian.
func appendBits(data []byte, v uint64, bits int) []byte {
	var all [8]byte
	binary.LittleEndian.PutUint64(all[:], v)
	return append(data, all[:bits/8]...)
}

// unquote returns the text of a JSON string.
func unquote(token []byte) ([]byte, error) {
	if token[0] != '"' {
		return nil, fmt.Errorf("expected a string, got %s", clip(string(token)))
	}
	text := token[1 : len(token)-1]
	if bytes.IndexByte(text, '\\') < 0 {
		return text, nil
	}
	var unescaped string
	if err := json.Unmarshal(token, &unescaped); err != nil {
		return nil, fmt.Errorf("expected a string: %w", err)
	}
	if hasHalf(text) {
		return nil, fmt.Errorf("expected a string, got half of a surrogate pair in %s", clip(string(token)))
	}
	return []byte(unescaped), nil
}

// hasHalf tells whether half of a surrogate pair is among the escapes of a JSON string, in whose place
// another character would be read unnoticed.
func hasHalf(text []byte) bool {
	unit := func(at int) uint64 { // 0 where no such escape begins
		if at+6 > len(text) || text[at] != '\\' || text[at+1] != 'u' {
			return 0
		}
		v, _ := strconv.ParseUint(string(text[at+2:at+6]), 16, 16) // the JSON is valid
		return v
	}
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			continue
		}
		switch v := unit(at); {
		case v < 0xd800 || v > 0xdfff:
			at++ // past what the escape begins with
		case v > 0xdbff || unit(at+6)&^0x3ff != 0xdc00:
			return true
		default:
			at += 11
		}
	}
	return false
}

// appendData appends the elements of a tensor as a JSON list. An error says that one of them has no
// JSON form.
func appendData(data []byte, t inference.DataType, elements []byte) ([]byte, error) {
	switch t {
	case inference.Bool:
		return appendList(data, inference.ElementsOf[bool](elements), strconv.AppendBool), nil
	case inference.Int8:
		return appendList(data, inference.ElementsOf[int8](elements), appendInt), nil
	case inference.Int16:
		return appendList(data, inference.ElementsOf[int16](elements), appendInt), nil
	case inference.Int32:
		return appendList(data, inference.ElementsOf[int32](elements), appendInt), nil
	case inference.Int64:
		return appendList(data, inference.ElementsOf[int64](elements), appendInt), nil
	case inference.Uint8:
		return appendList(data, elements, appendUint), nil
	case inference.Uint16:
		return appendList(data, inference.ElementsOf[uint16](elements), appendUint), nil
	case inference.Uint32:
		return appendList(data, inference.ElementsOf[uint32](elements), appendUint), nil
	case inference.Uint64:
		return appendList(data, inference.ElementsOf[uint64](elements), appendUint), nil
	case inference.FP32:
		return appendFloats(data, inference.ElementsOf[float32](elements), 32)
	case inference.FP64:
		return appendFloats(data, inference.ElementsOf[float64](elements), 64)
	case inference.Bytes:
		return appendStrings(data, elements)
	}
	return nil, fmt.Errorf("JSON holds no %s", t)
}

func appendList[T any](data []byte, elements []T, appendOne func([]byte, T) []byte) []byte {
	data = append(data, '[')
	for i, element := range elements {
		if i > 0 {
			data = append(data, ',')
		}
		data = appendOne(data, element)
	}
	return append(data, ']')
}

func appendInt[T int8 | int16 | int32 | int64](data []byte, v T) []byte {
	return strconv.AppendInt(data, int64(v), 10)
}

func appendUint[T uint8 | uint16 | uint32 | uint64](data []byte, v T) []byte {
	return strconv.AppendUint(data, uint64(v), 10)
}

// appendFloats appends the shortest numbers that are read as the same.
func appendFloats[T float32 | float64](data []byte, elements []T, bits int) ([]byte, error) {
	for i, v := range elements {
		if v-v != 0 { // NaN for NaN and for both infinities
			return nil, fmt.Errorf("element %d is %v, which JSON does not hold", i, v)
		}
	}
	return appendList(data, elements, func(data []byte, v T) []byte {
		return strconv.AppendFloat(data, float64(v), 'g', -1, bits)
	}), nil
}

func appendStrings(data, elements []byte) ([]byte, error) {
	data = append(data, '[')
	i := 0
	for element, rest, ok := inference.NextBytes(elements); ok; element, rest, ok = inference.NextBytes(rest) {
		if !utf8.Valid(element) {
			return nil, fmt.Errorf("element %d is not UTF-8, which JSON does not hold", i)
		}
		if i > 0 {
			data = append(data, ',')
		}
		data = appendString(data, string(element))
		i++
	}
	return append(data, ']'), nil
}
