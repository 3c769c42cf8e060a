package features

import (
	"encoding/binary"
	"encoding/hex"
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

// schemaPrefix marks packed values of this program's schema.
var schemaPrefix = func() string {
	prefix, err := hex.DecodeString(schema.Hash[:16])
	if err != nil {
		panic(fmt.Sprintf("features: schema hash %q: %v", schema.Hash, err)) // made by hex.EncodeToString
	}
	return string(prefix)
}()

func packHeader(b []byte, kind, flags byte, asOf Date) []byte {
	b = append(b, schemaPrefix...)
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

// packChecksum ends the value that begins at start.
func packChecksum(b []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

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

// unpack checks a value's frame and reads its header.
func unpack(packed string, kind byte) (unpacker, error) {
	if len(packed) < headerSize+checksumSize || len(packed) > MaxPacked {
		return unpacker{}, fmt.Errorf("%w: expected %d to %d bytes, got %d", ErrCorrupt, headerSize+checksumSize, MaxPacked, len(packed))
	}
	// A checksum over text would otherwise copy it; nobody writes to these bytes.
	bytes := unsafe.Slice(unsafe.StringData(packed), len(packed))
	body := bytes[:len(bytes)-checksumSize]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(bytes[len(body):]) {
		return unpacker{}, fmt.Errorf("%w: checksum", ErrCorrupt)
	}
	if !strings.HasPrefix(packed, schemaPrefix) {
		return unpacker{}, fmt.Errorf("%w: expected %x, got %x", ErrForeignSchema, schemaPrefix, packed[:len(schemaPrefix)])
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
func (r *unpacker) take(n int) (int, bool) {
	if r.short = r.short || n > len(r.bytes)-r.at; r.short {
		return 0, false
	}
	at := r.at
	r.at += n
	return at, true
}

func (r *unpacker) byte() byte {
	if at, ok := r.take(1); ok {
		return r.bytes[at]
	}
	return 0
}

func (r *unpacker) uint32() uint32 {
	if at, ok := r.take(4); ok {
		return binary.LittleEndian.Uint32(r.bytes[at:])
	}
	return 0
}

// uvarint reads a number no larger than MaxPacked: a count, a length or a tier.
func (r *unpacker) uvarint() uint64 {
	if r.short {
		return 0
	}
	number, n := binary.Uvarint(r.bytes[r.at:])
	if n <= 0 || number > MaxPacked {
		r.short = true
		return 0
	}
	r.at += n
	return number
}

func (r *unpacker) text() string {
	n := int(r.uvarint())
	if at, ok := r.take(n); ok {
		return r.packed[at : at+n]
	}
	return ""
}

func (r *unpacker) numbers(into []float64) {
	at, ok := r.take(8 * len(into))
	if !ok {
		return
	}
	for i := range into {
		bits := binary.LittleEndian.Uint64(r.bytes[at+8*i:])
		r.wild = r.wild || bits&0x7ff0000000000000 == 0x7ff0000000000000
		into[i] = math.Float64frombits(bits)
	}
}

// entrants reads a league's entrants, into those given if there are any, where the flag says so.
func (r *unpacker) entrants(flag byte, into *Entrants) *Entrants {
	if r.flags&flag == 0 {
		return nil
	}
	if into == nil {
		into = new(Entrants)
	}
	r.numbers(into.FromBelow[:])
	r.numbers(into.FromAbove[:])
	return into
}

// end says whether the body was read to its end, no less and no more.
func (r *unpacker) end() error {
	switch {
	case r.short:
		return fmt.Errorf("%w: it ends too early", ErrCorrupt)
	case r.at != len(r.bytes):
		return fmt.Errorf("%w: %d bytes too many", ErrCorrupt, len(r.bytes)-r.at)
	case r.wild:
		return fmt.Errorf("%w: a number is not finite", ErrCorrupt)
	}
	return nil
}
