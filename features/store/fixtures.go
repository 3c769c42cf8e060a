package store

import (
	"time"

	"footballprediction/features"
)

// illustrative makes up a double round robin of the clubs last known in each league, a round every
// week from the first Saturday after start, so that there is something to list and predict where no
// real fixture list has been collected. Every match of it says that it is illustrative.
func illustrative(tables []features.Table, start time.Time) []features.Match {
	first := features.DateOf(start) + 1
	for first.Time().Weekday() != time.Saturday {
		first++
	}
	season := features.SeasonOf(first)
	var matches []features.Match
	for _, table := range tables {
		clubs := make([]string, len(table.Rows))
		for i, row := range table.Rows {
			clubs[i] = row.Team.ID
		}
		for round, pairs := range doubleRoundRobin(clubs) {
			date := first + features.Date(7*round)
			for _, pair := range pairs {
				matches = append(matches, features.Match{
					ID:          features.MatchID(table.Competition.Code, date, pair[0], pair[1]),
					Competition: table.Competition.Code,
					Season:      season,
					Date:        date,
					Kickoff:     date.Time().Add(15 * time.Hour),
					Home:        pair[0], Away: pair[1],
					Status:       features.Scheduled,
					Illustrative: true,
				})
			}
		}
	}
	return matches
}

// doubleRoundRobin returns rounds of (home, away) by the circle method: every pair meets twice, once
// at each ground, and nobody plays twice in a round. With an odd number one club rests each round.
func doubleRoundRobin(clubs []string) [][][2]string {
	circle := append([]string(nil), clubs...)
	if len(circle)%2 == 1 {
		circle = append(circle, "")
	}
	n := len(circle)
	if n < 2 {
		return nil
	}
	rounds := make([][][2]string, 2*(n-1))
	for round := range n - 1 {
		for i := range n / 2 {
			home, away := circle[i], circle[n-1-i]
			if home == "" || away == "" {
				continue
			}
			// The club that stays in place alternates, as the others do by going round.
			if (i == 0 && round%2 == 1) || (i > 0 && i%2 == 1) {
				home, away = away, home
			}
			rounds[round] = append(rounds[round], [2]string{home, away})
			rounds[round+n-1] = append(rounds[round+n-1], [2]string{away, home})
		}
		last := circle[n-1]
		copy(circle[2:], circle[1:n-1])
		circle[1] = last
	}
	return rounds
}
