package serving

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Outcome is how a match ended. Its values are the positions of a model's three probabilities.
type Outcome uint8

// The outcomes, in the order in which the ranked probability score ranks them.
const (
	HomeWin Outcome = iota
	Draw
	AwayWin
)

// OutcomeOf is the outcome of a final score.
func OutcomeOf(homeGoals, awayGoals int) Outcome {
	switch {
	case homeGoals > awayGoals:
		return HomeWin
	case homeGoals < awayGoals:
		return AwayWin
	default:
		return Draw
	}
}

// Forecast is the probabilities of the three outcomes, which sum to 1.
type Forecast struct{ Home, Draw, Away float64 }

// forecastSumTolerance is what float32, or a file of four decimals, leaves of a difference to 1.
const forecastSumTolerance = 1e-4

func (f Forecast) check() error {
	for _, p := range [...]struct {
		name  string
		value float64
	}{{"home", f.Home}, {"draw", f.Draw}, {"away", f.Away}} {
		if !(p.value >= 0 && p.value <= 1) {
			return fmt.Errorf("%s probability: want a number from 0 to 1, got %v", p.name, p.value)
		}
	}
	if sum := f.Home + f.Draw + f.Away; !(math.Abs(sum-1) <= forecastSumTolerance) {
		return fmt.Errorf("home, draw and away probabilities: want a sum of 1, got %v", sum)
	}
	return nil
}

// Of is the probability that f gave to an outcome.
func (f Forecast) Of(o Outcome) float64 {
	switch o {
	case HomeWin:
		return f.Home
	case Draw:
		return f.Draw
	default:
		return f.Away
	}
}

// Likeliest is the outcome of the highest probability; of equal ones, the first.
func (f Forecast) Likeliest() Outcome {
	switch {
	case f.Home >= f.Draw && f.Home >= f.Away:
		return HomeWin
	case f.Draw >= f.Away:
		return Draw
	default:
		return AwayWin
	}
}

// RPS is the ranked probability score of f given what happened, from 0 (best) to 1:
// ½·[(home−h)² + (home+draw−h−d)²], where h and d are 1 if that happened and 0 if not.
func (f Forecast) RPS(o Outcome) float64 {
	var h, hd float64
	if o == HomeWin {
		h = 1
	}
	if o != AwayWin {
		hd = 1
	}
	first, second := f.Home-h, f.Home+f.Draw-hd
	return (first*first + second*second) / 2
}

// logLossFloor keeps one impossible outcome from making every mean infinite: it costs 34.5.
const logLossFloor = 1e-15

// LogLoss is minus the natural logarithm of the probability that f gave to what happened, which is
// taken to be at least 1e-15.
func (f Forecast) LogLoss(o Outcome) float64 { return -math.Log(max(f.Of(o), logLossFloor)) }

// Brier is the squared error summed over the three outcomes, from 0 (best) to 2.
func (f Forecast) Brier(o Outcome) float64 {
	var sum float64
	for class := HomeWin; class <= AwayWin; class++ {
		miss := f.Of(class)
		if class == o {
			miss--
		}
		sum += miss * miss
	}
	return sum
}

const (
	// calibrationBins divide [0,1] evenly for the calibration error; the last one includes 1.
	calibrationBins = 10
	// homeWinThreshold is the least probability that counts as a forecast of a home win.
	homeWinThreshold = 0.5
)

// Quality gathers forecasts and what happened, and says how good they were. The zero Quality is
// empty and ready. It keeps 16 bytes a match, and is not safe for concurrent use.
type Quality struct {
	rps, logLoss, brier float64 // sums
	hits                int
	bins                [3][calibrationBins]struct {
		matches, happened int
		probability       float64 // sum
	}
	homeWins []homeWin
}

// homeWin is one match as seen by those who only ask whether the home team won.
type homeWin struct {
	probability float64
	happened    bool
}

