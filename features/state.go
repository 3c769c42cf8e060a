package features

import (
	"math"
	"slices"
	"strings"
)

// TeamState is all that is kept of one club. It is a value that a store may hold: equal histories
// give equal states, bit by bit.
type TeamState struct {
	Team Team `json:"team"`
	// AsOf is the day of its last match, in whatever competition.
	AsOf Date `json:"as_of"`
	// Spells are its ratings by competition, the most recently played last. Each competition keeps
	// its own, so that what is known of one league never depends on which others were read.
	Spells []Spell `json:"spells"`
}

// Spell is how a club stands in one competition.
type Spell struct {
	Competition string  `json:"competition"`
	Tier        int     `json:"tier"`
	Season      string  `json:"season"`             // of its last match there
	AsOf        Date    `json:"as_of"`              // its last match there
	Newcomer    bool    `json:"newcomer,omitempty"` // in Season it had not been there the season before
	Ratings     ratings `json:"ratings"`
}

// spell returns the club's spell in the competition, or nil.
func (t *TeamState) spell(competition string) *Spell {
	for i := range t.Spells {
		if t.Spells[i].Competition == competition {
			return &t.Spells[i]
		}
	}
	return nil
}

// playIn records that the club played in the league with the given standing, and returns its
// spell there, which becomes its last one.
func (t *TeamState) playIn(league Competition, season string, date Date, now standing) *Spell {
	t.AsOf = date
	t.Team.Competition = league.Code
	i := slices.IndexFunc(t.Spells, func(s Spell) bool { return s.Competition == league.Code })
	if i >= 0 {
		t.Spells = slices.Delete(t.Spells, i, i+1)
	}
	t.Spells = append(t.Spells, Spell{
		Competition: league.Code, Tier: league.Tier, Season: season, AsOf: date,
		Newcomer: now.newcomer, Ratings: now.ratings,
	})
	return &t.Spells[len(t.Spells)-1]
}

// LeagueState is what is kept of one competition beside its clubs.
type LeagueState struct {
	Competition Competition `json:"competition"` // Season is the last one seen
	AsOf        Date        `json:"as_of"`
	// Table holds the clubs seen in that season, best first.
	Table []TableRow `json:"table"`
	// Previous is the season before the last one seen; empty if there was none.
	Previous string     `json:"previous,omitempty"`
	Means    countMeans `json:"means"` // running mean of each count, by venue
	// Market is what the odds of past matches tell; only some recipes learn it.
	Market leagueMarket `json:"market,omitzero"`
	// Earlier are the means before the last season and before the last date, in this order, for fixtures
	// on a day on which others of the league have been played. A league without them answers none.
	Earlier []earlierMeans `json:"earlier,omitempty"`
	// What clubs new to the last season, and to the one after it, start from. Nil in a league's
	// first season.
	Entrants     *Entrants `json:"entrants,omitempty"`
	NextEntrants *Entrants `json:"next_entrants,omitempty"`
}

// Entrants are the ratings that clubs new to a league start from: the mean of the clubs at the foot
// of the table before for those that come from below, at its head for those that come from above.
type Entrants struct {
	FromBelow ratings `json:"from_below"`
	FromAbove ratings `json:"from_above"`
}

func newLeagueState(competition Competition, season string) *LeagueState {
	competition.Season = season
	return &LeagueState{Competition: competition, Means: constants.StartMeans}
}

// earlierMeans are a league's means as of an earlier day.
type earlierMeans struct {
	AsOf   Date         `json:"as_of"`
	Means  countMeans   `json:"means"`
	Market leagueMarket `json:"market,omitzero"`
}

// mostEarlier is how many earlier means are kept.
const mostEarlier = 2

// remember keeps the means for Earlier when a match is about to be learned from; rolled says that its
// season is a new one.
func (l *LeagueState) remember(date Date, rolled bool) {
	if len(l.Earlier) > 0 && date == l.AsOf {
		if rolled {
			l.Earlier = l.Earlier[len(l.Earlier)-1:]
		}
		return
	}
	start := min(len(l.Earlier), mostEarlier-1)
	if rolled {
		start = 0
	}
	l.Earlier = append(l.Earlier[:start], earlierMeans{l.AsOf, l.Means, l.Market})
}

// Before returns what was known of the league before the day, as far as a vector sees it: l itself where
// all of it was. It returns false where that is not kept, as before the last season.
func (l *LeagueState) Before(date Date) (*LeagueState, bool) {
	if date > l.AsOf {
		return l, true
	}
	for _, earlier := range slices.Backward(l.Earlier) {
		if earlier.AsOf < date {
			past := *l
			past.AsOf, past.Means, past.Market = earlier.AsOf, earlier.Means, earlier.Market
			past.NextEntrants = nil // the table of the day has gone into them
			return &past, true
		}
	}
	return nil, false
}

