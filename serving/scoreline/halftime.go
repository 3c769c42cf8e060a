package scoreline

// FirstHalfShare is the share of goals that fall before half-time: 44.2% in the five largest leagues
// of Europe.
const FirstHalfShare = 0.442

// homeLeads is, for each final score, the probability that the home team was ahead at half-time. Given
// the final score, each goal fell in the first half with probability FirstHalfShare, independently of
// all others, as it is in a Poisson process (its points, thinned): the goals of a team at half-time are
// binomial, and over Poisson final scores again Poisson. So this is a market like any other, a weighted
// sum over the cells, and agrees with the rest whatever the grid was tilted to.
var homeLeads = func() (leads Grid) {
	var half [size][size]float64 // by goals at the end and at half-time
	half[0][0] = 1
	for n := 1; n < size; n++ {
		for k := range n {
			half[n][k] += half[n-1][k] * (1 - FirstHalfShare)
			half[n][k+1] += half[n-1][k] * FirstHalfShare
		}
	}
	for x := range leads {
		for y := range leads[x] {
			for i := range x + 1 {
				for j := range min(i, y+1) {
					leads[x][y] += half[x][i] * half[y][j]
				}
			}
		}
	}
	return leads
}()

// HalfTimeResult is the probabilities that the home team leads, that nobody does, and that the away
// team does when the first half ends.
func (g *Grid) HalfTimeResult() (home, draw, away float64) {
	for x := range g {
		for y, p := range &g[x] {
			home += p * homeLeads[x][y]
			away += p * homeLeads[y][x]
		}
	}
	home, away = probability(home), probability(away)
	return home, max(0, 1-home-away), away
}
