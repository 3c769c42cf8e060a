package inference

import (
	"context"
	"testing"
	"time"

	"footballprediction/inference/batch"
)

// BenchmarkRun compares Handle.Run, one caller, with the model's own.
func BenchmarkRun(b *testing.B) {
	m, err := newBatched(fixed{}, batch.Options{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	h := Handle{&version{model: m}}
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	x := []float32{1}
	inputs := []Tensor{{Name: "x", Type: FP32, Shape: []int64{1, 1}, Data: BytesOf(x)}}
	outputs := []Tensor{{Name: "y"}}
	for _, bench := range []struct {
		name string
		run  func(ctx context.Context, inputs, outputs []Tensor) error
	}{{"bare", fixed{}.Run}, {"handle", h.Run}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bench.run(ctx, inputs, outputs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
