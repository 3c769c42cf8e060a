package features

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"
)

// learned is what three seasons of history leave behind.
func learned(t testing.TB, recipe *Recipe) *Replay {
	t.Helper()
	r := NewReplay(recipe)
	if err := r.Advance(history(), nil); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPackedStatesSurvive(t *testing.T) { eachRecipe(t, packedStatesSurvive) }

func packedStatesSurvive(t *testing.T, recipe *Recipe) {
	r := learned(t, recipe)
	var team TeamState // used again and again, as a store does
	for _, want := range r.teams {
		want.Team.Aliases = nil
		if err := recipe.UnpackTeamState(string(recipe.PackTeamState(nil, want)), &team); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(&team, want) {
			t.Errorf("got  %+v\nwant %+v", team, *want)
		}
	}
	var league LeagueState
	young := newLeagueState(premier, "2009-10") // without entrants
	for _, state := range append(slices.Collect(maps.Values(r.leagues)), young) {
		if err := recipe.UnpackLeagueState(string(recipe.PackLeagueState(nil, state)), &league); err != nil {
			t.Fatal(err)
		}
		want := *state
		want.Table = nil
		if !reflect.DeepEqual(league, want) {
			t.Errorf("got  %+v\nwant %+v", league, want)
		}
	}
}

// A vector compared from unpacked states has the bits of one compared from the originals, and keeps
// them when it is packed itself.
func TestPackedVectorsSurvive(t *testing.T) { eachRecipe(t, packedVectorsSurvive) }

func packedVectorsSurvive(t *testing.T, recipe *Recipe) {
	r := learned(t, recipe)
	for _, f := range []struct{ league, home, away string }{{"E0", "eng-a", "eng-b"}, {"E1", "eng-n", "eng-h"}, {"D1", "ger-a", "eng-c"}} {
		want := recipe.Compare(r.League(f.league), r.Team(f.home), r.Team(f.away), "2013-14", 20000, nil)
		var league LeagueState
		var home, visitor TeamState
		if err := errors.Join(
			recipe.UnpackLeagueState(string(recipe.PackLeagueState(nil, r.League(f.league))), &league),
			recipe.UnpackTeamState(string(recipe.PackTeamState(nil, r.Team(f.home))), &home),
			recipe.UnpackTeamState(string(recipe.PackTeamState(nil, r.Team(f.away))), &visitor),
		); err != nil {
			t.Fatal(err)
		}
		got := recipe.Compare(&league, &home, &visitor, "2013-14", 20000, nil)
		sameVector(t, got, want)
		if want.Unlinked != (f.league == "D1") {
			t.Fatalf("%v: unlinked %v", f, want.Unlinked)
		}
		behind := []byte("behind something else ")
		packed := recipe.PackVector(behind, "m", &want)[len(behind):]
		unpacked := Vector{Values: make([]float32, 3, 100), Degraded: "gone", Err: ErrNotKept}
		if err := recipe.UnpackVector(string(packed), "m", &unpacked); err != nil {
			t.Fatal(err)
		}
		sameVector(t, unpacked, want)
		if unpacked.Degraded != "" || unpacked.Err != nil || cap(unpacked.Values) != 100 {
			t.Errorf("unpacked into the memory of another: %+v", unpacked)
		}
	}
}

func sameVector(t *testing.T, got, want Vector) {
	t.Helper()
	same := slices.EqualFunc(got.Values, want.Values, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
	if !same || got.AsOf != want.AsOf || got.Unlinked != want.Unlinked {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// packedKinds are a value of each kind and how it is read.
func packedKinds(t testing.TB) map[string]struct {
	packed []byte
	unpack func(string) error
	match  string
} {
	r := learned(t, matchRecipe)
	v := matchRecipe.Compare(r.League("E0"), r.Team("eng-a"), r.Team("eng-b"), "2013-14", 20000, nil)
	return map[string]struct {
		packed []byte
		unpack func(string) error
		match  string
	}{
		"vector": {matchRecipe.PackVector(nil, "m", &v), func(s string) error { return matchRecipe.UnpackVector(s, "m", new(Vector)) }, "m"},
		"team":   {matchRecipe.PackTeamState(nil, r.Team("eng-a")), func(s string) error { return matchRecipe.UnpackTeamState(s, new(TeamState)) }, ""},
		"league": {matchRecipe.PackLeagueState(nil, r.League("E0")), func(s string) error { return matchRecipe.UnpackLeagueState(s, new(LeagueState)) }, ""},
	}
}

func TestUnpackRefuses(t *testing.T) {
	kinds := packedKinds(t)
	for name, kind := range kinds {
		refused := func(what string, packed []byte, want error) {
			t.Helper()
			if err := kind.unpack(string(packed)); !errors.Is(err, want) {
				t.Errorf("%s, %s: %v, expected %v", name, what, err, want)
			}
		}
		for n := range kind.packed {
			refused("cut short", kind.packed[:n], ErrCorrupt)
			changed := slices.Clone(kind.packed)
			changed[n] ^= 0x10
			refused("a changed bit", changed, ErrCorrupt)
		}
		body := kind.packed[:len(kind.packed)-checksumSize]
		refused("bytes too many", packChecksum(append(slices.Clone(body), 0, 0, 0, 0), 0, kind.match), ErrCorrupt)
		refused("a value too long", packChecksum(append(slices.Clone(body), make([]byte, MaxPacked)...), 0, kind.match), ErrCorrupt)
		for n := headerSize; n < len(body); n++ { // cut short by somebody who knows of checksums
			refused("a shorter body", packChecksum(slices.Clone(body[:n]), 0, kind.match), ErrCorrupt)
		}
		refused("a value of the other recipe", packChecksum(append([]byte(pastOddsRecipe.prefix), body[8:]...), 0, kind.match), ErrForeignSchema)
		refused("a value of another match", packChecksum(slices.Clone(body), 0, "n"), ErrCorrupt)
		foreign := slices.Clone(body)
		foreign[0]++
		refused("another schema", packChecksum(foreign, 0, kind.match), ErrForeignSchema)
		for other, o := range kinds {
			if other != name {
				refused("a "+other, o.packed, ErrCorrupt)
			}
		}
	}
}

func TestUnpackRefusesNumbersThatAreNone(t *testing.T) {
	r := learned(t, matchRecipe)
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		v := matchRecipe.Compare(r.League("E0"), r.Team("eng-a"), r.Team("eng-b"), "2013-14", 20000, nil)
		v.Values[7] = float32(bad)
		if err := matchRecipe.UnpackVector(string(matchRecipe.PackVector(nil, "m", &v)), "m", &v); !errors.Is(err, ErrCorrupt) || len(v.Values) != 0 {
			t.Errorf("vector with %v: %v", bad, err)
		}
		team := *r.Team("eng-a")
		team.Spells = slices.Clone(team.Spells)
		team.Spells[0].Ratings[elo] = bad
		if err := matchRecipe.UnpackTeamState(string(matchRecipe.PackTeamState(nil, &team)), new(TeamState)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("team with %v: %v", bad, err)
		}
	}
}

// Whoever knows of checksums may write anything: it must never panic, nor make much of little.
func FuzzUnpack(f *testing.F) {
	for _, kind := range packedKinds(f) {
		f.Add(kind.packed[8 : len(kind.packed)-checksumSize])
	}
	f.Add([]byte{kindTeam, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 3})
	f.Fuzz(func(t *testing.T, body []byte) {
		packed := string(packChecksum(append([]byte(matchRecipe.prefix), body...), 0, ""))
		var team TeamState
		if matchRecipe.UnpackTeamState(packed, &team) == nil && len(team.Spells) > len(packed)/(8*matchRatings) {
			t.Errorf("%d spells out of %d bytes", len(team.Spells), len(packed))
		}
		var v Vector
		if matchRecipe.UnpackVector(packed, "", &v) == nil && len(v.Values) != len(matchRecipe.Schema.Features) {
			t.Errorf("%d values", len(v.Values))
		}
		var league LeagueState
		if matchRecipe.UnpackLeagueState(packed, &league) == nil && league.AsOf != Date(binary.LittleEndian.Uint32(body[2:])) {
			t.Errorf("as of %v", league.AsOf)
		}
	})
}

// BenchmarkUnpack is what one prediction reads where its match is stored, and where it is not.
func BenchmarkUnpack(b *testing.B) {
	r := learned(b, matchRecipe)
	league, home, visitor := r.League("E0"), r.Team("eng-a"), r.Team("eng-b")
	v := matchRecipe.Compare(league, home, visitor, "2013-14", 20000, nil)
	packed := string(matchRecipe.PackVector(nil, "m", &v))
	b.Run("vector", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := matchRecipe.UnpackVector(packed, "m", &v); err != nil {
				b.Fatal(err)
			}
		}
	})
	packedLeague := string(matchRecipe.PackLeagueState(nil, league))
	packedHome, packedVisitor := string(matchRecipe.PackTeamState(nil, home)), string(matchRecipe.PackTeamState(nil, visitor))
	var unpackedLeague LeagueState
	var unpackedHome, unpackedVisitor TeamState
	b.Run("states", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := errors.Join(matchRecipe.UnpackLeagueState(packedLeague, &unpackedLeague),
				matchRecipe.UnpackTeamState(packedHome, &unpackedHome), matchRecipe.UnpackTeamState(packedVisitor, &unpackedVisitor)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
