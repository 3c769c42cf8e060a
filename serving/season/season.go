// Package season plays the rest of a league's season many times. It is arithmetic alone: it knows
// no models, no clubs' names and no dates; who may ask for what is decided by its caller.
//
// A match is a grid of scores. A simulated season draws how far each team's strength has moved by
// the week of each match (a random walk on the logarithm of its goal rates), tilts the grid by the
// difference of the two teams', and draws a score from it. Memory is taken once a call; a simulated
// season allocates nothing.
package season

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// Limits of a League.
const (
	MaxTeams   = 64
	MaxMatches = 1000
	// MaxTeamMatches bounds the matches to come of one team.
	MaxTeamMatches = 200
	// MaxCount bounds the points and goals that a team may bring along.
	MaxCount = 4000
	// MaxGoals is the most goals of one team that a Grid knows.
	MaxGoals = 10
)

const size = MaxGoals + 1

// Grid holds the probabilities of the scores of a match: [h][a] is that of h home and a away goals.
type Grid = [size][size]float64

// A League is a season that has been played in part.
type League struct {
	// Table is where each team stands; a team is its place in it, whatever its points.
	Table []Standing
	// Matches are those still to be played, in any order.
	Matches []Match
	// HeadToHead ranks teams level on points by the matches among them, their points and then their
	// goal difference, before the goal difference of the whole season counts.
	HeadToHead bool
	// Played are the results so far that head-to-head looks at; the Table already counts them.
	Played []Score
}

// Standing is what a team has so far.
type Standing struct{ Points, GoalsFor, GoalsAgainst int }

// Match is a match to come.
type Match struct {
	Home, Away int // teams
	Week       int // whole weeks from when the strengths were known, 0 to MaxWeek
	Grid       Grid
}

// MaxWeek is the furthest week that strengths drift to.
const MaxWeek = 200

// Score is the result of a match.
type Score struct{ Home, Away, HomeGoals, AwayGoals int }

// Drift says how sure the strengths are, as standard deviations of a team's log rate: the team's own
// goals are multiplied by exp(x), its opponent's by exp(-x).
type Drift struct {
	Now  float64 // of what is not known about a team in week 0
	Week float64 // of the step of each week
}

// maxDrift bounds both: beyond it nothing would be known of a match.
const maxDrift = 1

// Options of Run.
type Options struct {
	// Seasons is how many are simulated, at least 1.
	Seasons int
	// Seed chooses the random numbers. The same League, Drift, Seasons and Seed give the same Result,
	// whatever Workers is.
	Seed  uint64
	Drift Drift
	// Workers is how many goroutines share the work; 0 means 1.
	Workers int
	// Progress, if not nil, is told how many seasons are done, one call at a time.
	Progress func(done, total int)
}

// check returns an error that names what is at fault.
func (l *League) check() error {
	n := len(l.Table)
	if n < 2 || n > MaxTeams {
		return fmt.Errorf("table: expected 2 to %d teams, got %d", MaxTeams, n)
	}
	if len(l.Matches) > MaxMatches {
		return fmt.Errorf("matches: expected at most %d, got %d", MaxMatches, len(l.Matches))
	}
	for i, s := range l.Table {
		if s.Points < -MaxCount || s.Points > MaxCount || s.GoalsFor < 0 || s.GoalsFor > MaxCount || s.GoalsAgainst < 0 || s.GoalsAgainst > MaxCount {
			return fmt.Errorf("table[%d]: expected points and goals of at most %d, got %+v", i, MaxCount, s)
		}
	}
	var toCome [MaxTeams]int
	for i := range l.Matches {
		m := &l.Matches[i]
		if err := checkTeams(m.Home, m.Away, n); err != nil {
			return fmt.Errorf("matches[%d]: %w", i, err)
		}
		for _, team := range []int{m.Home, m.Away} {
			if toCome[team]++; toCome[team] > MaxTeamMatches {
				return fmt.Errorf("matches[%d]: expected at most %d of a team, got more of team %d", i, MaxTeamMatches, team)
			}
		}
		if m.Week < 0 || m.Week > MaxWeek {
			return fmt.Errorf("matches[%d]: expected a week of 0 to %d, got %d", i, MaxWeek, m.Week)
		}
		if err := checkGrid(&m.Grid); err != nil {
			return fmt.Errorf("matches[%d]: %w", i, err)
		}
	}
	for i, s := range l.Played {
		if err := checkTeams(s.Home, s.Away, n); err != nil {
			return fmt.Errorf("played[%d]: %w", i, err)
		}
		if s.HomeGoals < 0 || s.HomeGoals > MaxCount || s.AwayGoals < 0 || s.AwayGoals > MaxCount {
			return fmt.Errorf("played[%d]: expected 0 to %d goals, got %d-%d", i, MaxCount, s.HomeGoals, s.AwayGoals)
		}
	}
	if len(l.Played) > MaxMatches {
		return fmt.Errorf("played: expected at most %d, got %d", MaxMatches, len(l.Played))
	}
	return nil
}

func checkTeams(home, away, n int) error {
	if home < 0 || home >= n || away < 0 || away >= n || home == away {
		return fmt.Errorf("expected two of the teams 0 to %d, got %d and %d", n-1, home, away)
	}
	return nil
}

func checkGrid(g *Grid) error {
	var sum float64
	for h := range g {
		for a, p := range g[h] {
			if !(p >= 0) {
				return fmt.Errorf("score %d-%d: expected a probability, got %v", h, a, p)
			}
			sum += p
		}
	}
	if !(math.Abs(sum-1) <= 1e-6) {
		return fmt.Errorf("grid: expected a sum of 1, got %v", sum)
	}
	return nil
}

func (o *Options) check() error {
	if o.Seasons < 1 {
		return fmt.Errorf("seasons: expected at least 1, got %d", o.Seasons)
	}
	for _, d := range []float64{o.Drift.Now, o.Drift.Week} {
		if !(d >= 0 && d <= maxDrift) {
			return fmt.Errorf("drift: expected standard deviations of 0 to %d, got %v", maxDrift, d)
		}
	}
	return nil
}

// Run simulates the rest of the season. It returns ctx's error soon after ctx is done, and yields to
// other goroutines about every millisecond.
func Run(ctx context.Context, league *League, options Options) (*Result, error) {
	if err := league.check(); err != nil {
		return nil, err
	}
	if err := options.check(); err != nil {
		return nil, err
	}
	p := newPlan(league, options)
	blocks := int64((options.Seasons + blockSize - 1) / blockSize)
	workers := min(max(1, int64(options.Workers)), blocks)
	var (
		next  atomic.Int64
		lock  sync.Mutex
		done  int
		total = newTally(p)
		group sync.WaitGroup
	)
	work := func() {
		b := newBlock(p)
		for ctx.Err() == nil {
			i := next.Add(1) - 1
			if i >= blocks {
				break
			}
			seasons := min(blockSize, options.Seasons-int(i)*blockSize)
			b.play(options.Seed, uint64(i), seasons)
			if options.Progress != nil {
				lock.Lock()
				done += seasons
				options.Progress(done, options.Seasons)
				lock.Unlock()
			}
			runtime.Gosched()
		}
		lock.Lock()
		total.add(b.tally)
		lock.Unlock()
	}
	for range workers - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return total.result(p, options.Seasons), nil
}
