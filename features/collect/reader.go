package collect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"unicode"

	"footballprediction/features"
)

// reader gathers the rows of all files.
type reader struct {
	odds    bool
	buffer  []byte
	report  Report
	files   []string // match files
	leagues []league
	codes   map[string]int32 // to leagues
	teams   []features.Team
	ids     map[string]int32            // to teams
	clubs   map[clubKey]map[string]club // by spelling
	rows    []row
	prices  []Odds              // of all rows
	spelled map[int32][2]string // by row, as History.Spellings
}

// row is what a row tells of a match, without pointers, so that a quarter of a million are small
// and cost the garbage collector nothing.
type row struct {
	date                 features.Date
	season               int16 // the year in which it starts
	kickoff              int16 // minutes from midnight UTC, or noKickoff
	league               int32
	home, away           int32 // teams
	file, line           int32 // where it was read
	prices               int32 // the end of its prices, which start where those of the row before end
	homeGoals, awayGoals int16
	homeStats, awayStats features.Stats
	status               features.Status // StatusUnknown if it was set aside once the file was read
	openfootball         bool
}

type league struct {
	features.Competition
	country string // its code
}

// clubKey is what a spelling's meaning depends on.
type clubKey struct {
	country string
	season  int16
}

// club is what a spelling means.
type club struct {
	team    int32  // noTeam if it is no name
	renamed string // the spelling, where it is not the name that the club is kept under
}

const noTeam = -1

func newReader(odds bool) *reader {
	return &reader{
		odds: odds, buffer: make([]byte, longestLine), codes: map[string]int32{}, ids: map[string]int32{},
		clubs: map[clubKey]map[string]club{}, spelled: map[int32][2]string{},
	}
}

// fileReader reads one file.
type fileReader struct {
	*reader
	path   string
	lines  lines
	layout layout
	fields [numColumns][]byte
	first  int // its first row
	// named are the clubs of the league and season of the last row.
	named map[string]club
	key   clubKey
}

func (f *fileReader) readAll() error {
	line, err := f.nextLine()
	if errors.Is(err, io.EOF) {
		f.passOver(Empty, "no header")
		return nil
	}
	if err != nil && !errors.Is(err, errLineTooLong) {
		return err
	}
	line = bytes.TrimPrefix(line, []byte("\ufeff"))
	var ok bool
	if f.layout, ok = readHeader(line, f.odds); !ok {
		f.passOver(NoMatches, "header %s: expected Date, HomeTeam, AwayTeam, FTHG, FTAG or Date, Team 1, FT, Team 2", quote(line))
		return nil
	}
	if f.layout.competition = competitionOf(f.path); f.layout.competition == "" && !f.layout.known[division] {
		f.passOver(LeagueUnknown, "expected a column Div, a folder like premier-league or a name like eng.1.csv")
		return nil
	}
	f.report.Files++
	f.files = append(f.files, f.path)
	for {
		line, err := f.nextLine()
		switch {
		case errors.Is(err, io.EOF):
			f.setSeasons()
			f.setAwarded()
			return nil
		case errors.Is(err, errLineTooLong):
			f.report.Rows++
			f.setAside(LineTooLong, "expected at most %d bytes", longestLine)
		case err != nil:
			return err
		default:
			f.readRow(line)
		}
	}
}

// nextLine returns the next line that is not blank.
func (f *fileReader) nextLine() ([]byte, error) {
	for {
		line, err := f.lines.next()
		if err != nil || !blank(line) {
			return line, err
		}
	}
}

