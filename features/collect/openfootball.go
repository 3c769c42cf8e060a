package collect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"footballprediction/features"
)

const (
	// mostJSON bounds the bytes of a JSON file, and mostJSONMatches its matches: a season of the known
	// files takes 200 kB for 510.
	mostJSON        = 8 << 20
	mostJSONMatches = 10_000
)

// openfootballMatch is a match as openfootball writes it. A score without "ft" is none yet.
type openfootballMatch struct {
	Round string `json:"round"` // "Matchday 7"
	Date  string `json:"date"`  // YYYY-MM-DD
	Time  string `json:"time"`  // hh:mm, where it is played
	Team1 string `json:"team1"`
	Team2 string `json:"team2"`
	Score struct {
		FullTime []int `json:"ft"`
		HalfTime []int `json:"ht"`
	} `json:"score"`
	Status string `json:"status"`
}

// readJSON reads a file of openfootball: {"name": …, "matches": […]}, for a league that is known by
// name. Unlike CSV files, which name the clubs of this program's table, it may use any name: one that
// the table does not know is set aside, never guessed.
func (r *reader) readJSON(path string, content io.Reader) error {
	f := fileReader{reader: r, path: path, first: len(r.rows)}
	text, err := io.ReadAll(io.LimitReader(content, mostJSON+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > mostJSON {
		f.passOver(TooLarge, "expected at most %d bytes, got more", mostJSON)
		return nil
	}
	matches, err := splitMatches(bytes.TrimPrefix(text, []byte("\ufeff")))
	switch {
	case errors.Is(err, errNoMatches):
		f.passOver(NoMatches, "%v", err)
		return nil
	case err != nil:
		f.passOver(NotJSON, "%v", err)
		return nil
	}
	f.layout.competition = competitionOf(path)
	if !slices.ContainsFunc(features.Competitions(), func(c features.Competition) bool { return c.Code == f.layout.competition }) {
		f.passOver(LeagueUnknown, "expected the name of a known league like en.1.json")
		return nil
	}
	f.report.Files++
	f.files = append(f.files, path)
	rounds := map[int]int{} // rows to their rounds
	for _, raw := range matches {
		f.report.Rows++
		f.lines.number = raw.line
		var m openfootballMatch
		if err := json.Unmarshal(raw.text, &m); err != nil {
			f.setAside(NotAMatch, "%v", err)
			continue
		}
		if f.addMatch(&m) {
			rounds[len(f.rows)-1] = roundOf(m.Round)
		}
	}
	f.setSeasons()
	f.checkRounds(rounds)
	return nil
}

// rawMatch is the text of a match and the line on which it begins or the one before.
type rawMatch struct {
	text json.RawMessage
	line int
}

var errNoMatches = errors.New(`expected {"name": …, "matches": […]}`)

// splitMatches returns the elements of the list "matches".
func splitMatches(text []byte) ([]rawMatch, error) {
	in := json.NewDecoder(bytes.NewReader(text))
	if token, err := in.Token(); err != nil {
		return nil, err
	} else if token != json.Delim('{') {
		return nil, errNoMatches
	}
	var matches []rawMatch
	found := false
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if key != "matches" || found {
			if err := in.Decode(&value); err != nil {
				return nil, err
			}
			continue
		}
		found = true
		if token, err := in.Token(); err != nil {
			return nil, err
		} else if token != json.Delim('[') {
			return nil, errNoMatches
		}
		line, counted := 1, int64(0)
		for in.More() {
			if len(matches) == mostJSONMatches {
				return nil, fmt.Errorf("%w of at most %d", errNoMatches, mostJSONMatches)
			}
			if err := in.Decode(&value); err != nil {
				return nil, err
			}
			begin := in.InputOffset() - int64(len(value))
			line += bytes.Count(text[counted:begin], []byte("\n"))
			counted = begin
			matches = append(matches, rawMatch{bytes.Clone(value), line})
		}
		if _, err := in.Token(); err != nil { // the end of the list
			return nil, err
		}
	}
	if _, err := in.Token(); err != nil { // the end of the object
		return nil, err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("expected nothing behind the object")
	}
	if !found {
		return nil, errNoMatches
	}
	return matches, nil
}

// addMatch adds a row, or sets it aside and returns false.
func (f *fileReader) addMatch(from *openfootballMatch) bool {
	m := row{file: int32(len(f.files) - 1), line: int32(f.lines.number), homeStats: noStats, awayStats: noStats, openfootball: true}
	var ok bool
	if m.date, ok = parseDate([]byte(from.Date)); !ok || !isoDate(from.Date) {
		f.setAside(DateUnknown, "date: expected yyyy-mm-dd, got %s", quote([]byte(from.Date)))
		return false
	}
	m.season = seasonOf(m.date)
	if m.league, ok = f.league(); !ok { // it is one of features.Competitions
		return false
	}
	home, okHome := f.knownClub(&m, "team1", from.Team1)
	if !okHome {
		return false
	}
	away, okAway := f.knownClub(&m, "team2", from.Team2)
	if !okAway {
		return false
	}
	if home == away {
		f.setAside(SameTeamTwice, "expected two teams, got %s and %s", quote([]byte(from.Team1)), quote([]byte(from.Team2)))
		return false
	}
	m.home, m.away = home, away
	if !f.outcome(&m, from) {
		return false
	}
	if west, known := westOfContinent[f.leagues[m.league].country]; known {
		if m.kickoff = kickoff(m.date, []byte(from.Time)); m.kickoff != noKickoff {
			m.kickoff -= west
		}
	} else {
		m.kickoff = noKickoff
	}
	m.prices = int32(len(f.prices))
	f.rows = append(f.rows, m)
	return true
}

// westOfContinent is by how many minutes clocks are ahead of the United Kingdom's, by country. All
// change on the same night; Turkey's, which do not since 2016, are left out.
var westOfContinent = map[string]int16{
	"eng": 0, "sco": 0, "por": 0, "ger": 60, "ita": 60, "esp": 60, "fra": 60, "ned": 60, "bel": 60, "gre": 120,
}

// knownClub returns the club of a name that the table knows.
func (f *fileReader) knownClub(m *row, field, spelling string) (team int32, ok bool) {
	if len(spelling) <= longestTeamName {
		name, known := features.KnownClub(f.leagues[m.league].country, spelling, features.SeasonName(int(m.season)))
		if known {
			club := f.club(m, []byte(name))
			return club.team, club.team != noTeam
		}
	}
	f.setAside(ClubUnknown, "%s: expected a club of the table of names, got %s", field, quote([]byte(spelling)))
	return 0, false
}

func isoDate(date string) bool { return len(date) == len(time.DateOnly) && date[4] == '-' }

// outcome reads status and score. A match that was not played yet, also one that was put off, is
// scheduled.
func (f *fileReader) outcome(m *row, from *openfootballMatch) bool {
	scored := from.Score.FullTime != nil
	switch status := from.Status; {
	case status == "cancelled" || status == "abandoned" && !scored || status == "awarded" && !scored:
		f.setAside(WillNotBePlayed, "status: got %q", status)
		return false
	case status == "awarded" || status == "abandoned":
		m.status = features.Awarded
	case status != "" && status != "postponed" && status != "scheduled" && status != "finished":
		f.setAside(NotAMatch, "status: expected awarded, abandoned, cancelled, postponed or none, got %s", quote([]byte(status)))
		return false
	case !scored || status == "postponed":
		m.status = features.Scheduled
		return true
	default:
		m.status = features.Finished
	}
	var ok bool
	if m.homeGoals, m.awayGoals, ok = goalsOf(from.Score.FullTime); !ok {
		f.setAside(GoalsUnknown, "score.ft: expected two counts of at most %d, got %v", mostGoals, from.Score.FullTime)
		return false
	}
	h, a := &m.homeStats.HalfTimeGoals, &m.awayStats.HalfTimeGoals
	switch given := from.Score.HalfTime; {
	case m.homeGoals == 0 && m.awayGoals == 0:
		*h, *a = 0, 0 // never given for these, so that its absence would tell the score
	case given != nil:
		home, away, ok := goalsOf(given)
		if !ok || home > m.homeGoals || away > m.awayGoals {
			f.mend(HalfTimeWrong, "score.ht: expected two counts of at most %d and %d, got %v", m.homeGoals, m.awayGoals, given)
			break
		}
		*h, *a = home, away
	}
	return true
}

func goalsOf(given []int) (home, away int16, ok bool) {
	if len(given) != 2 || min(given[0], given[1]) < 0 || max(given[0], given[1]) > mostGoals {
		return 0, 0, false
	}
	return int16(given[0]), int16(given[1]), true
}

// roundOf returns the number of a round like "Matchday 7", or 0.
func roundOf(round string) int {
	number, ok := strings.CutPrefix(round, "Matchday ")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 {
		return 0
	}
	return n
}

// checkRounds sets aside matches of later rounds dated before the first: their year is wrong.
func (f *fileReader) checkRounds(rounds map[int]int) {
	var start features.Date
	for i, round := range rounds {
		if round == 1 && (start == 0 || f.rows[i].date < start) {
			start = f.rows[i].date
		}
	}
	for i := f.first; i < len(f.rows); i++ {
		m := &f.rows[i]
		if rounds[i] > 1 && start != 0 && m.date < start && m.status != features.StatusUnknown {
			m.status = features.StatusUnknown
			f.report.SetAside.add(Problem{f.path, int(m.line), WrongSeason,
				fmt.Sprintf("date: expected %s or later in round %d, got %s", start, rounds[i], m.date)})
		}
	}
}
