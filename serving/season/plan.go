package season

import (
	"cmp"
	"math"
	"slices"
)

// A table's order is kept in one integer a team, points before goal difference before goals scored,
// so that a result is added to a team by one addition and teams are ranked by comparing integers.
const (
	pointsShift     = 30
	differenceShift = 15
	bias            = 1 << 13 // of points and of the difference, which may be negative
)

func pack(points, scored, conceded int) int64 {
	return int64(points)<<pointsShift + int64(scored-conceded)<<differenceShift + int64(scored)
}

func pointsOf(packed int64) int { return int(packed>>pointsShift) - bias }

// gains are what each score brings the home and the away team.
var homeGains, awayGains = func() (home, away [slots]int64) {
	for cell := range size * size {
		h, a := cell/size, cell%size
		hp, ap := pointsFor(h, a)
		home[cell], away[cell] = pack(hp, h, a), pack(ap, a, h)
	}
	return home, away
}()

// pointsFor is what a result is worth to both sides.
func pointsFor(home, away int) (int, int) {
	switch {
	case home > away:
		return 3, 0
	case home < away:
		return 0, 3
	}
	return 1, 1
}

// A plan is what all simulated seasons have in common.
type plan struct {
	start   []int64   // by team: packed
	least   []int     // points that each team has for certain
	matches []fixture // in the order of weeks
	rivals  *rivals   // nil where head-to-head does not count

	// Strengths are whole multiples of unit, the spread of one coin of a step.
	unit  float64
	first float64 // standard deviation of a strength in the first week, in units
	walks bool    // whether strengths move from week to week
	// A level is a difference of strengths as the tables know it: levels = difference·perUnit / 2^16.
	perUnit int
}

// A fixture is a match with a table to draw from for each level of the difference in strengths.
type fixture struct {
	home, away, week int
	reach            int      // levels run from -reach to reach
	tables           []uint32 // (2·reach+1)×slots
}

// coins is how many coin tosses make a week's step of a strength: a binomial walk is as good as a
// normal one, and costs an instruction a step. One random word tosses for so many teams.
const (
	coins        = 16
	teamsPerWord = 64 / coins
)

// maxReach is the most levels on each side of none; they reach as far as sigmas standard deviations.
const (
	maxReach = 16
	sigmas   = 4
)

func newPlan(l *League, o Options) *plan {
	p := &plan{}
	for _, s := range l.Table {
		p.start = append(p.start, pack(bias+s.Points, s.GoalsFor, s.GoalsAgainst)+bias<<differenceShift)
		p.least = append(p.least, s.Points)
	}
	order := make([]*Match, len(l.Matches))
	for i := range order {
		order[i] = &l.Matches[i]
	}
	slices.SortStableFunc(order, func(a, b *Match) int { return cmp.Compare(a.Week, b.Week) })
	if len(order) > 0 {
		p.draw(order, o.Drift)
	}
	if l.HeadToHead {
		p.rivals = newRivals(len(l.Table), l.Played, p.matches)
	}
	return p
}

// draw makes the tables of the matches, which come in the order of weeks.
func (p *plan) draw(order []*Match, drift Drift) {
	spread := func(week int) float64 { // of the difference of two teams' log rates
		return math.Sqrt(2 * (drift.Now*drift.Now + float64(week)*drift.Week*drift.Week))
	}
	firstWeek, last := order[0].Week, spread(order[len(order)-1].Week)
	spacing := 1.0
	if last > 0 {
		p.walks = drift.Week > 0
		p.unit = last / 64
		if p.walks {
			p.unit = drift.Week / (math.Sqrt(coins) / 2)
		}
		p.first = spread(firstWeek) / math.Sqrt2 / p.unit
		p.perUnit = max(1, int(math.Round(p.unit*maxReach/(sigmas*last)*(1<<16))))
		spacing = p.unit * (1 << 16) / float64(p.perUnit)
	}
	var sampler sampler
	for _, m := range order {
		f := fixture{home: m.Home, away: m.Away, week: m.Week - firstWeek}
		deviation := spread(m.Week)
		f.reach = min(maxReach, int(math.Ceil(sigmas*deviation/spacing)))
		f.tables = make([]uint32, (2*f.reach+1)*slots)
		for level := -f.reach; level <= f.reach; level++ {
			table := f.tables[(level+f.reach)*slots:][:slots]
			sampler.fill(table, &m.Grid, float64(level)*spacing, deviation*deviation)
		}
		p.matches = append(p.matches, f)
	}
}
