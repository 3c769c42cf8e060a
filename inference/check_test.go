package inference

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// Refusals of single tensors are tested where models run, in inference/onnx.

func TestCheckInputsRows(t *testing.T) {
	tests := []struct {
		name  string
		specs []TensorSpec
		rows  []int64 // first dimensions given
		want  int64
		err   string
	}{
		{"one", []TensorSpec{{"a", Int32, []int64{-1}}}, []int64{7}, 7, ""},
		{"two agree", []TensorSpec{{"a", Int32, []int64{-1}}, {"b", Int32, []int64{-1}}}, []int64{7, 7}, 7, ""},
		{"two differ", []TensorSpec{{"a", Int32, []int64{-1}}, {"b", Int32, []int64{-1}}}, []int64{7, 8}, 0, `input "b": tensor shape: expected 7 rows, as input "a" has, got 8`},
		{"one fixed", []TensorSpec{{"a", Int32, []int64{3}}, {"b", Int32, []int64{-1}}}, []int64{3, 8}, 8, ""},
		{"all fixed", []TensorSpec{{"a", Int32, []int64{3}}}, []int64{3}, 1, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var inputs []Tensor
			for i, spec := range test.specs {
				inputs = append(inputs, Tensor{spec.Name, spec.Type, []int64{test.rows[i]}, make([]byte, 4*test.rows[i])})
			}
			rows, err := CheckInputs(test.specs, inputs)
			if rows != test.want || (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
				t.Errorf("got %d, %v", rows, err)
			}
		})
	}
}

func TestCheckInputsAllocatesNothing(t *testing.T) {
	specs := []TensorSpec{{"a", FP32, []int64{-1, 4}}, {"b", Bool, []int64{-1}}}
	inputs := []Tensor{{"b", Bool, []int64{2}, make([]byte, 2)}, {"a", FP32, []int64{2, 4}, make([]byte, 32)}}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := CheckInputs(specs, inputs); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

// A message may hold any number of tensors, of names of any length and shapes of any rank.
func TestCheckInputsOfALongList(t *testing.T) {
	specs := []TensorSpec{{"x", FP32, []int64{-1, 1}}}
	x := Tensor{"x", FP32, []int64{1, 1}, make([]byte, 4)}
	many := slices.Repeat([]Tensor{x}, 1_000_000)
	if _, err := CheckInputs(specs, many); !errors.Is(err, ErrTensorUnknown) {
		t.Errorf("got %v", err)
	}
	x.Name = strings.Repeat("x", 1_000_000)
	if _, err := CheckInputs(specs, []Tensor{x}); !errors.Is(err, ErrTensorUnknown) || len(err.Error()) > 300 {
		t.Errorf("got %.300v", err)
	}
	x.Name, x.Shape = "x", make([]int64, 1_000_000)
	if _, err := CheckInputs(specs, []Tensor{x}); !errors.Is(err, ErrTensorShape) || len(err.Error()) > 300 {
		t.Errorf("got %.300v", err)
	}
}

func TestByteSize(t *testing.T) {
	for _, test := range []struct {
		shape []int64
		want  int64
		ok    bool
	}{
		{[]int64{}, 8, true},
		{[]int64{3, 4}, 96, true},
		{[]int64{0, 4}, 0, true},
		{[]int64{-1, 4}, 0, false},
		{[]int64{-1, -1}, 0, false},
		{[]int64{math.MaxInt64 / 8}, math.MaxInt64 - 7, true},
		{[]int64{math.MaxInt64/8 + 1}, 0, false},
		{[]int64{math.MaxInt64, math.MaxInt64}, 0, false},
		{[]int64{1 << 32, 1 << 32}, 0, false},
	} {
		if got, ok := ByteSize(Int64, test.shape); got != test.want || ok != test.ok {
			t.Errorf("%v: got %d, %t", test.shape, got, ok)
		}
	}
}

// What is said of BYTES is checked against what is there, before anything is made of it.
func TestCheckInputsBytes(t *testing.T) {
	encode := func(elements ...string) (data []byte) {
		for _, e := range elements {
			data = AppendBytes(data, e)
		}
		return data
	}
	specs := []TensorSpec{{"text", Bytes, []int64{-1, 2}}}
	for _, test := range []struct {
		name  string
		shape []int64
		data  []byte
		is    error
		want  string // after `input "text": `
	}{
		{"text", []int64{2, 2}, encode("a", "", "Ünal", "\xff"), nil, ""},
		{"too few", []int64{2, 2}, encode("a", "b", "c"), ErrTensorSize, "tensor size: expected 4 elements for BYTES [2,2], got 3 in 15 bytes"},
		{"too many", []int64{1, 2}, encode("a", "b", "c"), ErrTensorSize, "tensor size: expected 10 bytes for the 2 elements of BYTES [1,2], got 15"},
		{"none", []int64{1, 2}, nil, ErrTensorSize, "tensor size: expected 2 elements for BYTES [1,2], got 0 in 0 bytes"},
		{"half a length", []int64{1, 2}, append(encode("a"), 1, 0), ErrTensorSize, "tensor size: expected 2 elements for BYTES [1,2], got 1 in 7 bytes"},
		{"1 GB claimed", []int64{1, 2}, append(encode("a"), 0, 0, 0, 0x40, 'b'), ErrTensorSize, "tensor size: element 1: expected 1073741824 bytes, as its length says, got 1"},
		{"4 GB claimed", []int64{1, 2}, []byte{0xff, 0xff, 0xff, 0xff}, ErrTensorSize, "tensor size: element 0: expected 4294967295 bytes, as its length says, got 0"},
		{"a billion elements claimed", []int64{1 << 30, 2}, encode("a", "b"), ErrTensorSize, "tensor size: expected 2147483648 elements for BYTES [1073741824,2], got 2 in 10 bytes"},
		{"zero byte", []int64{1, 2}, encode("a", "b\x00c"), ErrTensorValue, "tensor value: element 1: expected no zero byte in a BYTES, got one at byte 1"},
		{"overflow", []int64{math.MaxInt64, 2}, nil, ErrTensorShape, "tensor shape: [9223372036854775807,2] overflows"},
	} {
		_, err := CheckInputs(specs, []Tensor{{"text", Bytes, test.shape, test.data}})
		if !errors.Is(err, test.is) || err != nil && err.Error() != `input "text": `+test.want {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}
