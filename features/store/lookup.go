package store

import (
	"errors"
	"fmt"

	"github.com/redis/rueidis"

	"footballprediction/features"
)

// keys are the beginnings of the keys in Redis. They name the schema, so that programs of two schemas
// may share one Redis.
type keys struct {
	matches, teams, leagues string
	// asOf is a whole key, written last, with the day of the last match that the rest has seen.
	asOf string
}

func keysOf(recipe *features.Recipe) keys {
	prefix := "footballprediction:" + recipe.Schema.Hash[:16] + ":"
	return keys{matches: prefix + "match:", teams: prefix + "team:", leagues: prefix + "league:", asOf: prefix + "as_of"}
}

// A lookup is one round trip: the keys of what some fixtures need, each once, and what the values
// mean. A stored match needs its vector, any other pairing the states of its teams and league. The
// memory is used again by the next lookup.
type lookup struct {
	recipe  *features.Recipe
	begin   keys
	text    []byte // the keys, end to end
	ends    []int
	keys    []string
	needs   []need // by fixture
	teams   states[features.TeamState]
	leagues states[features.LeagueState]
}

// need is what answers a fixture: the key of its vector, or else the places of its states.
type need struct {
	stored             bool
	vector             int
	home, away, league int
}

func newLookup(recipe *features.Recipe) *lookup {
	return &lookup{
		recipe: recipe, begin: keysOf(recipe),
		teams: states[features.TeamState]{
			places: map[string]int{}, unpack: recipe.UnpackTeamState,
			id: func(t *features.TeamState) string { return t.Team.ID },
		},
		leagues: states[features.LeagueState]{
			places: map[string]int{}, unpack: recipe.UnpackLeagueState,
			id: func(l *features.LeagueState) string { return l.Competition.Code },
		},
	}
}

// ask begins a lookup and returns its keys, valid until the next.
func (l *lookup) ask(fixtures []features.Fixture) []string {
	l.text, l.ends, l.keys, l.needs = l.text[:0], l.ends[:0], l.keys[:0], l.needs[:0]
	l.teams.clear()
	l.leagues.clear()
	for i := range fixtures {
		f := &fixtures[i]
		if f.MatchID != "" {
			l.needs = append(l.needs, need{stored: true, vector: l.key(l.begin.matches, f.MatchID)})
			continue
		}
		l.needs = append(l.needs, need{home: l.team(f.Home), away: l.team(f.Away), league: l.league(f.Competition)})
	}
	all, start := string(l.text), 0
	for _, end := range l.ends {
		l.keys = append(l.keys, all[start:end])
		start = end
	}
	return l.keys
}

// key adds a key and returns its place.
func (l *lookup) key(prefix, id string) int {
	l.text = append(append(l.text, prefix...), id...)
	l.ends = append(l.ends, len(l.text))
	return len(l.ends) - 1
}

func (l *lookup) team(id string) int {
	place, known := l.teams.places[id]
	if !known {
		place = l.teams.add(id, l.key(l.begin.teams, id))
	}
	return place
}

func (l *lookup) league(code string) int {
	place, known := l.leagues.places[code]
	if !known {
		place = l.leagues.add(code, l.key(l.begin.leagues, code))
	}
	return place
}

// answer answers fixture i from the values of the keys. It returns false where they are not all
// there and sound, or where the vector has seen the day of the match; out is then undefined.
func (l *lookup) answer(i int, f *features.Fixture, values []rueidis.RedisMessage, out *features.Vector, counts *valueCounts) bool {
	n := &l.needs[i]
	if n.stored {
		err := read(values[n.vector], func(packed string, into *features.Vector) error {
			return l.recipe.UnpackVector(packed, f.MatchID, into)
		}, out)
		if err == nil && out.AsOf >= f.Date {
			err = fmt.Errorf("%w: as of %s", features.ErrCorrupt, out.AsOf)
		}
		return counts.usable(err)
	}
	home, away := l.teams.get(n.home, values, counts), l.teams.get(n.away, values, counts)
	league := l.leagues.get(n.league, values, counts)
	if home == nil || away == nil || league == nil {
		return false
	}
	*out = features.Vector{Values: out.Values[:0]}
	compare(l.recipe, league, home, away, f, out)
	return true
}

// states are unpacked when first used, then shared by the fixtures of the lookup.
type states[T any] struct {
	unpack func(packed string, into *T) error
	id     func(*T) string
	places map[string]int
	slots  []slot[T]
}

type slot[T any] struct {
	id           string
	key          int
	read, usable bool
	state        T
}

func (s *states[T]) clear() {
	clear(s.places)
	s.slots = s.slots[:0]
}

// add gives id a slot, with the memory of an earlier state, and returns its place.
func (s *states[T]) add(id string, key int) int {
	place := len(s.slots)
	if place < cap(s.slots) {
		s.slots = s.slots[:place+1]
	} else {
		s.slots = append(s.slots, slot[T]{})
	}
	slot := &s.slots[place]
	slot.id, slot.key, slot.read = id, key, false
	s.places[id] = place
	return place
}

// get returns the state at a place, or nil where Redis has none that can be used.
func (s *states[T]) get(place int, values []rueidis.RedisMessage, counts *valueCounts) *T {
	slot := &s.slots[place]
	if !slot.read {
		err := read(values[slot.key], s.unpack, &slot.state)
		if err == nil && s.id(&slot.state) != slot.id {
			err = fmt.Errorf("%w: expected the state of %q, got that of %q", features.ErrCorrupt, slot.id, s.id(&slot.state))
		}
		slot.read, slot.usable = true, counts.usable(err)
	}
	if !slot.usable {
		return nil
	}
	return &slot.state
}

var errMissing = errors.New("no value")

func read[T any](value rueidis.RedisMessage, unpack func(string, *T) error, into *T) error {
	if value.IsNil() {
		return errMissing
	}
	packed, err := value.ToString()
	if err != nil {
		return fmt.Errorf("%w: %w", features.ErrCorrupt, err)
	}
	return unpack(packed, into)
}
