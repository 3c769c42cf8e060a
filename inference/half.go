package inference

import (
	"math"
	"math/bits"
)

// FP16 has 5 bits of exponent and 10 of mantissa; BF16 is the upper half of an FP32.

// fromFP16 returns the value of FP16 bits.
func fromFP16(h uint16) float32 {
	sign, exponent, mantissa := uint32(h)>>15<<31, uint32(h)>>10&0x1f, uint32(h)&0x3ff
	switch {
	case exponent == 0x1f: // infinite, or NaN
		return math.Float32frombits(sign | 0xff<<23 | mantissa<<13)
	case exponent != 0:
		return math.Float32frombits(sign | (exponent+127-15)<<23 | mantissa<<13)
	case mantissa == 0:
		return math.Float32frombits(sign)
	}
	shift := uint32(11 - bits.Len32(mantissa)) // a subnormal, which FP32 can hold as a normal number
	return math.Float32frombits(sign | (113-shift)<<23 | mantissa<<shift&0x3ff<<13)
}

// ToFP16 returns the FP16 bits nearest to f, of two the even ones.
func ToFP16(f float32) uint16 {
	b := math.Float32bits(f)
	sign, b := uint16(b>>31<<15), b&^(1<<31)
	switch {
	case b > 0xff<<23: // NaN
		return sign | 0x7e00
	case b >= (15+127)<<23+0x7ff<<12: // would round to 2¹⁶ and above
		return sign | 0x7c00
	case b >= (127-14)<<23:
		return sign | uint16(roundEven(b-(127-15)<<23, 13))
	}
	// A subnormal is the number of 2⁻²⁴ in it.
	return sign | uint16(math.RoundToEven(float64(math.Float32frombits(b))*(1<<24)))
}

// fromBF16 returns the value of BF16 bits.
func fromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// ToBF16 returns the BF16 bits nearest to f, of two the even ones.
func ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if f != f {
		return uint16(b>>16) | 0x40 // still NaN without its lower half
	}
	return uint16(roundEven(b, 16))
}

// roundEven drops the lowest n bits of b.
func roundEven(b uint32, n int) uint32 {
	return (b + 1<<(n-1) - 1 + b>>n&1) >> n
}