// roll begins a new season.
func (l *LeagueState) roll(season string) {
	l.Previous, l.Competition.Season = l.Competition.Season, season
	l.Table = nil
	l.Entrants = l.NextEntrants
}

// result puts a match into the units of the ratings.
func (l *LeagueState) result(m *Match) result {
	known := func(count int16) float64 {
		if count == NoCount {
			return math.NaN()
		}
		return float64(count)
	}
	win := func(scored, conceded int16) float64 {
		switch {
		case scored > conceded:
			return 3
		case scored == conceded:
			return 1
		}
		return 0
	}
	g := result{means: l.Means}
	g.counts[goals] = [2]float64{float64(m.HomeGoals), float64(m.AwayGoals)}
	g.counts[shotsOnTarget] = [2]float64{known(m.HomeStats.ShotsOnTarget), known(m.AwayStats.ShotsOnTarget)}
	g.counts[shots] = [2]float64{known(m.HomeStats.Shots), known(m.AwayStats.Shots)}
	g.counts[corners] = [2]float64{known(m.HomeStats.Corners), known(m.AwayStats.Corners)}
	g.counts[points] = [2]float64{win(m.HomeGoals, m.AwayGoals), win(m.AwayGoals, m.HomeGoals)}
	return g
}

// learn moves the league's running means by one match.
func (l *LeagueState) learn(g *result) {
	for count := range l.Means {
		for venue, seen := range g.counts[count] {
			if !math.IsNaN(seen) {
				l.Means[count][venue] += constants.LeagueRate * (seen - l.Means[count][venue])
			}
		}
	}
}

// row returns the club's row in the table, which is appended if it has none.
func (l *LeagueState) row(team Team) *TableRow {
	i := slices.IndexFunc(l.Table, func(r TableRow) bool { return r.Team.ID == team.ID })
	if i < 0 {
		l.Table = append(l.Table, TableRow{Team: team})
		i = len(l.Table) - 1
	}
	return &l.Table[i]
}

// record adds one side's result to its row.
func (r *TableRow) record(scored, conceded int) {
	r.Played++
	r.GoalsFor += scored
	r.GoalsAgainst += conceded
	switch {
	case scored > conceded:
		r.Won++
		r.Points += 3
	case scored == conceded:
		r.Drawn++
		r.Points++
	default:
		r.Lost++
	}
}

// compareRows orders a table: points, goal difference, goals scored, then id so that the order is total.
func compareRows(a, b TableRow) int {
	if a.Points != b.Points {
		return b.Points - a.Points
	}
	if a, b := a.GoalsFor-a.GoalsAgainst, b.GoalsFor-b.GoalsAgainst; a != b {
		return b - a
	}
	if a.GoalsFor != b.GoalsFor {
		return b.GoalsFor - a.GoalsFor
	}
	return strings.Compare(a.Team.ID, b.Team.ID)
}

// standing is one side of a fixture, ready to be compared.
type standing struct {
	ratings  ratings
	newcomer bool
	rest     float64 // days since its last match, between the recipe's bounds
	country  string  // whose league the ratings come from
}

// standing is stand into a new value.
func (t *TeamState) standing(league *LeagueState, season string, date Date) (s standing) {
	t.stand(&s, league, season, date)
	return s
}

// stand resolves how the club stands in the league at the start of a fixture: with its own
// ratings if it is there or was there the season before, with those that newcomers inherit
// otherwise, and with its own ones from elsewhere if it belongs to another country.
func (t *TeamState) stand(s *standing, league *LeagueState, season string, date Date) {
	s.rest = min(max(float64(date-t.AsOf), constants.RestMin), constants.RestMax)
	s.country, s.newcomer = league.Competition.Country, false
	last := league.Competition.Season
	own := t.spell(league.Competition.Code)
	switch {
	case own != nil && own.Season == last && season <= last:
		s.ratings, s.newcomer = own.Ratings, own.Newcomer
	case own != nil && (own.Season == last || own.Season == league.Previous && season <= last):
		s.ratings = own.Ratings.carried()
	case len(t.Spells) > 0 && t.Team.Country != league.Competition.Country:
		s.ratings, s.country = t.Spells[len(t.Spells)-1].Ratings, t.Team.Country
	default:
		s.ratings, s.newcomer = t.entry(league, season), true
	}
}

// entry returns the ratings with which the club enters the league.
func (t *TeamState) entry(league *LeagueState, season string) ratings {
	pool := league.Entrants
	if season > league.Competition.Season {
		pool = league.NextEntrants
	}
	if pool == nil {
		return neutral()
	}
	if n := len(t.Spells); n > 0 && t.Spells[n-1].Tier < league.Competition.Tier {
		return pool.FromAbove
	}
	return pool.FromBelow
}
