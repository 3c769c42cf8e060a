package features

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The packed form is how vectors and states are kept outside of the process. All numbers are little-endian:
//
//	8 bytes    the first bytes of the schema's hash
//	1 byte     kind: vector, team or league
//	1 byte     flags, by kind
//	4 bytes    as-of, days since 1970-01-01
//	…          the body: float32 values of a vector; text and float64 numbers of a state
//	4 bytes    CRC-32C of all before it and, of a vector, of its match's ID, so that it is no other's
//
// Text is preceded by its length as a uvarint. States keep every float64 bit, so that a vector
// compared from packed states equals one compared from the originals bit by bit.

// Why a packed value cannot be used, told apart with errors.Is.
var (
	// ErrForeignSchema: the value was packed by a program with another feature schema.
	ErrForeignSchema = errors.New("packed by another feature schema")
	// ErrCorrupt: the value is cut short, changed, or not of the kind that was asked for.
	ErrCorrupt = errors.New("packed value corrupt")
)

// MaxPacked bounds the bytes of a packed value; a longer one is corrupt.
const MaxPacked = 1 << 16

// Kinds of packed values.
const (
	kindVector = 'V'
	kindTeam   = 'T'
	kindLeague = 'L'
)

// Flags of a vector, then those of a league.
const (
	flagUnlinked byte = 1

	flagEntrants     byte = 1
	flagNextEntrants byte = 2
	flagEarlier      byte = 4
)

// PackVector appends the packed vector of a match to b. Only Values, AsOf and Unlinked are kept.
func (r *Recipe) PackVector(b []byte, match string, v *Vector) []byte {
	var flags byte
	if v.Unlinked {
		flags = flagUnlinked
	}
	start := len(b)
	b = r.packHeader(b, kindVector, flags, v.AsOf)
	for _, value := range v.Values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(value))
	}
	return packChecksum(b, start, match)
}

// UnpackVector reads the packed vector of a match into v, reusing the capacity of its Values. On an
// error, ErrForeignSchema or ErrCorrupt, v has no Values.
func (r *Recipe) UnpackVector(packed, match string, v *Vector) error {
	values := v.Values[:0]
	*v = Vector{Values: values}
	u, err := r.unpack(packed, kindVector, match)
	if err != nil {
		return err
	}
	if got, want := len(u.bytes)-u.at, 4*len(r.Schema.Features); got != want {
		return fmt.Errorf("%w: expected %d bytes of values, got %d", ErrCorrupt, want, got)
	}
	for at := u.at; at < len(u.bytes); at += 4 {
		bits := binary.LittleEndian.Uint32(u.bytes[at:])
		if bits&0x7f800000 == 0x7f800000 {
			return fmt.Errorf("%w: value %d is not finite", ErrCorrupt, len(values))
		}
		values = append(values, math.Float32frombits(bits))
	}
	v.Values, v.AsOf, v.Unlinked = values, u.asOf, u.flags&flagUnlinked != 0
	return nil
}

// PackTeamState appends the packed state to b. All is kept but the team's aliases, which are no
// part of its strength.
func (r *Recipe) PackTeamState(b []byte, t *TeamState) []byte {
	start := len(b)
	b = r.packHeader(b, kindTeam, 0, t.AsOf)
	for _, text := range []string{t.Team.ID, t.Team.Name, t.Team.Country, t.Team.Competition} {
		b = packText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(len(t.Spells)))
	for i := range t.Spells {
		s := &t.Spells[i]
		b = packText(b, s.Competition)
		b = packText(b, s.Season)
		b = binary.AppendUvarint(b, uint64(s.Tier))
		b = binary.LittleEndian.AppendUint32(b, uint32(s.AsOf))
		b = append(b, 0)
		if s.Newcomer {
			b[len(b)-1] = 1
		}
		b = packNumbers(b, s.Ratings[:r.ratings])
	}
	return packChecksum(b, start, "")
}

