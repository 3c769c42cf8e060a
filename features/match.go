// Package features turns match history into feature vectors. One chronological pass is the only
// feature code there is: it writes the training set and it serves requests, so the two cannot
// drift. State is updated only after the vectors of a date are written. The package knows no odds,
// no models and no storage: it declares MatchStore and VectorStore, its children implement them.
package features

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Date is a calendar day, counted in days since 1970-01-01.
type Date int32

// DateOf returns the day of t in UTC.
func DateOf(t time.Time) Date {
	return Date(t.UTC().Truncate(24*time.Hour).Unix() / 86400)
}

// ParseDate reads YYYY-MM-DD.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("date %q: expected YYYY-MM-DD", s)
	}
	return DateOf(t), nil
}

// Time returns midnight UTC of the day.
func (d Date) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// String returns YYYY-MM-DD.
func (d Date) String() string { return d.Time().Format(time.DateOnly) }

// MarshalText and UnmarshalText write and read YYYY-MM-DD.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (d *Date) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDate(string(text))
	return err
}

// Status says how far a match has come.
type Status uint8

// The statuses of a match.
const (
	StatusUnknown Status = iota
	Scheduled
	Live
	Finished
	Postponed
	Cancelled
	Awarded
	Abandoned
)

var statusNames = [...]string{"unknown", "scheduled", "live", "finished", "postponed", "cancelled", "awarded", "abandoned"}

// String returns the status in lower case.
func (s Status) String() string {
	if int(s) >= len(statusNames) {
		return fmt.Sprintf("Status(%d)", uint8(s))
	}
	return statusNames[s]
}

// MarshalText writes String.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads String.
func (s *Status) UnmarshalText(text []byte) error {
	i := slices.Index(statusNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("status: expected one of %v, got %q", statusNames, text)
	}
	*s = Status(i)
	return nil
}

// Match is a fixture with, once it is Finished, its result. Home and Away are team ids.
type Match struct {
	ID          string    `json:"id"`          // see MatchID
	Competition string    `json:"competition"` // football-data.co.uk code: "E0", "D1", …
	Season      string    `json:"season"`      // "2024-25"
	Date        Date      `json:"date"`
	Kickoff     time.Time `json:"kickoff,omitzero"` // zero where only the date is known
	Home        string    `json:"home"`
	Away        string    `json:"away"`
	Status      Status    `json:"status"`
	// Illustrative marks a fixture that was made up for want of a real fixture list.
	Illustrative bool `json:"illustrative,omitempty"`

	// The score is valid when Finished, Awarded or Live.
	HomeGoals int16 `json:"home_goals"`
	AwayGoals int16 `json:"away_goals"`
	// Stats hold what is known of the play. A count that is not known is NoCount.
	HomeStats Stats `json:"home_stats"`
	AwayStats Stats `json:"away_stats"`
}

// NoCount stands for a count that the source does not give.
const NoCount int16 = -1

// Stats are one side's counts in a match; NoCount where unknown.
type Stats struct {
	HalfTimeGoals int16 `json:"half_time_goals"`
	Shots         int16 `json:"shots"`
	ShotsOnTarget int16 `json:"shots_on_target"`
	Corners       int16 `json:"corners"`
	RedCards      int16 `json:"red_cards"`
}

// Team is a club: country and name together identify it ("Heracles" plays in two countries).
type Team struct {
	ID          string   `json:"id"`          // "eng-arsenal"
	Name        string   `json:"name"`        // as the data files spell it: "Arsenal"
	Country     string   `json:"country"`     // "England"
	Competition string   `json:"competition"` // football-data code of the last competition it was seen in
	Aliases     []string `json:"aliases,omitempty"`
}

// Competition is a league.
type Competition struct {
	Code    string `json:"code"`    // football-data code: "E0"
	Name    string `json:"name"`    // "Premier League"
	Country string `json:"country"` // "England"
	Tier    int    `json:"tier"`    // 1 is the highest league of its country
	Season  string `json:"season"`  // the last season seen: "2024-25"
}

// Answers says whether query is a part of the team's name or of one of its aliases, whatever the
// capitals, accents and punctuation. An empty query fits every team.
func (t *Team) Answers(query string) bool {
	part := nameKey(query)
	if part == "" {
		return strings.TrimSpace(query) == ""
	}
	return strings.Contains(nameKey(t.Name), part) ||
		slices.ContainsFunc(t.Aliases, func(alias string) bool { return strings.Contains(nameKey(alias), part) })
}
