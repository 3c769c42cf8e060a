package serving

import (
	"fmt"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/serving/scoreline"
)

// lines is how many half lines of total goals are quoted.
const lines = int(scoreline.MaxTotalLine-scoreline.MinTotalLine) + 1

// cells is how many scores a grid knows.
const cells = (scoreline.MaxGoals + 1) * (scoreline.MaxGoals + 1)

// scoreNames are the names of the cells, row by row: "0-0", "0-1", …
var scoreNames = func() (names [cells]string) {
	for i := range names {
		names[i] = fmt.Sprintf("%d-%d", i/(scoreline.MaxGoals+1), i%(scoreline.MaxGoals+1))
	}
	return names
}()

// checkMarkets refuses markets that nobody knows and those that are not built yet.
func checkMarkets(markets []pb.Market) error {
	for i, market := range markets {
		path := func() string { return fmt.Sprintf("markets[%d]", i) }
		switch market {
		case pb.Market_MARKET_MATCH_RESULT, pb.Market_MARKET_DOUBLE_CHANCE, pb.Market_MARKET_TOTAL_GOALS,
			pb.Market_MARKET_BOTH_TEAMS_TO_SCORE, pb.Market_MARKET_CORRECT_SCORE:
		case pb.Market_MARKET_DRAW_NO_BET, pb.Market_MARKET_TEAM_TOTAL_GOALS, pb.Market_MARKET_ASIAN_HANDICAP,
			pb.Market_MARKET_CLEAN_SHEET, pb.Market_MARKET_WIN_TO_NIL, pb.Market_MARKET_WINNING_MARGIN,
			pb.Market_MARKET_HALF_TIME_RESULT:
			return notBuilt("market " + market.String()).at(path())
		default:
			return errorf(FieldInvalid, "%s: expected a market, got %s", path(), market).at(path())
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
	case pb.Market_MARKET_TOTAL_GOALS:
		all := selections(2 * lines)
		at := new([lines]float64)
		for i := range at {
			at[i] = scoreline.MinTotalLine + float64(i)
			over, under := all[2*i], all[2*i+1]
			over.Name, over.Line, over.Probability = "over", &at[i], grid.Over(at[i])
			under.Name, under.Line, under.Probability = "under", &at[i], grid.Under(at[i])
		}
		return all
	}
	panic(fmt.Sprintf("serving: market %s passed checkMarkets", market))
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