// UnpackTeamState reads a packed state into t, reusing the capacity of its Spells. The texts of t
// are parts of packed. On an error, ErrForeignSchema or ErrCorrupt, t is undefined.
func (r *Recipe) UnpackTeamState(packed string, t *TeamState) error {
	u, err := r.unpack(packed, kindTeam, "")
	if err != nil {
		return err
	}
	*t = TeamState{AsOf: u.asOf, Spells: t.Spells[:0]}
	for _, text := range []*string{&t.Team.ID, &t.Team.Name, &t.Team.Country, &t.Team.Competition} {
		*text = u.text()
	}
	for n := u.uvarint(); n > 0 && !u.short; n-- {
		t.Spells = append(t.Spells, Spell{})
		s := &t.Spells[len(t.Spells)-1]
		s.Competition, s.Season = u.text(), u.text()
		s.Tier = int(u.uvarint())
		s.AsOf = Date(u.uint32())
		s.Newcomer = u.byte() != 0
		u.numbers(s.Ratings[:r.ratings])
	}
	return u.end()
}

// PackLeagueState appends the packed state to b. All is kept but the table, which no vector reads.
func (r *Recipe) PackLeagueState(b []byte, l *LeagueState) []byte {
	var flags byte
	if l.Entrants != nil {
		flags |= flagEntrants
	}
	if l.NextEntrants != nil {
		flags |= flagNextEntrants
	}
	if len(l.Earlier) > 0 {
		flags |= flagEarlier
	}
	start := len(b)
	b = r.packHeader(b, kindLeague, flags, l.AsOf)
	for _, text := range []string{l.Competition.Code, l.Competition.Name, l.Competition.Country, l.Competition.Season, l.Previous} {
		b = packText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(l.Competition.Tier))
	b = r.packMeans(b, &l.Means, l.Market)
	if len(l.Earlier) > 0 {
		b = binary.AppendUvarint(b, uint64(len(l.Earlier)))
	}
	for i := range l.Earlier {
		b = binary.LittleEndian.AppendUint32(b, uint32(l.Earlier[i].AsOf))
		b = r.packMeans(b, &l.Earlier[i].Means, l.Earlier[i].Market)
	}
	for _, e := range []*Entrants{l.Entrants, l.NextEntrants} {
		if e != nil {
			b = packNumbers(b, e.FromBelow[:r.ratings])
			b = packNumbers(b, e.FromAbove[:r.ratings])
		}
	}
	return packChecksum(b, start, "")
}

func (r *Recipe) packMeans(b []byte, means *countMeans, market leagueMarket) []byte {
	for i := range means {
		b = packNumbers(b, means[i][:])
	}
	if r.market {
		b = packNumbers(b, []float64{market.Home, market.Goals})
	}
	return b
}

// UnpackLeagueState reads a packed state into l, reusing its Entrants. The texts of l are parts of
// packed. On an error, ErrForeignSchema or ErrCorrupt, l is undefined.
func (r *Recipe) UnpackLeagueState(packed string, l *LeagueState) error {
	u, err := r.unpack(packed, kindLeague, "")
	if err != nil {
		return err
	}
	entrants, next, earlier := l.Entrants, l.NextEntrants, l.Earlier[:0]
	*l = LeagueState{AsOf: u.asOf}
	for _, text := range []*string{&l.Competition.Code, &l.Competition.Name, &l.Competition.Country, &l.Competition.Season, &l.Previous} {
		*text = u.text()
	}
	l.Competition.Tier = int(u.uvarint())
	u.means(r, &l.Means, &l.Market)
	if u.flags&flagEarlier != 0 {
		n := u.uvarint()
		u.short = u.short || n > mostEarlier
		for ; n > 0 && !u.short; n-- {
			e := earlierMeans{AsOf: Date(u.uint32())}
			u.means(r, &e.Means, &e.Market)
			earlier = append(earlier, e)
		}
		l.Earlier = earlier
	}
	l.Entrants = u.entrants(flagEntrants, entrants, r.ratings)
	l.NextEntrants = u.entrants(flagNextEntrants, next, r.ratings)
	return u.end()
}
