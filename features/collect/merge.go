package collect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"footballprediction/features"
)

// history brings the matches into order, each once.
func (r *reader) history() *History {
	r.joinDates()
	order := r.order()
	h := &History{Matches: make([]features.Match, 0, len(order)), Spellings: map[string][2]string{}}
	if r.odds {
		h.Odds = map[string][]Odds{}
	}
	for len(order) > 0 {
		same := 1
		for same < len(order) && r.rows[order[0]].sameMatch(&r.rows[order[same]]) {
			same++
		}
		r.merge(h, order[:same])
		order = order[same:]
	}
	r.report.Matches = len(h.Matches)
	h.Report = r.report
	r.addTeams(h)
	return h
}

// order returns the rows that were not set aside by date, competition, home and away team, and
// those of one match as they were read.
func (r *reader) order() []int32 {
	order := make([]int32, 0, len(r.rows))
	for i := range r.rows {
		if r.rows[i].status != features.StatusUnknown {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(i, j int32) int {
		m, n := &r.rows[i], &r.rows[j]
		if m.date != n.date {
			return cmp.Compare(m.date, n.date)
		}
		return cmp.Or(
			strings.Compare(r.leagues[m.league].Code, r.leagues[n.league].Code),
			strings.Compare(r.teams[m.home].ID, r.teams[n.home].ID),
			strings.Compare(r.teams[m.away].ID, r.teams[n.away].ID),
			cmp.Compare(i, j))
	})
	return order
}

func (m *row) sameMatch(n *row) bool {
	return m.date == n.date && m.league == n.league && m.home == n.home && m.away == n.away
}

// merge adds one match to the history, given all rows that tell of it as they were read.
func (r *reader) merge(h *History, rows []int32) {
	slices.SortStableFunc(rows, func(i, j int32) int { // what was played tells more than what was to be
		return cmp.Compare(r.rows[i].unscored(), r.rows[j].unscored())
	})
	m := r.rows[rows[0]]
	match := features.Match{
		Competition: r.leagues[m.league].Code, Season: features.SeasonName(int(m.season)), Date: m.date,
		Home: r.teams[m.home].ID, Away: r.teams[m.away].ID, HomeGoals: m.homeGoals, AwayGoals: m.awayGoals,
	}
	match.ID = features.MatchID(match.Competition, match.Date, match.Home, match.Away)
	odds := r.oddsOf(rows[0])
	for _, i := range rows[1:] {
		other := &r.rows[i]
		if other.status != features.Scheduled && (other.homeGoals != m.homeGoals || other.awayGoals != m.awayGoals) {
			r.report.SetAside.add(Problem{r.files[other.file], int(other.line), ScoreConflict,
				fmt.Sprintf("%s: expected %d-%d as in %s line %d, got %d-%d", match.ID, m.homeGoals, m.awayGoals,
					r.files[m.file], m.line, other.homeGoals, other.awayGoals)})
			continue
		}
		r.report.Duplicates++
		m.fill(other)
		if len(odds) == 0 {
			odds = r.oddsOf(i)
		}
	}
	match.Status, match.HomeStats, match.AwayStats = m.status, m.homeStats, m.awayStats
	if m.kickoff != noKickoff {
		match.Kickoff = m.date.Time().Add(time.Duration(m.kickoff) * time.Minute)
	}
	switch m.status {
	case features.Awarded:
		r.report.Awarded++
	case features.Scheduled:
		r.report.Scheduled++
	}
	if len(odds) > 0 {
		h.Odds[match.ID] = odds
	}
	if spelled, ok := r.spelled[rows[0]]; ok {
		h.Spellings[match.ID] = spelled
	}
	h.Matches = append(h.Matches, match)
}

// unscored is 1 for a match without a score and 0 for others.
func (m *row) unscored() int {
	if m.status == features.Scheduled {
		return 1
	}
	return 0
}

// pairing is a home and an away side in a season of a league.
type pairing struct {
	league, home, away int32
	season             int16
}

func (m *row) pairing() pairing { return pairing{m.league, m.home, m.away, m.season} }

// joinDates gives rows of openfootball the date that another file has for the match: where both have
// the pairing once in a season, it is one match, and two sources may differ by days.
func (r *reader) joinDates() {
	type met struct {
		openfootball, elsewhere int // rows; of elsewhere only those of distinct dates
		date                    features.Date
	}
	pairings := map[pairing]*met{}
	for _, m := range r.rows {
		if m.openfootball && m.status != features.StatusUnknown {
			if pairings[m.pairing()] == nil {
				pairings[m.pairing()] = &met{}
			}
			pairings[m.pairing()].openfootball++
		}
	}
	if len(pairings) == 0 {
		return
	}
	for _, m := range r.rows {
		if p := pairings[m.pairing()]; p != nil && !m.openfootball && m.status != features.StatusUnknown && (p.elsewhere == 0 || p.date != m.date) {
			p.elsewhere++
			p.date = m.date
		}
	}
	for i := range r.rows {
		m := &r.rows[i]
		p := pairings[m.pairing()]
		if !m.openfootball || p == nil || p.openfootball != 1 || p.elsewhere != 1 || p.date == m.date || m.status == features.StatusUnknown {
			continue
		}
		r.report.Mended.add(Problem{r.files[m.file], int(m.line), DateConflict, fmt.Sprintf("date: expected %s, got %s", p.date, m.date)})
		m.date, m.kickoff = p.date, noKickoff
	}
}

func (r *reader) oddsOf(i int32) []Odds {
	start := int32(0)
	if i > 0 {
		start = r.rows[i-1].prices
	}
	end := r.rows[i].prices
	return r.prices[start:end:end]
}

// fill takes from another row of the match what this one does not know. That it was awarded is
// told by one file that tells it: another may know the half time at which it was abandoned.
func (m *row) fill(other *row) {
	if other.status == features.Awarded {
		m.status = features.Awarded
	}
	if m.kickoff == noKickoff {
		m.kickoff = other.kickoff
	}
	fillStats(&m.homeStats, &other.homeStats)
	fillStats(&m.awayStats, &other.awayStats)
}

func fillStats(s, other *features.Stats) {
	for _, c := range [...]struct{ to, from *int16 }{
		{&s.HalfTimeGoals, &other.HalfTimeGoals}, {&s.Shots, &other.Shots}, {&s.ShotsOnTarget, &other.ShotsOnTarget},
		{&s.Corners, &other.Corners}, {&s.RedCards, &other.RedCards},
	} {
		if *c.to == features.NoCount {
			*c.to = *c.from
		}
	}
}

// addTeams adds the teams and competitions as of the last of the matches, which are in time order.
func (r *reader) addTeams(h *History) {
	for i := range h.Matches {
		m := &h.Matches[i]
		r.teams[r.ids[m.Home]].Competition = m.Competition
		r.teams[r.ids[m.Away]].Competition = m.Competition
		l := &r.leagues[r.codes[m.Competition]]
		l.Season = max(l.Season, m.Season)
	}
	for _, team := range r.teams {
		if team.Competition != "" {
			h.Teams = append(h.Teams, team)
		}
	}
	for _, league := range r.leagues {
		if league.Season != "" {
			h.Competitions = append(h.Competitions, league.Competition)
		}
	}
	slices.SortFunc(h.Teams, func(a, b features.Team) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(h.Competitions, func(a, b features.Competition) int { return strings.Compare(a.Code, b.Code) })
}
