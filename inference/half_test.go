package inference

import (
	"math"
	"testing"
)

func TestHalves(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, test := range []struct {
		f        float32
		fp16     uint16
		f16      float32 // f as FP16
		bf16     uint16
		f16brain float32
	}{
		{0, 0, 0, 0, 0},
		{1, 0x3c00, 1, 0x3f80, 1},
		{-2, 0xc000, -2, 0xc000, -2},
		{1.0 / 3, 0x3555, 0.33325195, 0x3eab, 0.33398438},
		{65504, 0x7bff, 65504, 0x4780, 65536},
		{65519, 0x7bff, 65504, 0x4780, 65536},
		{65520, 0x7c00, inf, 0x4780, 65536},
		{1e30, 0x7c00, inf, 0x714a, 1.00025555e30},
		{-inf, 0xfc00, -inf, 0xff80, -inf},
		{0x1p-14, 0x0400, 0x1p-14, 0x3880, 0x1p-14},
		{0x1p-24, 0x0001, 0x1p-24, 0x3380, 0x1p-24},
		{0x1p-25, 0, 0, 0x3300, 0x1p-25},
		{0x1.8p-24, 0x0002, 0x1p-23, 0x33c0, 0x1.8p-24},
		{0x1.ffcp-15, 0x0400, 0x1p-14, 0x3880, 0x1p-14}, // subnormals round up to the least normal
		{1 + 0x1p-11, 0x3c00, 1, 0x3f80, 1},             // ties go to the even
		{1 + 0x3p-11, 0x3c02, 1 + 0x1p-9, 0x3f80, 1},
		{1 + 0x3p-8, 0x3c0c, 1 + 0x3p-8, 0x3f82, 1 + 0x1p-6},
	} {
		if got := ToFP16(test.f); got != test.fp16 || fromFP16(got) != test.f16 {
			t.Errorf("FP16 of %v: got %#04x = %v, expected %#04x = %v", test.f, got, fromFP16(got), test.fp16, test.f16)
		}
		if got := ToBF16(test.f); got != test.bf16 || fromBF16(got) != test.f16brain {
			t.Errorf("BF16 of %v: got %#04x = %v, expected %#04x = %v", test.f, got, fromBF16(got), test.bf16, test.f16brain)
		}
	}
	for h := range 1 << 16 { // what can be held is held exactly
		h := uint16(h)
		if f := fromFP16(h); f == f && ToFP16(f) != h {
			t.Fatalf("FP16 %#04x is %v, and comes back as %#04x", h, f, ToFP16(f))
		}
		if f := fromBF16(h); f == f && ToBF16(f) != h {
			t.Fatalf("BF16 %#04x is %v, and comes back as %#04x", h, f, ToBF16(f))
		}
		if f16, brain := fromFP16(h), fromBF16(h); f16 != f16 && fromFP16(ToFP16(f16)) == fromFP16(ToFP16(f16)) ||
			brain != brain && fromBF16(ToBF16(brain)) == fromBF16(ToBF16(brain)) {
			t.Fatalf("%#04x: NaN comes back as a number", h)
		}
	}
}