func (f *fileReader) readRow(line []byte) {
	f.layout.split(line, &f.fields)
	if isHeader(&f.fields) {
		if l, ok := readHeader(line, f.odds); ok {
			l.competition = f.layout.competition
			f.layout = l
			return
		}
	}
	f.report.Rows++
	m := row{status: features.Finished, file: int32(len(f.files) - 1), line: int32(f.lines.number)}
	var ok bool
	if m.date, ok = parseDate(f.fields[date]); !ok {
		f.setAside(DateUnknown, "Date: expected dd/mm/yy, dd/mm/yyyy or yyyy-mm-dd, got %s", quote(f.fields[date]))
		return
	}
	m.season = seasonOf(m.date)
	if m.league, ok = f.league(); !ok {
		f.setAside(DivisionUnknown, "Div: expected a code like E0, got %s", quote(f.fields[division]))
		return
	}
	homeClub, awayClub := f.club(&m, f.fields[home]), f.club(&m, f.fields[away])
	switch {
	case homeClub.team == noTeam || awayClub.team == noTeam:
		f.setAside(TeamUnknown, "expected two names, got %s and %s", quote(f.fields[home]), quote(f.fields[away]))
		return
	case homeClub.team == awayClub.team:
		f.setAside(SameTeamTwice, "expected two teams, got %s and %s", quote(f.fields[home]), quote(f.fields[away]))
		return
	}
	m.home, m.away = homeClub.team, awayClub.team
	if !f.goals(&m) {
		return
	}
	m.kickoff = kickoff(m.date, f.fields[clock])
	f.statistics(&m)
	if f.odds {
		f.readOdds()
	}
	m.prices = int32(len(f.prices))
	if homeClub.renamed != "" || awayClub.renamed != "" {
		f.spelled[int32(len(f.rows))] = [2]string{
			cmp.Or(homeClub.renamed, f.teams[m.home].Name), cmp.Or(awayClub.renamed, f.teams[m.away].Name),
		}
	}
	f.rows = append(f.rows, m)
}

// league returns the league of the row that is being read.
func (f *fileReader) league() (int32, bool) {
	code := f.layout.competition
	if f.layout.known[division] {
		if l, ok := f.codes[string(f.fields[division])]; ok {
			return l, true
		}
		var ok bool
		if code, ok = divisionCode(f.fields[division]); !ok {
			return 0, false
		}
	}
	l, ok := f.codes[code]
	if !ok {
		l = int32(len(f.leagues))
		competition := features.CompetitionOf(code)
		f.leagues = append(f.leagues, league{competition, features.CountryCode(competition.Country)})
		f.codes[code] = l
	}
	return l, true
}

// club returns what the spelling means in the row's league and season.
func (f *fileReader) club(m *row, spelling []byte) club {
	if key := (clubKey{f.leagues[m.league].country, m.season}); key != f.key || f.named == nil {
		f.key = key
		if f.named = f.clubs[key]; f.named == nil {
			f.named = map[string]club{}
			f.clubs[key] = f.named
		}
	}
	c, ok := f.named[string(spelling)]
	if !ok {
		c = f.newClub(m, text(spelling))
		f.named[string(spelling)] = c
	}
	return c
}

// longestTeamName is in bytes.
const longestTeamName = 80

func (r *reader) newClub(m *row, spelling string) club {
	letters := false
	for _, c := range spelling {
		if unicode.IsControl(c) || c == unicode.ReplacementChar {
			return club{team: noTeam}
		}
		letters = letters || unicode.IsLetter(c)
	}
	if !letters || len(spelling) > longestTeamName {
		return club{team: noTeam}
	}
	l := &r.leagues[m.league]
	name := features.ClubName(l.country, spelling, features.SeasonName(int(m.season)))
	id := features.TeamID(l.country, name)
	team, ok := r.ids[id]
	if !ok {
		team = int32(len(r.teams))
		r.ids[id] = team
		r.teams = append(r.teams, features.Team{
			ID: id, Name: name, Country: l.Country, Aliases: features.ClubAliases(l.country, name),
		})
	}
	if spelling == r.teams[team].Name {
		spelling = ""
	}
	return club{team, spelling}
}

func (f *fileReader) setAside(reason Reason, format string, args ...any) {
	f.report.SetAside.add(Problem{f.path, f.lines.number, reason, fmt.Sprintf(format, args...)})
}

func (f *fileReader) mend(reason Reason, format string, args ...any) {
	f.report.Mended.add(Problem{f.path, f.lines.number, reason, fmt.Sprintf(format, args...)})
}

func (f *fileReader) passOver(reason Reason, format string, args ...any) {
	f.report.PassedOver.add(Problem{File: f.path, Reason: reason, Detail: fmt.Sprintf(format, args...)})
}

// quote returns the beginning of a field for a report.
func quote(field []byte) string {
	const most = 40
	if len(field) > most {
		return fmt.Sprintf("%q…", field[:most])
	}
	return fmt.Sprintf("%q", field)
}
