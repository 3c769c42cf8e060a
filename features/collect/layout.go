package collect

import (
	"bytes"
	"path/filepath"
	"strings"

	"footballprediction/features"
)

// column is what a column of a file means.
type column uint8

const (
	division column = iota
	date
	clock
	home
	away
	homeGoals
	awayGoals
	result
	fullTime // "3-1", in place of homeGoals and awayGoals
	halfTime // "1-0", in place of the two below
	homeHalfTime
	awayHalfTime
	homeShots
	awayShots
	homeTarget
	awayTarget
	homeCorners
	awayCorners
	homeReds
	awayReds
	firstOdds  // of each of bookmakers: home, draw, away, over and under 2.5 goals
	numColumns = firstOdds + oddsColumns*column(len(bookmakers))
)

const oddsColumns = 5

// bookmakers are those whose odds are read, by the prefix of their columns, and of those for goals
// where it is another.
var bookmakers = [...]struct {
	Odds
	goals string
}{
	{Odds{Bookmaker: "B365"}, "B365"}, {Odds{Bookmaker: "B365C", Closing: true}, "B365C"},
	{Odds{Bookmaker: "PS"}, "P"}, {Odds{Bookmaker: "PSC", Closing: true}, "PC"},
	{Odds{Bookmaker: "BbAv"}, "BbAv"}, {Odds{Bookmaker: "Avg"}, "Avg"}, {Odds{Bookmaker: "AvgC", Closing: true}, "AvgC"},
}

// columnNames are the headers in lower case.
var columnNames = func() map[string]column {
	names := map[string]column{
		"div": division, "date": date, "time": clock, "hometeam": home, "awayteam": away,
		"fthg": homeGoals, "ftag": awayGoals, "ftr": result, "hthg": homeHalfTime, "htag": awayHalfTime,
		"hs": homeShots, "as": awayShots, "hst": homeTarget, "ast": awayTarget,
		"hc": homeCorners, "ac": awayCorners, "hr": homeReds, "ar": awayReds,
		"team 1": home, "team 2": away, "ft": fullTime,
	}
	for i, b := range bookmakers {
		for j, suffix := range [oddsColumns]string{"h", "d", "a", ">2.5", "<2.5"} {
			prefix := b.Bookmaker
			if j >= 3 {
				prefix = b.goals
			}
			names[strings.ToLower(prefix)+suffix] = firstOdds + column(oddsColumns*i+j)
		}
	}
	return names
}()

// layout says where in a row the columns are.
type layout struct {
	columns []column // numColumns for those that are not read; none behind the last that is
	known   [numColumns]bool
	// competition is the league of the whole file, where the rows do not name theirs.
	competition string
}

// readHeader recognises the columns. ok is false where they are not those of matches.
func readHeader(row []byte, odds bool) (l layout, ok bool) {
	names := []string{}
	for more := true; more; {
		var field []byte
		field, row, more = cut(row)
		names = append(names, strings.ToLower(text(trim(field))))
	}
	for _, name := range names {
		l.add(name, odds)
	}
	// Greek files of 2000 to 2005 call the teams' columns HT and AT; in the footballcsv layout HT
	// is the half time.
	for i, name := range names {
		switch {
		case name == "ht" && l.known[fullTime]:
			l.set(i, halfTime)
		case name == "ht":
			l.set(i, home)
		case name == "at":
			l.set(i, away)
		}
	}
	for len(l.columns) > 0 && l.columns[len(l.columns)-1] == numColumns {
		l.columns = l.columns[:len(l.columns)-1]
	}
	scored := l.known[homeGoals] && l.known[awayGoals] || l.known[fullTime]
	return l, l.known[date] && l.known[home] && l.known[away] && scored
}

// add appends a column. Of two with one name the first counts.
func (l *layout) add(name string, odds bool) {
	l.columns = append(l.columns, numColumns)
	if c, ok := columnNames[name]; ok && (odds || c < firstOdds) {
		l.set(len(l.columns)-1, c)
	}
}

func (l *layout) set(i int, c column) {
	if !l.known[c] {
		l.columns[i] = c
		l.known[c] = true
	}
}

// split puts the fields of a row where their columns say. Rows may be shorter than the header,
// whose last columns are then empty, or longer.
func (l *layout) split(row []byte, fields *[numColumns][]byte) {
	clear(fields[:])
	for _, c := range l.columns {
		field, rest, more := cut(row)
		if c < numColumns {
			fields[c] = trim(field)
		}
		if !more {
			return
		}
		row = rest
	}
}

// isHeader reports whether a row is a header within a file, as where seasons were joined.
func isHeader(fields *[numColumns][]byte) bool { return bytes.EqualFold(fields[date], []byte("date")) }

// pddlLeagues are the folders of the PDDL layout.
var pddlLeagues = map[string]string{
	"premier-league": "E0", "la-liga": "SP1", "serie-a": "I1", "bundesliga": "D1", "ligue-1": "F1",
}

// footballcsvCountries are the prefixes of codes by those of files in the footballcsv and openfootball
// layouts.
var footballcsvCountries = map[string]string{
	"eng": "E", "en": "E", "sco": "SC", "de": "D", "it": "I", "es": "SP", "fr": "F", "nl": "N", "be": "B", "pt": "P", "tr": "T", "gr": "G",
}

// competitionOf returns the league that a file is named for: its folder as in the PDDL layout
// ("premier-league"), or the file itself, as in the footballcsv layout ("eng.1") or by the code
// ("E0"). It is empty where neither names one.
func competitionOf(path string) string {
	stem := strings.ToLower(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	if code, ok := pddlLeagues[features.Slug(filepath.Base(filepath.Dir(path)))]; ok {
		return code
	}
	if country, tier, ok := strings.Cut(stem, "."); ok {
		if len(tier) != 1 || tier[0] < '1' || tier[0] > '9' {
			return ""
		}
		switch code, known := footballcsvCountries[country]; {
		case !known:
			code, _ := divisionCode([]byte(country + tier))
			return code
		case code == "E" && tier == "5":
			return "EC"
		case code == "E" || code == "SC": // football-data.co.uk numbers them from 0
			return code + string(tier[0]-1)
		default:
			return code + tier
		}
	}
	for _, league := range features.Competitions() {
		if strings.EqualFold(stem, league.Code) {
			return league.Code
		}
	}
	return ""
}

// divisionCode reads a competition's code.
func divisionCode(b []byte) (string, bool) {
	if len(b) == 0 || len(b) > 8 {
		return "", false
	}
	for _, c := range b {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", false
		}
	}
	return strings.ToUpper(string(b)), true
}
