package serving

import (
	"fmt"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/serving/scoreline"
)

// cells is how many scores a grid knows.
const cells = (scoreline.MaxGoals + 1) * (scoreline.MaxGoals + 1)

// scoreNames are the names of the cells, row by row: "0-0", "0-1", …
var scoreNames = func() (names [cells]string) {
	for i := range names {
		names[i] = fmt.Sprintf("%d-%d", i/(scoreline.MaxGoals+1), i%(scoreline.MaxGoals+1))
	}
	return names
}()

// The lines that are quoted, in goals.
var (
	// totalLines are the half lines first, which some know by their place.
	totalLines     = append(linesBetween(.5, 6.5, 1), quartersBetweenHalves(.5, 6.5)...)
	teamTotalLines = linesBetween(.5, 4.5, .25)
	handicaps      = linesBetween(-4, 4, .25)
)

func linesBetween(first, last, step float64) (lines []float64) {
	for line := first; line <= last; line += step {
		lines = append(lines, line)
	}
	return lines
}

func quartersBetweenHalves(first, last float64) (lines []float64) {
	for half := first; half < last; half++ {
		lines = append(lines, half+.25, half+.5, half+.75)
	}
	return lines
}

// checkMarkets refuses markets that nobody knows.
func checkMarkets(markets []pb.Market) error {
	for i, market := range markets {
		if market <= pb.Market_MARKET_UNSPECIFIED || market > pb.Market_MARKET_HALF_TIME_RESULT {
			path := fmt.Sprintf("markets[%d]", i)
			return errorf(FieldInvalid, "%s: expected a market, got %s", path, market).at(path)
		}
	}
	return nil
}

// newMarkets reads markets, which checkMarkets has let pass, off the grid.
func newMarkets(markets []pb.Market, grid *scoreline.Grid) []*pb.MarketPrediction {
	if len(markets) == 0 {
		return nil
	}
	all := make([]*pb.MarketPrediction, len(markets))
	for i, market := range markets {
		all[i] = &pb.MarketPrediction{Market: market, Selections: newSelections(market, grid)}
	}
	return all
}

func newSelections(market pb.Market, grid *scoreline.Grid) []*pb.Selection {
	switch market {
	case pb.Market_MARKET_MATCH_RESULT:
		home, draw, away := grid.MatchResult()
		return named([]string{"home", "draw", "away"}, home, draw, away)
	case pb.Market_MARKET_DOUBLE_CHANCE:
		homeOrDraw, homeOrAway, drawOrAway := grid.DoubleChance()
		return named([]string{"home_or_draw", "home_or_away", "draw_or_away"}, homeOrDraw, homeOrAway, drawOrAway)
	case pb.Market_MARKET_TOTAL_GOALS:
		total := grid.TotalGoals()
		return overUnder(totalLines, side{"over", "under", &total})
	case pb.Market_MARKET_BOTH_TEAMS_TO_SCORE:
		yes := grid.BothScore()
		return named([]string{"yes", "no"}, yes, 1-yes)
	case pb.Market_MARKET_CORRECT_SCORE:
		all := selections(cells)
		for i, selection := range all {
			selection.Name = scoreNames[i]
			selection.Probability = grid.At(i/(scoreline.MaxGoals+1), i%(scoreline.MaxGoals+1))
		}
		return all
	case pb.Market_MARKET_DRAW_NO_BET:
		home, draw, away := grid.MatchResult()
		all := named([]string{"home", "away"}, home, away)
		for _, selection := range all {
			selection.PushProbability = draw
		}
		return all
	case pb.Market_MARKET_TEAM_TOTAL_GOALS:
		home, away := grid.HomeGoals(), grid.AwayGoals()
		return overUnder(teamTotalLines, side{"home_over", "home_under", &home}, side{"away_over", "away_under", &away})
	case pb.Market_MARKET_ASIAN_HANDICAP:
		return asianHandicap(grid)
	case pb.Market_MARKET_CLEAN_SHEET:
		home, away := grid.CleanSheet()
		return named([]string{"home", "away"}, home, away)
	case pb.Market_MARKET_WIN_TO_NIL:
		home, away := grid.WinToNil()
		return named([]string{"home", "away"}, home, away)
	case pb.Market_MARKET_WINNING_MARGIN:
		return winningMargin(grid)
	case pb.Market_MARKET_HALF_TIME_RESULT:
		home, draw, away := grid.HalfTimeResult()
		return named([]string{"home", "draw", "away"}, home, draw, away)
	}
	panic(fmt.Sprintf("serving: market %s passed checkMarkets", market))
}

// A side is what is counted against lines, and what to be over and under one is called.
type side struct {
	over, under string
	counts      *scoreline.Counts
}

// overUnder answers both selections at each line, side by side.
func overUnder(lines []float64, sides ...side) []*pb.Selection {
	all := selections(2 * len(lines) * len(sides))
	at := make([]float64, len(all)/2) // not those shared by all answers
	for i := range at {
		side := sides[i/len(lines)]
		at[i] = lines[i%len(lines)]
		s := side.counts.At(at[i])
		over, under := all[2*i], all[2*i+1]
		over.Name, over.Line, over.Probability, over.PushProbability = side.over, &at[i], s.Over, s.Push
		under.Name, under.Line, under.Probability, under.PushProbability = side.under, &at[i], s.Under, s.Push
	}
	return all
}

// asianHandicap answers both teams at each handicap of the home team. Each selection's line is its
// own team's handicap.
func asianHandicap(grid *scoreline.Grid) []*pb.Selection {
	margin := grid.Margin()
	all := selections(2 * len(handicaps))
	lines := make([]float64, len(all))
	for i, handicap := range handicaps {
		lines[2*i], lines[2*i+1] = handicap, 0-handicap // no negative zero
		s := margin.At(0 - handicap)
		home, away := all[2*i], all[2*i+1]
		home.Name, home.Line, home.Probability, home.PushProbability = "home", &lines[2*i], s.Over, s.Push
		away.Name, away.Line, away.Probability, away.PushProbability = "away", &lines[2*i+1], s.Under, s.Push
	}
	return all
}

// winningMargin answers who wins by how much; what is beyond three goals is one selection.
func winningMargin(grid *scoreline.Grid) []*pb.Selection {
	m := grid.Margin()
	return named(
		[]string{"home_1", "home_2", "home_3", "home_4_or_more", "draw", "away_1", "away_2", "away_3", "away_4_or_more"},
		m.At(1).Push, m.At(2).Push, m.At(3).Push, m.At(3).Over, m.At(0).Push,
		m.At(-1).Push, m.At(-2).Push, m.At(-3).Push, m.At(-3).Under,
	)
}

// selections allocates n selections in two pieces.
func selections(n int) []*pb.Selection {
	block := make([]pb.Selection, n)
	all := make([]*pb.Selection, n)
	for i := range block {
		all[i] = &block[i]
	}
	return all
}

func named(names []string, probabilities ...float64) []*pb.Selection {
	all := selections(len(names))
	for i, selection := range all {
		selection.Name, selection.Probability = names[i], probabilities[i]
	}
	return all
}
