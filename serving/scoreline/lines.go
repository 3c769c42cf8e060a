package scoreline

import "math"

// Counts is the distribution of a whole number that is read off a grid: goals, or a margin. Every
// market with a line asks on which side of the line that number falls.
type Counts struct {
	least int // the number that p[0] belongs to
	p     [2*MaxGoals + 1]float64
}

// TotalGoals is the distribution of the goals of both teams together.
func (g *Grid) TotalGoals() Counts {
	var c Counts
	for x := range g {
		for y, p := range &g[x] {
			c.p[x+y] += p
		}
	}
	return c
}

// HomeGoals is the distribution of the home team's goals.
func (g *Grid) HomeGoals() Counts {
	var c Counts
	for x := range g {
		for _, p := range &g[x] {
			c.p[x] += p
		}
	}
	return c
}

// AwayGoals is the distribution of the away team's goals.
func (g *Grid) AwayGoals() Counts {
	var c Counts
	for x := range g {
		for y, p := range &g[x] {
			c.p[y] += p
		}
	}
	return c
}

// Margin is the distribution of home goals less away goals.
func (g *Grid) Margin() Counts {
	c := Counts{least: -MaxGoals}
	for x := range g {
		for y, p := range &g[x] {
			c.p[x-y+MaxGoals] += p
		}
	}
	return c
}

// Split says what becomes of stakes on the two sides of a line; the three numbers sum to 1. At whole
// and half lines they are the probabilities that the number is over the line, under it, and the line
// itself, where both stakes are returned (a push).
//
// A quarter line is two bets of half the stake, on the whole and the half line beside it. Its numbers
// are the means of theirs: the shares of a stake that are won, lost and returned on average.
type Split struct{ Over, Under, Push float64 }

// At is what becomes of stakes at a line. Quarter lines lie .25 from a whole number; all other lines
// are compared as they are.
func (c *Counts) At(line float64) Split {
	if math.Mod(4*line, 2) == 0 || 4*line != math.Trunc(4*line) {
		return c.at(line)
	}
	low, high := c.at(line-.25), c.at(line+.25)
	return Split{
		Over:  (low.Over + high.Over) / 2,
		Under: (low.Under + high.Under) / 2,
		Push:  (low.Push + high.Push) / 2,
	}
}

func (c *Counts) at(line float64) Split {
	var s Split
	for i, p := range &c.p {
		switch number := float64(c.least + i); {
		case number > line:
			s.Over += p
		case number < line:
			s.Under += p
		default:
			s.Push += p
		}
	}
	return Split{probability(s.Over), probability(s.Under), probability(s.Push)}
}
