package features

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"unsafe"
)

const (
	headerSize   = 8 + 1 + 1 + 4
	checksumSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *Recipe) packHeader(b []byte, kind, flags byte, asOf Date) []byte {
	b = append(b, r.prefix...)
	b = append(b, kind, flags)
	return binary.LittleEndian.AppendUint32(b, uint32(asOf))
}

func packText(b []byte, text string) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

func packNumbers(b []byte, numbers []float64) []byte {
	for _, number := range numbers {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(number))
	}
	return b
}

// packChecksum ends the value that begins at start and belongs to a match, if to any.
func packChecksum(b []byte, start int, match string) []byte {
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:], match))
}

func checksum(value []byte, match string) uint32 {
	return crc32.Update(crc32.Checksum(value, castagnoli), castagnoli, bytesOf(match))
}

// bytesOf returns the bytes of a text without copying it; nobody may write to them.
func bytesOf(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

// unpacker reads the body of a packed value. Past its end it reads zeros and notes that it is short.
type unpacker struct {
	packed string
	bytes  []byte // the same memory as packed, without the checksum; read only
	at     int
	flags  byte
	asOf   Date
	short  bool
	wild   bool // a number was not finite
}

// unpack checks the frame of a value that belongs to a match, if to any, and reads its header.
func (r *Recipe) unpack(packed string, kind byte, match string) (unpacker, error) {
	if len(packed) < headerSize+checksumSize || len(packed) > MaxPacked {
		return unpacker{}, fmt.Errorf("%w: expected %d to %d bytes, got %d", ErrCorrupt, headerSize+checksumSize, MaxPacked, len(packed))
	}
	bytes := bytesOf(packed)
	body := bytes[:len(bytes)-checksumSize]
	if checksum(body, match) != binary.LittleEndian.Uint32(bytes[len(body):]) {
		return unpacker{}, fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	if !strings.HasPrefix(packed, r.prefix) {
		return unpacker{}, fmt.Errorf("%w: expected %x, got %x", ErrForeignSchema, r.prefix, packed[:len(r.prefix)])
	}
	if packed[8] != kind {
		return unpacker{}, fmt.Errorf("%w: expected kind %q, got %q", ErrCorrupt, kind, packed[8])
	}
	return unpacker{
		packed: packed, bytes: body, at: headerSize,
		flags: packed[9], asOf: Date(binary.LittleEndian.Uint32(body[10:])),
	}, nil
}

// take returns the place of the next n bytes, or false past the end.
func (u *unpacker) take(n int) (int, bool) {
	if u.short = u.short || n > len(u.bytes)-u.at; u.short {
		return 0, false
	}
	at := u.at
	u.at += n
	return at, true
}

func (u *unpacker) byte() byte {
	if at, ok := u.take(1); ok {
		return u.bytes[at]
	}
	return 0
}

func (u *unpacker) uint32() uint32 {
	if at, ok := u.take(4); ok {
		return binary.LittleEndian.Uint32(u.bytes[at:])
	}
	return 0
}

// uvarint reads a number no larger than MaxPacked: a count, a length or a tier.
func (u *unpacker) uvarint() uint64 {
	if u.short {
		return 0
	}
	number, n := binary.Uvarint(u.bytes[u.at:])
	if n <= 0 || number > MaxPacked {
		u.short = true
		return 0
	}
	u.at += n
	return number
}

func (u *unpacker) text() string {
	n := int(u.uvarint())
	if at, ok := u.take(n); ok {
		return u.packed[at : at+n]
	}
	return ""
}

func (u *unpacker) numbers(into []float64) {
	at, ok := u.take(8 * len(into))
	if !ok {
		return
	}
	for i := range into {
		bits := binary.LittleEndian.Uint64(u.bytes[at+8*i:])
		u.wild = u.wild || bits&0x7ff0000000000000 == 0x7ff0000000000000
		into[i] = math.Float64frombits(bits)
	}
}

// means reads a league's means.
func (u *unpacker) means(recipe *Recipe, means *countMeans, market *leagueMarket) {
	for i := range means {
		u.numbers(means[i][:])
	}
	if recipe.market {
		var numbers [2]float64
		u.numbers(numbers[:])
		*market = leagueMarket{numbers[0], numbers[1]}
	}
}

// entrants reads a league's entrants, into those given if there are any, where the flag says so.
func (u *unpacker) entrants(flag byte, into *Entrants, ratings int) *Entrants {
	if u.flags&flag == 0 {
		return nil
	}
	if into == nil {
		into = new(Entrants)
	}
	*into = Entrants{}
	u.numbers(into.FromBelow[:ratings])
	u.numbers(into.FromAbove[:ratings])
	return into
}

// end says whether the body was read to its end, no less and no more.
func (u *unpacker) end() error {
	switch {
	case u.short:
		return fmt.Errorf("%w: it ends too early", ErrCorrupt)
	case u.at != len(u.bytes):
		return fmt.Errorf("%w: %d bytes too many", ErrCorrupt, len(u.bytes)-u.at)
	case u.wild:
		return fmt.Errorf("%w: a number is not finite", ErrCorrupt)
	}
	return nil
}
