// Package store keeps matches, vectors and team states: in process, read from the released state, and
// in Redis with the process to fall back on.
package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"footballprediction/features"
)

// Memory is a MatchStore and a VectorStore in process. Vectors are computed from the team states
// when they are asked for. It is immutable and safe for concurrent use.
type Memory struct {
	replay  *features.Replay
	teams   *features.TeamIndex
	listed  []features.Team // by id
	tables  map[string]features.Table
	leagues []features.Competition // by code
	matches []features.Match       // by date and id
	byID    map[string]int
}

var (
	_ features.MatchStore  = (*Memory)(nil)
	_ features.VectorStore = (*Memory)(nil)
)

// NewMemory serves a state. Where it holds no fixture to come, illustrative ones are made up from
// the week after start.
func NewMemory(state State, start time.Time) (*Memory, error) {
	replay, err := features.Restore(state.Snapshot)
	if err != nil {
		return nil, err
	}
	m := &Memory{replay: replay, tables: map[string]features.Table{}, byID: map[string]int{}}
	for i := range state.Snapshot.Teams {
		m.listed = append(m.listed, state.Snapshot.Teams[i].Team)
	}
	slices.SortFunc(m.listed, func(a, b features.Team) int { return strings.Compare(a.ID, b.ID) })
	m.teams = features.NewTeamIndex(m.listed)
	var tables []features.Table
	for _, league := range state.Snapshot.Leagues {
		table := features.Table{Competition: league.Competition, Season: league.Competition.Season, AsOf: league.AsOf, Rows: league.Table}
		for i := range table.Rows {
			table.Rows[i].Team = replay.Team(table.Rows[i].Team.ID).Team
		}
		m.tables[league.Competition.Code] = table
		m.leagues = append(m.leagues, league.Competition)
		tables = append(tables, table)
	}
	m.matches = slices.Clone(state.Matches)
	if !slices.ContainsFunc(m.matches, func(f features.Match) bool { return f.Status == features.Scheduled }) {
		m.matches = append(m.matches, illustrative(tables, start)...)
	}
	slices.SortFunc(m.matches, compareMatches)
	for i, match := range m.matches {
		if _, twice := m.byID[match.ID]; twice || match.ID == "" {
			return nil, fmt.Errorf("matches: match %d: expected an id of its own, got %q", i, match.ID)
		}
		if replay.Team(match.Home) == nil || replay.Team(match.Away) == nil {
			return nil, fmt.Errorf("matches: match %q: expected two known teams, got %q and %q", match.ID, match.Home, match.Away)
		}
		m.byID[match.ID] = i
	}
	return m, nil
}

func compareMatches(a, b features.Match) int {
	return cmp.Or(cmp.Compare(a.Date, b.Date), strings.Compare(a.ID, b.ID))
}

// Recipe is what the state and all vectors are of.
func (m *Memory) Recipe() *features.Recipe { return m.replay.Recipe() }

// Vectors implements features.VectorStore.
func (m *Memory) Vectors(ctx context.Context, fixtures []features.Fixture, out []features.Vector) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range fixtures {
		m.vector(&fixtures[i], &out[i])
	}
	return nil
}

func (m *Memory) vector(f *features.Fixture, out *features.Vector) {
	*out = features.Vector{Values: out.Values[:0]}
	if f.MatchID != "" {
		i, known := m.byID[f.MatchID]
		switch {
		case !known:
			out.Err = fmt.Errorf("%w: %q", features.ErrMatchUnknown, f.MatchID)
			return
		case m.matches[i].Status != features.Scheduled:
			// A played match answers only from the vector made before it; none is released.
			out.Err = fmt.Errorf("%w: %q", features.ErrNotKept, f.MatchID)
			return
		}
	}
	compare(m.replay.Recipe(), m.replay.League(f.Competition), m.replay.Team(f.Home), m.replay.Team(f.Away), f, out)
}

// asOf returns the day of the latest match that a vector of the fixture's teams would have seen, or
// the day before all days where not all of them are known.
func (m *Memory) asOf(f *features.Fixture) features.Date {
	home, away, league := m.replay.Team(f.Home), m.replay.Team(f.Away), m.replay.League(f.Competition)
	if home == nil || away == nil || league == nil {
		return math.MinInt32
	}
	if known, kept := league.Before(f.Date); kept {
		league = known
	}
	return max(home.AsOf, away.AsOf, league.AsOf)
}

