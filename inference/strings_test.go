package inference

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"footballprediction/inference/batch"
)

// echo gives the two strings of each row back as they are.
type echo struct{}

var (
	echoInputs  = []TensorSpec{{"text", Bytes, []int64{-1, 2}}}
	echoOutputs = []TensorSpec{{"same", Bytes, []int64{-1, 2}}}
)

func (echo) Inputs() []TensorSpec  { return echoInputs }
func (echo) Outputs() []TensorSpec { return echoOutputs }
func (echo) Concurrency() int      { return 1 }
func (echo) Close() error          { return nil }
func (echo) Run(_ context.Context, inputs, outputs []Tensor) error {
	if _, err := CheckInputs(echoInputs, inputs); err != nil {
		return err
	}
	outputs[0].Type, outputs[0].Shape = Bytes, append(outputs[0].Shape[:0], inputs[0].Shape...)
	outputs[0].Data = append(outputs[0].Data[:0], inputs[0].Data...)
	return nil
}

func TestBytesElements(t *testing.T) {
	var data []byte
	texts := []string{"", "Ünal", "a\x00b", "c"}
	for _, s := range texts {
		data = AppendBytes(data, s)
	}
	head, rest := cut(Bytes, data, 3)
	if !slices.Equal(AppendBytes(head, []byte("c")), data) || string(rest) != "\x01\x00\x00\x00c" {
		t.Errorf("cut: %q and %q", head, rest)
	}
	for _, want := range texts {
		var element []byte
		var ok bool
		if element, data, ok = NextBytes(data); !ok || string(element) != want {
			t.Errorf("got %q, expected %q", element, want)
		}
	}
	if _, _, ok := NextBytes(data); ok || len(data) != 0 {
		t.Errorf("left over: %q", data)
	}
}

// Rows of strings differ in length, and each caller gets its own back.
func TestStringsShareExecutions(t *testing.T) {
	b, err := newBatched(echo{}, batch.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var callers sync.WaitGroup
	for caller := range 32 {
		callers.Go(func() {
			outputs := []Tensor{{Name: "same"}}
			for i := range 100 {
				rows := 1 + (caller+i)%3
				var data []byte
				for row := range 2 * rows {
					data = AppendBytes(data, fmt.Sprint(caller, i)[:(caller+row)%3])
				}
				in := Tensor{"text", Bytes, []int64{int64(rows), 2}, data}
				if err := b.Run(t.Context(), []Tensor{in}, outputs); err != nil {
					t.Error(err)
					return
				}
				if out := outputs[0]; out.Type != Bytes || !slices.Equal(out.Shape, in.Shape) || string(out.Data) != string(data) {
					t.Errorf("got %v %q, expected %q", out.Shape, out.Data, data)
					return
				}
			}
		})
	}
	callers.Wait()
}

func TestWarmWithStrings(t *testing.T) {
	golden := []Tensor{{"text", Bytes, []int64{2, 2}, AppendBytes(AppendBytes(AppendBytes(AppendBytes(nil, "a"), "bc"), ""), "d")}}
	for _, sample := range [][]Tensor{golden, zeros(echoInputs)} {
		inputs := repeat(sample, 5)
		if rows, err := CheckInputs(echoInputs, inputs); err != nil || rows != 5 {
			t.Errorf("%q: %d rows, %v", inputs[0].Data, rows, err)
		}
	}
}
