package scoreline

// At is the probability of one final score; 0 for a score outside the grid.
func (g *Grid) At(homeGoals, awayGoals int) float64 {
	if homeGoals < 0 || homeGoals > MaxGoals || awayGoals < 0 || awayGoals > MaxGoals {
		return 0
	}
	return g[homeGoals][awayGoals]
}

// MatchResult is the probabilities of home win, draw and away win (1X2).
func (g *Grid) MatchResult() (home, draw, away float64) {
	for x := range g {
		row := &g[x]
		for y := range x {
			home += row[y]
		}
		draw += row[x]
		for y := x + 1; y < size; y++ {
			away += row[y]
		}
	}
	return probability(home), probability(draw), probability(away)
}

// DoubleChance is the probabilities of two of the three results together, summed from MatchResult.
func (g *Grid) DoubleChance() (homeOrDraw, homeOrAway, drawOrAway float64) {
	home, draw, away := g.MatchResult()
	return probability(home + draw), probability(home + away), probability(draw + away)
}

// Means is the expected goals of each team.
func (g *Grid) Means() (home, away float64) {
	for x := range g {
		for y, p := range &g[x] {
			home += float64(x) * p
			away += float64(y) * p
		}
	}
	return home, away
}

// BothScore is the probability that each team scores at least once.
func (g *Grid) BothScore() float64 {
	var sum float64
	for x := 1; x < size; x++ {
		for y := 1; y < size; y++ {
			sum += g[x][y]
		}
	}
	return probability(sum)
}

// CleanSheet is the probabilities that the home team and that the away team concede no goal, both of
// which happen at 0-0.
func (g *Grid) CleanSheet() (home, away float64) {
	for k := range g {
		home += g[k][0]
		away += g[0][k]
	}
	return probability(home), probability(away)
}

// WinToNil is the probabilities that the home team and that the away team win without conceding.
func (g *Grid) WinToNil() (home, away float64) {
	for k := 1; k < size; k++ {
		home += g[k][0]
		away += g[0][k]
	}
	return probability(home), probability(away)
}

// probability takes off what rounding may have put above 1, which clients could refuse.
func probability(sum float64) float64 { return min(sum, 1) }
