package features

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrOutOfOrder says that a match is not after everything that the replay has seen.
var ErrOutOfOrder = errors.New("match out of order")

// ErrSameTeam says that a match has one club on both sides.
var ErrSameTeam = errors.New("home and away are the same team")

// Played is a finished match with its clubs and its league.
type Played struct {
	*Match
	HomeTeam, AwayTeam *Team
	League             *Competition
	// Market is what bookmakers thought of it. It enters no vector of its own date, and later ones only
	// where the recipe learns from odds.
	Market Market
}

// Replay is the chronological pass over match history: it gives every match the vector that was
// known before it, and only then learns from it. What it keeps answers for fixtures to come. A
// Replay may be read by many goroutines (Vector, Teams, Leagues) as long as none calls Advance.
type Replay struct {
	recipe  *Recipe
	asOf    Date
	teams   map[string]*TeamState
	leagues map[string]*LeagueState
}

// NewReplay returns a replay of the recipe that has seen nothing.
func NewReplay(recipe *Recipe) *Replay {
	return &Replay{recipe: recipe, asOf: math.MinInt32, teams: map[string]*TeamState{}, leagues: map[string]*LeagueState{}}
}

// Recipe is what the replay's vectors and states are of.
func (r *Replay) Recipe() *Recipe { return r.recipe }

// AsOf is the day of the last match learned from.
func (r *Replay) AsOf() Date { return r.asOf }

// Team returns the state of a club, or nil. It must not be changed.
func (r *Replay) Team(id string) *TeamState { return r.teams[id] }

// League returns the state of a competition, or nil. It must not be changed.
func (r *Replay) League(code string) *LeagueState { return r.leagues[code] }

// Advance learns from matches, which may come in any order but must all be later than those
// learned from before. It calls visit, if not nil, for each in the order of date and id with the
// vector known before its date, valid only during the call. All matches of one date are visited
// before any of them is learned from, since kick-off times are missing or overlap. On an error
// nothing of the current and later dates has been learned.
func (r *Replay) Advance(matches []Played, visit func(*Played, *Vector) error) error {
	ordered := make([]*Played, len(matches))
	for i := range matches {
		ordered[i] = &matches[i]
	}
	slices.SortFunc(ordered, func(a, b *Played) int {
		return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.ID, b.ID))
	})
	vector := Vector{Values: make([]float32, len(r.recipe.Schema.Features))}
	for len(ordered) > 0 {
		date := ordered[0].Date
		n := 1
		for n < len(ordered) && ordered[n].Date == date {
			n++
		}
		if err := r.advanceDay(date, ordered[:n], &vector, visit); err != nil {
			return err
		}
		ordered = ordered[n:]
	}
	return nil
}

func (r *Replay) advanceDay(date Date, day []*Played, vector *Vector, visit func(*Played, *Vector) error) error {
	if date <= r.asOf {
		return fmt.Errorf("%w: %s is not after %s, the last date learned from", ErrOutOfOrder, day[0].ID, r.asOf)
	}
	for i, match := range day {
		if i > 0 && match.ID == day[i-1].ID {
			return fmt.Errorf("%w: %s comes twice", ErrOutOfOrder, match.ID)
		}
		if match.Home == match.Away {
			return fmt.Errorf("%s: %w: %q", match.ID, ErrSameTeam, match.Home)
		}
		if visit == nil {
			continue
		}
		r.before(match, vector)
		if err := visit(match, vector); err != nil {
			return err
		}
	}
	touched := map[*LeagueState]bool{}
	for _, match := range day {
		touched[r.learn(match)] = true
	}
	for league := range touched {
		r.settle(league)
	}
	r.asOf = date
	return nil
}

// before writes the vector known before the match. What was never seen is neutral.
func (r *Replay) before(match *Played, vector *Vector) {
	home, visitor, league := r.teams[match.Home], r.teams[match.Away], r.leagues[match.Competition]
	if home == nil {
		home = &TeamState{Team: *match.HomeTeam}
	}
	if visitor == nil {
		visitor = &TeamState{Team: *match.AwayTeam}
	}
	if league == nil {
		league = newLeagueState(*match.League, match.Season)
	}
	*vector = r.recipe.Compare(league, home, visitor, match.Season, match.Date, vector.Values)
}

// learn moves both sides' ratings, the table and the league's means by one match.
func (r *Replay) learn(match *Played) *LeagueState {
	league := r.leagues[match.Competition]
	if league == nil {
		league = newLeagueState(*match.League, match.Season)
		r.leagues[match.Competition] = league
	}
	home, visitor := r.enter(match.HomeTeam, league, match), r.enter(match.AwayTeam, league, match)
	rolled := match.Season > league.Competition.Season
	league.remember(match.Date, rolled)
	if rolled {
		league.roll(match.Season)
	}
	league.AsOf = match.Date

	game := league.result(match.Match)
	update(&home.Ratings, &visitor.Ratings, &game)
	if r.recipe.market {
		updateMarket(&home.Ratings, &visitor.Ratings, &league.Market, match.Market)
	}
	league.learn(&game)
	league.row(*match.HomeTeam).record(int(match.HomeGoals), int(match.AwayGoals))
	league.row(*match.AwayTeam).record(int(match.AwayGoals), int(match.HomeGoals))
	return league
}

// enter returns the club's spell in the league, brought to the season of the match.
func (r *Replay) enter(team *Team, league *LeagueState, match *Played) *Spell {
	state := r.teams[team.ID]
	if state == nil {
		state = &TeamState{Team: *team}
		r.teams[team.ID] = state
	}
	now := state.standing(league, match.Season, match.Date)
	season := max(match.Season, league.Competition.Season)
	return state.playIn(league.Competition, season, match.Date, now)
}

// settle brings order into a league after a date: its table, and what entrants to the season
// after this one would inherit.
func (r *Replay) settle(league *LeagueState) {
	slices.SortFunc(league.Table, compareRows)
	mean := func(rows []TableRow) (m ratings) {
		for _, row := range rows {
			spell := r.teams[row.Team.ID].spell(league.Competition.Code)
			for i, v := range spell.Ratings {
				m[i] += v / float64(len(rows))
			}
		}
		return m
	}
	n := min(constants.Newcomers, len(league.Table))
	league.NextEntrants = &Entrants{FromAbove: mean(league.Table[:n]), FromBelow: mean(league.Table[len(league.Table)-n:])}
}