// Add takes one match. A forecast that is no distribution and an unknown outcome are errors, and
// are not counted.
func (q *Quality) Add(f Forecast, o Outcome) error {
	if err := f.check(); err != nil {
		return err
	}
	if o > AwayWin {
		return fmt.Errorf("outcome: want 0 (home win), 1 (draw) or 2 (away win), got %d", o)
	}
	q.rps += f.RPS(o)
	q.logLoss += f.LogLoss(o)
	q.brier += f.Brier(o)
	if f.Likeliest() == o {
		q.hits++
	}
	for class := HomeWin; class <= AwayWin; class++ {
		p := f.Of(class)
		bin := &q.bins[class][min(int(p*calibrationBins), calibrationBins-1)]
		bin.matches++
		bin.probability += p
		if class == o {
			bin.happened++
		}
	}
	q.homeWins = append(q.homeWins, homeWin{f.Home, o == HomeWin})
	return nil
}

// QualitySummary is how good a set of forecasts was. All its numbers are finite: without matches
// they are 0, but for the AUC.
type QualitySummary struct {
	Matches int `json:"matches"`
	// RPS, LogLoss and Brier are means of the scores that Forecast defines; lower is better.
	RPS     float64 `json:"rps"`
	LogLoss float64 `json:"log_loss"`
	Brier   float64 `json:"brier"`
	// Accuracy is the share of matches whose likeliest outcome happened.
	Accuracy float64 `json:"accuracy"`
	// ECE is the expected calibration error: how far the mean probability and the frequency lie
	// apart in each of ten bins of equal width, weighted by their matches; the mean of the three
	// outcomes.
	ECE     float64        `json:"ece"`
	HomeWin HomeWinQuality `json:"home_win"`
}

// HomeWinQuality is how good the forecasts were as answers to "does the home team win?", where a
// probability of .5 or more is a yes. AUC needs no threshold.
type HomeWinQuality struct {
	Accuracy float64 `json:"accuracy"`
	// Precision is the share of the yeses that were right; 0 where there was none.
	Precision float64 `json:"precision"`
	// Recall is the share of the home wins that were foretold; 0 where there was none.
	Recall float64 `json:"recall"`
	// F1 is the harmonic mean of precision and recall; 0 where both are.
	F1 float64 `json:"f1"`
	// AUC is the probability that a match that the home team won had a higher probability of it than
	// one that it did not win, equal ones counting half; .5 where there are none of either kind.
	AUC float64 `json:"auc"`
}

// Summary is the quality of what was added so far.
func (q *Quality) Summary() QualitySummary {
	n := len(q.homeWins)
	s := QualitySummary{Matches: n, HomeWin: summariseHomeWins(q.homeWins)}
	if n == 0 {
		return s
	}
	matches := float64(n)
	s.RPS, s.LogLoss, s.Brier = q.rps/matches, q.logLoss/matches, q.brier/matches
	s.Accuracy = float64(q.hits) / matches
	for class := range q.bins {
		for _, bin := range q.bins[class] {
			s.ECE += math.Abs(bin.probability-float64(bin.happened)) / matches
		}
	}
	s.ECE /= float64(len(q.bins))
	return s
}

func summariseHomeWins(all []homeWin) HomeWinQuality {
	var yes, rightYes, won, right int
	for _, m := range all {
		foretold := m.probability >= homeWinThreshold
		if foretold {
			yes++
		}
		if m.happened {
			won++
		}
		if foretold && m.happened {
			rightYes++
		}
		if foretold == m.happened {
			right++
		}
	}
	return HomeWinQuality{
		Accuracy:  share(right, len(all)),
		Precision: share(rightYes, yes),
		Recall:    share(rightYes, won),
		F1:        share(2*rightYes, yes+won),
		AUC:       areaUnderCurve(all),
	}
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// areaUnderCurve is that of the receiver operating characteristic, from the ranks of the home wins
// (Mann-Whitney). Equal probabilities share the mean of their ranks.
func areaUnderCurve(all []homeWin) float64 {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b homeWin) int { return cmp.Compare(a.probability, b.probability) })
	var won, rankSum float64
	for i := 0; i < len(sorted); {
		end, wonHere := i, 0.0
		for end < len(sorted) && sorted[end].probability == sorted[i].probability {
			if sorted[end].happened {
				wonHere++
			}
			end++
		}
		won += wonHere
		rankSum += wonHere * float64(i+1+end) / 2 // ranks i+1 to end
		i = end
	}
	notWon := float64(len(sorted)) - won
	if won == 0 || notWon == 0 {
		return 0.5
	}
	return (rankSum - won*(won+1)/2) / (won * notWon)
}
