package collect

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"footballprediction/features"
)

// setSeasons gives the matches of the file their season. Most are in that of their date; but in
// 2020 seasons were played on into August, and then the file tells: by its name or folder, if that
// agrees with the dates of most of its rows, or by being one season from beginning to end.
func (f *fileReader) setSeasons() {
	rows := f.rows[f.first:]
	if len(rows) == 0 {
		return
	}
	dates := make([]features.Date, len(rows))
	for i := range rows {
		dates[i] = rows[i].date
	}
	slices.Sort(dates)
	earliest, middle, latest := dates[0], dates[len(dates)/2], dates[len(dates)-1]
	year, ok := namedSeason(f.path)
	begins, ends := span(year)
	switch {
	case ok && begins <= middle && middle <= ends:
		for i := range rows {
			m := &rows[i]
			if m.season = int16(year); m.date < begins || m.date > ends {
				m.status = features.StatusUnknown
				f.report.SetAside.add(Problem{f.path, int(m.line), WrongSeason,
					fmt.Sprintf("Date: expected %s to %s, got %s", begins, ends, m.date)})
			}
		}
	case begin(earliest) && latest-earliest <= 366:
		for i := range rows {
			rows[i].season = seasonOf(earliest)
		}
	}
}

// seasonOf returns the year in which the season of a day starts, as features.SeasonOf does.
func seasonOf(d features.Date) int16 {
	year, month, _ := d.Time().Date()
	if month < time.July {
		year--
	}
	return int16(year)
}

// begin reports whether the day is in the months in which seasons begin.
func begin(d features.Date) bool {
	month := d.Time().Month()
	return time.July <= month && month <= time.October
}

// span is the days on which matches of the season that starts in the year may be played.
func span(year int) (from, to features.Date) {
	return features.DateOf(time.Date(year, time.July, 1, 0, 0, 0, 0, time.UTC)),
		features.DateOf(time.Date(year+1, time.August, 31, 0, 0, 0, 0, time.UTC))
}

// namedSeason returns the year in which the season starts that the file ("season-2425.csv") or its
// folder ("2425", "2024-25") is named for.
func namedSeason(path string) (year int, ok bool) {
	stem := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if season, found := strings.CutPrefix(stem, "season-"); found {
		return seasonYear(season)
	}
	return seasonYear(filepath.Base(filepath.Dir(path)))
}

func seasonYear(s string) (int, bool) {
	if year, err := features.ParseSeason(s); err == nil {
		return year, true
	}
	n, ok := digits([]byte(s), 4, 4)
	first, second := n/100, n%100
	if !ok || second != (first+1)%100 {
		return 0, false
	}
	if first < 70 {
		first += 100
	}
	return 1900 + first, true
}

// setAwarded finds the matches of the file that were awarded or abandoned: they have a score, but
// neither half time nor statistics, where the other rows of the league and season have both. As
// "the other rows" two thirds of all will do, so that a file whose source stopped counting does
// not lose half its matches.
func (f *fileReader) setAwarded() {
	type table struct {
		league int32
		season int16
	}
	type known struct{ both, all int }
	tables := map[table]*known{}
	rows := f.rows[f.first:]
	for i := range rows {
		m := &rows[i]
		t := tables[table{m.league, m.season}]
		if t == nil {
			t = &known{}
			tables[table{m.league, m.season}] = t
		}
		t.all++
		if m.hasHalfTime() && m.hasStatistics() {
			t.both++
		}
	}
	for i := range rows {
		m := &rows[i]
		t := tables[table{m.league, m.season}]
		if m.status == features.Finished && !m.hasHalfTime() && !m.hasStatistics() && 3*t.both >= 2*t.all {
			m.status = features.Awarded
		}
	}
}

func (m *row) hasHalfTime() bool {
	return m.homeStats.HalfTimeGoals != features.NoCount || m.awayStats.HalfTimeGoals != features.NoCount
}

func (m *row) hasStatistics() bool {
	h, a := m.homeStats, m.awayStats
	h.HalfTimeGoals, a.HalfTimeGoals = features.NoCount, features.NoCount
	return h != noStats || a != noStats
}

var noStats = features.Stats{
	HalfTimeGoals: features.NoCount, Shots: features.NoCount, ShotsOnTarget: features.NoCount,
	Corners: features.NoCount, RedCards: features.NoCount,
}