// compare answers a fixture from three states, of which any may be unknown (nil), into out.
func compare(recipe *features.Recipe, league *features.LeagueState, home, away *features.TeamState, f *features.Fixture, out *features.Vector) {
	switch {
	case home == nil:
		out.Err = fmt.Errorf("%w: %q", features.ErrTeamUnknown, f.Home)
		return
	case away == nil:
		out.Err = fmt.Errorf("%w: %q", features.ErrTeamUnknown, f.Away)
		return
	case league == nil:
		out.Err = fmt.Errorf("%w: %q", features.ErrCompetitionUnknown, f.Competition)
		return
	}
	known, kept := league.Before(f.Date)
	if last := max(home.AsOf, away.AsOf); f.Date <= last || !kept {
		if !kept {
			last = max(last, league.AsOf)
		}
		out.Err = fmt.Errorf("%w: expected a date after %s, to which results are known, got %s", features.ErrDateBeforeHistory, last, f.Date)
		return
	}
	season := f.Season
	if season == "" {
		season = features.SeasonOf(f.Date)
	}
	*out = recipe.Compare(known, home, away, season, f.Date, out.Values)
}

// Match implements features.MatchStore.
func (m *Memory) Match(_ context.Context, id string) (features.Match, error) {
	i, known := m.byID[id]
	if !known {
		return features.Match{}, fmt.Errorf("%w: %q", features.ErrMatchUnknown, id)
	}
	return m.matches[i], nil
}

// Matches implements features.MatchStore, in the order of date and id.
func (m *Memory) Matches(_ context.Context, q features.MatchQuery) (features.Page[features.Match], error) {
	start := 0
	if q.After != "" {
		date, id, _ := strings.Cut(q.After, "/")
		after, err := features.ParseDate(date)
		if err != nil || id == "" {
			return features.Page[features.Match]{}, fmt.Errorf("%w: %q", features.ErrPageUnknown, q.After)
		}
		key := features.Match{Date: after, ID: id}
		i, found := slices.BinarySearchFunc(m.matches, key, compareMatches)
		if start = i; found {
			start++
		}
	}
	var page features.Page[features.Match]
	for i := start; i < len(m.matches); i++ {
		match := &m.matches[i]
		if !q.Selects(match) {
			continue
		}
		if len(page.Items) == q.Limit {
			last := page.Items[len(page.Items)-1]
			page.Next = last.Date.String() + "/" + last.ID
			break
		}
		page.Items = append(page.Items, *match)
	}
	return page, nil
}

// Team implements features.MatchStore.
func (m *Memory) Team(_ context.Context, id string) (features.Team, error) {
	if state := m.replay.Team(id); state != nil {
		return state.Team, nil
	}
	return features.Team{}, fmt.Errorf("%w: %q", features.ErrTeamUnknown, id)
}

// FindTeam implements features.MatchStore.
func (m *Memory) FindTeam(_ context.Context, name, country string) (features.Team, error) {
	return m.teams.Find(name, country)
}

// Teams implements features.MatchStore, in the order of id. A competition selects the clubs of its
// last known season.
func (m *Memory) Teams(_ context.Context, q features.TeamQuery) (features.Page[features.Team], error) {
	var page features.Page[features.Team]
	for _, team := range m.listed {
		if team.ID <= q.After || q.Competition != "" && !m.playsIn(q.Competition, team.ID) || !team.Answers(q.Query) {
			continue
		}
		if len(page.Items) == q.Limit {
			page.Next = page.Items[len(page.Items)-1].ID
			break
		}
		page.Items = append(page.Items, team)
	}
	return page, nil
}

func (m *Memory) playsIn(competition, team string) bool {
	return slices.ContainsFunc(m.tables[competition].Rows, func(r features.TableRow) bool { return r.Team.ID == team })
}

// Competition implements features.MatchStore.
func (m *Memory) Competition(_ context.Context, code string) (features.Competition, error) {
	table, err := m.Table(context.Background(), code)
	return table.Competition, err
}

// Competitions implements features.MatchStore, in the order of code.
func (m *Memory) Competitions(context.Context) ([]features.Competition, error) {
	return slices.Clone(m.leagues), nil
}

// Table implements features.MatchStore.
func (m *Memory) Table(_ context.Context, competition string) (features.Table, error) {
	table, known := m.tables[competition]
	if !known {
		return features.Table{}, fmt.Errorf("%w: %q", features.ErrCompetitionUnknown, competition)
	}
	return table, nil
}
