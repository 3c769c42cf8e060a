package features

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// A Recipe is a choice of features. It fixes what a vector holds and what the states of teams and
// leagues learn, so that vectors, states and models of one recipe are of no use to another. It never
// changes and is safe for concurrent use.
type Recipe struct {
	Name   string
	Schema Schema

	definitions []definition
	prefix      string // marks packed values: the first bytes of the schema's hash
	ratings     int    // how many of a side's ratings it keeps
	market      bool   // it learns from the odds of matches played
}

var (
	matchRecipe = newRecipe("match", defineMatch(), nil)
	// pastOddsRecipe is for those who have a history of odds and train models of their own.
	pastOddsRecipe = newRecipe("past-odds", append(defineMatch(), defineMarket()...), &marketConstants)

	recipes = []*Recipe{matchRecipe, pastOddsRecipe}
)

func newRecipe(name string, definitions []definition, market *marketParameters) *Recipe {
	r := &Recipe{Name: name, Schema: describe(definitions, constants, market), definitions: definitions, ratings: matchRatings}
	if market != nil {
		r.market, r.ratings = true, numRatings
	}
	prefix, err := hex.DecodeString(r.Schema.Hash[:16])
	if err != nil {
		panic(fmt.Sprintf("features: schema hash %q: %v", r.Schema.Hash, err)) // made by hex.EncodeToString
	}
	r.prefix = string(prefix)
	return r
}

// DefaultRecipe returns the recipe "match" of the released models: it knows results and statistics,
// and no odds.
func DefaultRecipe() *Recipe { return matchRecipe }

// Recipes returns all recipes, the default first.
func Recipes() []*Recipe { return slices.Clone(recipes) }

// FindRecipe returns the recipe of a name: "match", or "past-odds", which adds what the odds of earlier
// matches tell.
func FindRecipe(name string) (*Recipe, error) {
	return findRecipe("recipe", name, func(r *Recipe) string { return r.Name })
}

// Schemas returns the schemas of all recipes, the default first.
func Schemas() []Schema {
	var all []Schema
	for _, r := range recipes {
		all = append(all, r.Schema)
	}
	return all
}

// RecipeOfSchema returns the recipe whose schema has the hash.
func RecipeOfSchema(hash string) (*Recipe, error) {
	return findRecipe("feature schema", hash, func(r *Recipe) string { return r.Schema.Hash })
}

func findRecipe(what, want string, key func(*Recipe) string) (*Recipe, error) {
	var known []string
	for _, r := range recipes {
		if key(r) == want {
			return r, nil
		}
		known = append(known, key(r))
	}
	return nil, fmt.Errorf("%s: expected %s, got %q", what, strings.Join(known, " or "), want)
}

// LearnsOdds says whether the recipe's states learn from Played.Market.
func (r *Recipe) LearnsOdds() bool { return r.market }

// Compare computes the vector of a fixture between two clubs in a league from their states alone,
// into values if it has the capacity. The caller has checked that date lies behind all three
// states, which are of this recipe. It only reads its arguments.
func (r *Recipe) Compare(league *LeagueState, home, visitor *TeamState, season string, date Date, values []float32) Vector {
	c := comparisons.Get().(*comparison)
	defer comparisons.Put(c)
	home.stand(&c.home, league, season, date)
	visitor.stand(&c.away, league, season, date)
	c.means, c.market = &league.Means, league.Market
	v := Vector{
		Values:   values[:0],
		AsOf:     max(league.AsOf, home.AsOf, visitor.AsOf),
		Unlinked: c.home.country != c.away.country,
	}
	for i := range r.definitions {
		v.Values = append(v.Values, float32(r.definitions[i].value(c)))
	}
	return v
}
