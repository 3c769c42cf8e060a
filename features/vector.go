package features

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Errors of lookups, told apart with errors.Is.
var (
	// ErrMatchUnknown: no match of that id is stored.
	ErrMatchUnknown = errors.New("match unknown")
	// ErrTeamUnknown: no team of that id is known.
	ErrTeamUnknown = errors.New("team unknown")
	// ErrCompetitionUnknown: no competition of that code is known.
	ErrCompetitionUnknown = errors.New("competition unknown")
	// ErrDateBeforeHistory: the fixture's date is not after both teams' states.
	ErrDateBeforeHistory = errors.New("date not after the teams' states")
	// ErrPageUnknown: the key that a query should continue behind is none that was handed out.
	ErrPageUnknown = errors.New("page unknown")
	// ErrNotKept: the match is finished and the vector made before it was not kept.
	ErrNotKept = errors.New("features not kept")
)

// Fixture asks for the vector of a match that has not been played: a stored match (MatchID set,
// the other fields as stored) or any pairing of two known teams (MatchID empty).
type Fixture struct {
	MatchID     string
	Competition string
	Season      string // empty: SeasonOf(Date)
	Home, Away  string // team ids
	Date        Date
}

// Vector is the features of one fixture.
type Vector struct {
	// Values has one float32 per feature of the schema, in its order; none is NaN or infinite.
	Values []float32
	// AsOf is the day of the latest match that any value may have seen.
	AsOf Date
	// Unlinked is true where the teams' ratings were never compared by a chain of matches (two
	// countries), so that their difference says little.
	Unlinked bool
	// Degraded names why a worse way than the usual one had to be taken; empty otherwise.
	Degraded string
	// Detail says it to a person.
	Detail string
	// Err is why there is no vector; Values is then undefined.
	Err error
}

// VectorStore answers with feature vectors. Implementations are safe for concurrent use.
type VectorStore interface {
	// Vectors writes the vector of fixtures[i] into out[i], reusing the capacity of its Values;
	// len(out) equals len(fixtures). It makes at most one round trip however many are asked for.
	// What concerns a single fixture is out[i].Err; an error returned concerns all.
	Vectors(ctx context.Context, fixtures []Fixture, out []Vector) error
}

// MatchQuery selects matches; zero fields select all.
type MatchQuery struct {
	Competition string
	TeamID      string
	From, To    Date // inclusive; zero: open
	Statuses    []Status
	// After continues behind the match with this key (see Page); Limit bounds the answer (> 0).
	After string
	Limit int
}

// Selects says whether the query, its page apart, selects the match.
func (q *MatchQuery) Selects(m *Match) bool {
	return (q.Competition == "" || m.Competition == q.Competition) &&
		(q.TeamID == "" || m.Home == q.TeamID || m.Away == q.TeamID) &&
		(q.From == 0 || m.Date >= q.From) && (q.To == 0 || m.Date <= q.To) &&
		(len(q.Statuses) == 0 || slices.Contains(q.Statuses, m.Status))
}

// TeamQuery selects teams; zero fields select all. Query matches names forgivingly.
type TeamQuery struct {
	Competition string
	Query       string
	After       string
	Limit       int
}

// Page is one page of an answer. Next continues it; empty at the end.
type Page[T any] struct {
	Items []T
	Next  string
}

// TableRow is one club's line in a league table.
type TableRow struct {
	Team         Team `json:"team"`
	Played       int  `json:"played"`
	Won          int  `json:"won"`
	Drawn        int  `json:"drawn"`
	Lost         int  `json:"lost"`
	GoalsFor     int  `json:"goals_for"`
	GoalsAgainst int  `json:"goals_against"`
	Points       int  `json:"points"`
}

// Table is a league's table in its latest season, best first.
type Table struct {
	Competition Competition
	Season      string
	AsOf        Date
	Rows        []TableRow
}

// MatchStore answers what is known of matches, teams and competitions. Implementations are safe
// for concurrent use.
type MatchStore interface {
	Match(ctx context.Context, id string) (Match, error) // ErrMatchUnknown
	Matches(ctx context.Context, q MatchQuery) (Page[Match], error)
	Team(ctx context.Context, id string) (Team, error) // ErrTeamUnknown
	// FindTeam resolves an id, name or alias forgivingly (case, accents, punctuation). country
	// narrows the search where it is not empty. The error is a *TeamUnknownError.
	FindTeam(ctx context.Context, name, country string) (Team, error)
	Teams(ctx context.Context, q TeamQuery) (Page[Team], error)
	Competition(ctx context.Context, code string) (Competition, error) // ErrCompetitionUnknown
	Competitions(ctx context.Context) ([]Competition, error)
	Table(ctx context.Context, competition string) (Table, error) // ErrCompetitionUnknown
}

// TeamUnknownError says which name was not found and which known ones are nearest to it.
type TeamUnknownError struct {
	Name        string
	Suggestions []Team // nearest first, at most three
}

// Error names the team and the suggestions.
func (e *TeamUnknownError) Error() string {
	var text strings.Builder
	text.WriteString("unknown team " + strconv.Quote(e.Name))
	abroad := slices.ContainsFunc(e.Suggestions, func(t Team) bool { return t.Country != e.Suggestions[0].Country })
	for i, team := range e.Suggestions {
		if i == 0 {
			text.WriteString("; did you mean ")
		} else {
			text.WriteString(" or ")
		}
		text.WriteString(strconv.Quote(team.Name))
		if abroad {
			text.WriteString(" (" + team.Country + ")")
		}
	}
	return text.String()
}

// Unwrap makes errors.Is(err, ErrTeamUnknown) hold.
func (e *TeamUnknownError) Unwrap() error { return ErrTeamUnknown }
