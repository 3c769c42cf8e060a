package features

import "math"

// Market is what bookmakers thought of a match before it: their odds as probabilities, the margin
// taken off. Its zero value knows nothing.
type Market struct {
	Home, Away float64 // of a win; 0 where not known
	Over       float64 // of more than 2.5 goals; 0 where not known
}

// leagueMarket is what the sides of a league have in common in the eyes of bookmakers. The zero value
// is a league of which no odds were seen.
type leagueMarket struct {
	Home  float64 `json:"home"`  // log odds ratio of the home side's win, beyond marketConstants.Home
	Goals float64 `json:"goals"` // log odds of more than 2.5 goals
}

func (m *leagueMarket) home() float64 { return marketConstants.Home + m.Home }

// updateMarket moves both sides' ratings and the league's common part towards what the odds of a match
// said. With s = ln(p_home/p_away): e = s−(m_i−m_j+h); m_i += k·e; m_j −= k·e; h += r·e. With
// t = logit p_over: e = t−(q_i+q_j+c); q += k·e; c += r·e.
func updateMarket(home, visitor *ratings, league *leagueMarket, odds Market) {
	if p, q := odds.Home, odds.Away; probability(p) && probability(q) {
		seen := widest(math.Log(p / q))
		common := league.home()
		league.Home += marketConstants.LeagueRate * (seen - (home[marketStrength] - visitor[marketStrength] + common))
		for _, rating := range [...]struct {
			index int
			rate  float64
		}{{marketStrength, marketConstants.Rate}, {marketStrengthFast, marketConstants.RateFast}} {
			change := rating.rate * (seen - (home[rating.index] - visitor[rating.index] + common))
			home[rating.index] += change
			visitor[rating.index] -= change
		}
	}
	if p := odds.Over; probability(p) {
		e := widest(math.Log(p/(1-p))) - (home[marketGoals] + visitor[marketGoals] + league.Goals)
		home[marketGoals] += marketConstants.GoalsRate * e
		visitor[marketGoals] += marketConstants.GoalsRate * e
		league.Goals += marketConstants.LeagueRate * e
	}
}

// probability says whether p is one that odds can mean: what is certain has none.
func probability(p float64) bool { return p > 0 && p < 1 }

func widest(logOdds float64) float64 {
	return min(max(logOdds, -marketConstants.Widest), marketConstants.Widest)
}
