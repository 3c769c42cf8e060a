package features

import (
	"fmt"
	"maps"
	"slices"
)

// Snapshot is everything that a Replay keeps, as values that a store may hold. A replay restored
// from it goes on bit by bit as the one that it was taken from.
type Snapshot struct {
	// SchemaHash is that of the recipe that made it; no other may read it.
	SchemaHash string        `json:"schema_hash"`
	AsOf       Date          `json:"as_of"`
	Teams      []TeamState   `json:"teams"`   // by id
	Leagues    []LeagueState `json:"leagues"` // by code
}

// Snapshot returns what the replay keeps. It shares memory with the replay and is valid until the
// next Advance.
func (r *Replay) Snapshot() Snapshot {
	s := Snapshot{SchemaHash: r.recipe.Schema.Hash, AsOf: r.asOf}
	for _, id := range slices.Sorted(maps.Keys(r.teams)) {
		s.Teams = append(s.Teams, *r.teams[id])
	}
	for _, code := range slices.Sorted(maps.Keys(r.leagues)) {
		s.Leagues = append(s.Leagues, *r.leagues[code])
	}
	return s
}

// Restore returns a replay that goes on where the snapshot was taken. It takes the snapshot over.
func Restore(s Snapshot) (*Replay, error) {
	recipe, err := RecipeOfSchema(s.SchemaHash)
	if err != nil {
		return nil, fmt.Errorf("team states: %w", err)
	}
	r := NewReplay(recipe)
	r.asOf = s.AsOf
	for i := range s.Teams {
		team := &s.Teams[i]
		if team.Team.ID == "" || r.teams[team.Team.ID] != nil {
			return nil, fmt.Errorf("team states: team %d: expected an id of its own, got %q", i, team.Team.ID)
		}
		if len(team.Spells) == 0 {
			return nil, fmt.Errorf("team states: team %q: expected at least one spell, got none", team.Team.ID)
		}
		r.teams[team.Team.ID] = team
	}
	for i := range s.Leagues {
		league := &s.Leagues[i]
		if league.Competition.Code == "" || r.leagues[league.Competition.Code] != nil {
			return nil, fmt.Errorf("team states: league %d: expected a code of its own, got %q", i, league.Competition.Code)
		}
		for _, row := range league.Table {
			if team := r.teams[row.Team.ID]; team == nil || team.spell(league.Competition.Code) == nil {
				return nil, fmt.Errorf("team states: league %q: expected the state of %q, got none", league.Competition.Code, row.Team.ID)
			}
		}
		r.leagues[league.Competition.Code] = league
	}
	return r, nil
}
