package features

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"sync"
)

// Schema describes a vector: its features in order. Hash covers their names, order, units and
// every constant of the recipes behind them, so two schemas with one hash mean the same numbers.
type Schema struct {
	Features []Feature
	// Hash is SHA-256 in lowercase hex.
	Hash string
}

// Feature is one element of a vector.
type Feature struct {
	Name  string `json:"name"`
	Unit  string `json:"unit"`
	Group string `json:"group"` // what an explanation sums over
}

// CurrentSchema returns the schema of the default recipe.
func CurrentSchema() Schema { return matchRecipe.Schema }

// comparison is a fixture as the features see it.
type comparison struct {
	home, away standing
	means      *countMeans
	market     leagueMarket
}

// comparisons are used again: the definitions' functions make each escape to the heap.
var comparisons = sync.Pool{New: func() any { return new(comparison) }}

// A definition is a feature and the way to compute it.
type definition struct {
	Feature
	value func(c *comparison) float64
}

// describe makes the schema of definitions that were computed with the constants; market is nil where
// they know no odds.
func describe(definitions []definition, constants parameters, market *marketParameters) Schema {
	var s Schema
	for _, d := range definitions {
		s.Features = append(s.Features, d.Feature)
	}
	text, err := json.Marshal(struct {
		Features  []Feature
		Constants parameters
		Market    *marketParameters `json:",omitempty"`
	}{s.Features, constants, market})
	if err != nil {
		panic(fmt.Sprintf("features: schema: %v", err)) // plain structs of strings and numbers
	}
	sum := sha256.Sum256(text)
	s.Hash = hex.EncodeToString(sum[:])
	return s
}

// defineMatch defines the features that know results and statistics alone.
func defineMatch() []definition {
	var all []definition
	add := func(group, name, unit string, value func(c *comparison) float64) {
		all = append(all, definition{Feature{Name: name, Unit: unit, Group: group}, value})
	}
	both := func(group, name, unit string, value func(s *standing) float64) {
		add(group, "home_"+name, unit, func(c *comparison) float64 { return value(&c.home) })
		add(group, "away_"+name, unit, func(c *comparison) float64 { return value(&c.away) })
	}
	rating := func(index int) func(*standing) float64 {
		return func(s *standing) float64 { return s.ratings[index] }
	}
	const factor = "log of league mean's multiple"

	add("elo", "elo_difference", "Elo points", func(c *comparison) float64 { return c.home.ratings[elo] - c.away.ratings[elo] })
	both("elo", "elo", "Elo points", rating(elo))
	add("pi", "pi_goal_difference", "goals", func(c *comparison) float64 {
		return piGoals(c.home.ratings[piHome]) - piGoals(c.away.ratings[piAway])
	})
	both("pi", "pi_at_home", "pi rating", rating(piHome))
	both("pi", "pi_away", "pi rating", rating(piAway))
	both("attack_defence", "attack", factor, rating(attack))
	both("attack_defence", "defence", factor, rating(defence))
	both("attack_defence", "attack_fast", factor, rating(attackFast))
	both("attack_defence", "defence_fast", factor, rating(defenceFast))
	for _, gap := range []struct {
		count string
		at    int
	}{{"shots_on_target", gapOnTarget}, {"shots", gapShots}} {
		add("gap", "home_gap_"+gap.count, factor, func(c *comparison) float64 {
			return logFactor((c.home.ratings[gap.at] + c.away.ratings[gap.at+3]) / 2)
		})
		add("gap", "away_gap_"+gap.count, factor, func(c *comparison) float64 {
			return logFactor((c.away.ratings[gap.at+2] + c.home.ratings[gap.at+1]) / 2)
		})
	}
	// Form at the venue where the side now plays.
	for count, name := range countNames {
		for _, allowed := range []bool{false, true} {
			name := "form_" + name
			if allowed {
				name += "_against"
			}
			if count == points && allowed {
				continue // what one side won tells what the other did
			}
			atHome, away := formIndex(atHome, count, allowed), formIndex(away, count, allowed)
			add("form", "home_"+name, factor, func(c *comparison) float64 { return logFactor(c.home.ratings[atHome]) })
			add("form", "away_"+name, factor, func(c *comparison) float64 { return logFactor(c.away.ratings[away]) })
		}
	}
	add("league", "league_home_goals", "log goals", func(c *comparison) float64 { return math.Log(c.means[goals][atHome]) })
	add("league", "league_away_goals", "log goals", func(c *comparison) float64 { return math.Log(c.means[goals][away]) })
	both("newcomer", "newcomer", "0 or 1", func(s *standing) float64 {
		if s.newcomer {
			return 1
		}
		return 0
	})
	both("rest", "rest", "days", func(s *standing) float64 { return s.rest })
	return all
}

// logFactor is the logarithm of a share of the league's mean, bounded so that a side that never
// had a shot stays finite.
func logFactor(share float64) float64 { return math.Log(max(share, .1)) }

// defineMarket defines the features that learn from the odds of earlier matches.
func defineMarket() []definition {
	const group = "past_odds"
	expectation := func(rating int) func(*comparison) float64 {
		return func(c *comparison) float64 {
			return c.home.ratings[rating] - c.away.ratings[rating] + c.market.home()
		}
	}
	return []definition{
		{Feature{"market_difference", "log odds ratio", group}, expectation(marketStrength)},
		{Feature{"market_difference_fast", "log odds ratio", group}, expectation(marketStrengthFast)},
		{Feature{"home_market_strength", "log odds ratio", group}, func(c *comparison) float64 { return c.home.ratings[marketStrength] }},
		{Feature{"away_market_strength", "log odds ratio", group}, func(c *comparison) float64 { return c.away.ratings[marketStrength] }},
		{Feature{"market_goals", "log odds", group}, func(c *comparison) float64 {
			return c.home.ratings[marketGoals] + c.away.ratings[marketGoals] + c.market.Goals
		}},
	}
}
