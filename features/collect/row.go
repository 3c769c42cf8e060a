package collect

import (
	"bytes"
	"strings"

	"footballprediction/features"
)

// goals reads the score; false where the row is set aside.
func (f *fileReader) goals(m *row) bool {
	var ok bool
	if f.layout.known[fullTime] {
		given := f.fields[fullTime]
		if len(given) == 0 || string(given) == "?" {
			f.setAside(NoScore, "FT: expected a score like 2-1, got %s", quote(given))
			return false
		}
		if m.homeGoals, m.awayGoals, ok = score(given, mostGoals); !ok {
			f.setAside(GoalsUnknown, "FT: expected a score like 2-1 of at most %d, got %s", mostGoals, quote(given))
		}
		return ok
	}
	if len(f.fields[homeGoals]) == 0 && len(f.fields[awayGoals]) == 0 {
		f.setAside(NoScore, "FTHG and FTAG: expected counts, got none")
		return false
	}
	if m.homeGoals, ok = f.goal("FTHG", homeGoals); !ok {
		return false
	}
	if m.awayGoals, ok = f.goal("FTAG", awayGoals); !ok {
		return false
	}
	letter := "D"
	if m.homeGoals > m.awayGoals {
		letter = "H"
	} else if m.homeGoals < m.awayGoals {
		letter = "A"
	}
	if given := f.fields[result]; len(given) > 0 && string(given) != letter {
		f.mend(ResultConflict, "FTR: expected %q for %d-%d, got %s", letter, m.homeGoals, m.awayGoals, quote(given))
	}
	return true
}

func (f *fileReader) goal(name string, c column) (int16, bool) {
	n, ok := count(f.fields[c], mostGoals)
	if !ok {
		f.setAside(GoalsUnknown, "%s: expected a count of at most %d, got %s", name, mostGoals, quote(f.fields[c]))
	}
	return n, ok
}

// statistics reads what is known of the play.
func (f *fileReader) statistics(m *row) {
	h, a := &m.homeStats, &m.awayStats
	if f.layout.known[halfTime] {
		h.HalfTimeGoals, a.HalfTimeGoals = features.NoCount, features.NoCount
		if given := f.fields[halfTime]; len(given) > 0 && string(given) != "?" {
			var ok bool
			if h.HalfTimeGoals, a.HalfTimeGoals, ok = score(given, mostGoals); !ok {
				h.HalfTimeGoals, a.HalfTimeGoals = features.NoCount, features.NoCount
				f.mend(HalfTimeWrong, "HT: expected a score like 1-0, got %s", quote(given))
			}
		}
	} else {
		h.HalfTimeGoals = f.statistic("HTHG", homeHalfTime, HalfTimeWrong)
		a.HalfTimeGoals = f.statistic("HTAG", awayHalfTime, HalfTimeWrong)
	}
	if h.HalfTimeGoals > m.homeGoals || a.HalfTimeGoals > m.awayGoals {
		f.mend(HalfTimeWrong, "expected at most %d-%d, got %d-%d", m.homeGoals, m.awayGoals, h.HalfTimeGoals, a.HalfTimeGoals)
		h.HalfTimeGoals, a.HalfTimeGoals = features.NoCount, features.NoCount
	}
	h.Shots = f.statistic("HS", homeShots, StatisticWrong)
	a.Shots = f.statistic("AS", awayShots, StatisticWrong)
	h.ShotsOnTarget = f.statistic("HST", homeTarget, StatisticWrong)
	a.ShotsOnTarget = f.statistic("AST", awayTarget, StatisticWrong)
	h.Corners = f.statistic("HC", homeCorners, StatisticWrong)
	a.Corners = f.statistic("AC", awayCorners, StatisticWrong)
	h.RedCards = f.statistic("HR", homeReds, StatisticWrong)
	a.RedCards = f.statistic("AR", awayReds, StatisticWrong)
	for _, side := range []*features.Stats{h, a} {
		if side.Shots >= 0 && side.ShotsOnTarget > side.Shots {
			f.mend(ShotsConflict, "expected at most %d shots on target, got %d", side.Shots, side.ShotsOnTarget)
			side.Shots, side.ShotsOnTarget = features.NoCount, features.NoCount
		}
	}
}

func (f *fileReader) statistic(name string, c column, wrong Reason) int16 {
	given := f.fields[c]
	if len(given) == 0 {
		return features.NoCount
	}
	n, ok := count(given, mostCounts)
	if !ok {
		f.mend(wrong, "%s: expected a count of at most %d, got %s", name, mostCounts, quote(given))
		return features.NoCount
	}
	return n
}

const leastOverround, mostOverround = .98, 1.25

// readOdds appends the odds of the row to prices.
func (f *fileReader) readOdds() {
	for i := range bookmakers {
		odds := bookmakers[i].Odds
		given := f.fields[firstOdds+column(oddsColumns*i):]
		result := f.book(odds.Bookmaker, given[:3], []string{"H", "D", "A"}, &odds.Home, &odds.Draw, &odds.Away)
		goals := f.book(bookmakers[i].goals, given[3:oddsColumns], []string{">2.5", "<2.5"}, &odds.Over, &odds.Under)
		if result || goals {
			f.prices = append(f.prices, odds)
		}
	}
}

// book reads odds that make up a book, into values; false, with all of them 0, where they are none.
func (f *fileReader) book(bookmaker string, given [][]byte, names []string, values ...*float64) bool {
	letters, sum := 0, 0.
	for _, field := range given {
		letters += len(field)
	}
	if letters == 0 {
		return false
	}
	for i, to := range values {
		value, ok := decimal(given[i])
		if !ok || value <= 1 {
			f.mend(OddsWrong, "%s%s: expected a number above 1, got %s", bookmaker, names[i], quote(given[i]))
			clearAll(values)
			return false
		}
		*to = value
		sum += 1 / value
	}
	if sum < leastOverround || sum > mostOverround {
		f.mend(OddsOverround, "%s%s: got %.3f from %s", bookmaker, strings.Join(names, ", "), sum, bytes.Join(given, []byte(", ")))
		clearAll(values)
		return false
	}
	return true
}

func clearAll(values []*float64) {
	for _, v := range values {
		*v = 0
	}
}
