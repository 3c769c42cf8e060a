package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"footballprediction/features"
	"footballprediction/features/collect"
	"footballprediction/serving"
	"footballprediction/serving/scoreline"
)

// judge compares forecasts with what happened, and with what others thought of the same matches.
type judge struct {
	matches int
	all     verdict
	leagues map[string]*verdict
	rivals  map[string]*rival // bookmakers, by name
}

// verdict is how good forecasts of some matches were, and their leagues' base rates.
type verdict struct {
	model     serving.Quality
	over      []float64 // log loss of more than 2.5 goals or not
	score     []float64 // negative log likelihood of the final score
	baseRates rival
}

// rival holds the scores of another forecaster and of the model on the matches that both have, in one
// order.
type rival struct{ rps, logLoss, over pair }

type pair struct{ model, other []float64 }

func (p *pair) add(model, other float64) {
	p.model, p.other = append(p.model, model), append(p.other, other)
}

// add takes the model's grid of a match, the base rates of its league before it, and the odds on it.
func (j *judge) add(grid *scoreline.Grid, m *features.Played, base serving.Forecast, odds []collect.Odds) error {
	j.matches++
	league := j.leagues[m.Competition]
	if league == nil {
		if j.leagues == nil {
			j.leagues, j.rivals = map[string]*verdict{}, map[string]*rival{}
		}
		league = &verdict{}
		j.leagues[m.Competition] = league
	}
	outcome := serving.OutcomeOf(int(m.HomeGoals), int(m.AwayGoals))
	var forecast serving.Forecast
	forecast.Home, forecast.Draw, forecast.Away = grid.MatchResult()
	isOver := m.HomeGoals+m.AwayGoals > 2
	goals := grid.TotalGoals()
	over := goals.At(2.5).Over
	// The grid ends at ten goals: more are taken for ten.
	score := grid.At(min(int(m.HomeGoals), scoreline.MaxGoals), min(int(m.AwayGoals), scoreline.MaxGoals))
	for _, v := range []*verdict{&j.all, league} {
		if err := v.model.Add(forecast, outcome); err != nil {
			return err
		}
		v.over = append(v.over, logLoss(over, isOver))
		v.score = append(v.score, logLoss(score, true))
		v.baseRates.add(forecast, base, outcome)
	}
	for i := range odds {
		j.addOdds(&odds[i], forecast, outcome, over, isOver)
	}
	return nil
}

func (j *judge) addOdds(o *collect.Odds, forecast serving.Forecast, outcome serving.Outcome, over float64, isOver bool) {
	name := o.Bookmaker
	if o.Closing {
		name = strings.TrimSuffix(name, "C") + " closing"
	}
	r := j.rivals[name]
	if r == nil {
		r = &rival{}
		j.rivals[name] = r
	}
	// What is no book, the reader has counted.
	if fair, err := serving.DeVig(o.Home, o.Draw, o.Away); err == nil {
		r.add(forecast, fair, outcome)
	}
	if fair, err := serving.DeVigOver(o.Over, o.Under); err == nil {
		r.over.add(logLoss(over, isOver), logLoss(fair, isOver))
	}
}

func (r *rival) add(model, other serving.Forecast, outcome serving.Outcome) {
	r.rps.add(model.RPS(outcome), other.RPS(outcome))
	r.logLoss.add(model.LogLoss(outcome), other.LogLoss(outcome))
}

// logLoss is minus the logarithm of the probability given to what happened, at least 1e-15.
func logLoss(p float64, happened bool) float64 {
	if !happened {
		p = 1 - p
	}
	return -math.Log(max(p, 1e-15))
}

// print writes the figures; lower scores are better, and a difference above 0 means that the other was.
func (j *judge) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	s := j.all.model.Summary()
	fmt.Fprintf(w, "\nmatches\t%d\n", s.Matches)
	for _, figure := range []struct {
		name  string
		value float64
	}{
		{"RPS", s.RPS}, {"log loss", s.LogLoss}, {"Brier", s.Brier}, {"accuracy", s.Accuracy}, {"ECE", s.ECE},
		{"home-win accuracy", s.HomeWin.Accuracy}, {"home-win precision", s.HomeWin.Precision},
		{"home-win recall", s.HomeWin.Recall}, {"home-win F1", s.HomeWin.F1}, {"home-win AUC", s.HomeWin.AUC},
		{"over 2.5 log loss", mean(j.all.over)}, {"exact score NLL", mean(j.all.score)},
	} {
		fmt.Fprintf(w, "%s\t%.4f\n", figure.name, figure.value)
	}
	if err := j.printLeagues(w); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nagainst\tmatches\tscore\tmodel\tother\tmodel − other\t95% interval")
	if err := j.all.baseRates.print(w, "league's base rates"); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(j.rivals)) {
		if err := j.rivals[name].print(w, name); err != nil {
			return err
		}
	}
	return w.Flush()
}

// printLeagues writes a line for each league, where there are several.
func (j *judge) printLeagues(w io.Writer) error {
	if len(j.leagues) < 2 {
		return nil
	}
	fmt.Fprintln(w, "\nleague\tmatches\tRPS\tlog loss\taccuracy\tECE\tover 2.5\tscore\tRPS − base rates\t95% interval")
	for _, code := range slices.Sorted(maps.Keys(j.leagues)) {
		v := j.leagues[code]
		s := v.model.Summary()
		difference, err := serving.Bootstrap{}.Paired(v.baseRates.rps.model, v.baseRates.rps.other)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%d\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t%.4f\t%+.4f\t%+.4f to %+.4f\n", code, s.Matches, s.RPS, s.LogLoss, s.Accuracy, s.ECE,
			mean(v.over), mean(v.score), difference.Mean, difference.Low, difference.High)
	}
	return nil
}

func (r *rival) print(w io.Writer, name string) error {
	for _, score := range []struct {
		name string
		pair
	}{{"RPS", r.rps}, {"log loss", r.logLoss}, {"over 2.5", r.over}} {
		if len(score.model) == 0 {
			continue
		}
		difference, err := serving.Bootstrap{}.Paired(score.model, score.other)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%.4f\t%.4f\t%+.4f\t%+.4f to %+.4f\n", name, difference.Matches, score.name,
			mean(score.model), mean(score.other), difference.Mean, difference.Low, difference.High)
	}
	return nil
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// baseRates are how often home win, draw and away win came in each league before a date.
type baseRates struct {
	counts  map[string]*[3]float64
	pending []*features.Played // of the last date, which they do not know yet
}

// before returns the rates of the match's league before its date. Matches come in the order of dates.
func (b *baseRates) before(m *features.Played) serving.Forecast {
	if b.counts == nil {
		b.counts = map[string]*[3]float64{}
	}
	if len(b.pending) > 0 && b.pending[0].Date != m.Date {
		for _, past := range b.pending {
			b.of(past)[serving.OutcomeOf(int(past.HomeGoals), int(past.AwayGoals))]++
		}
		b.pending = b.pending[:0]
	}
	b.pending = append(b.pending, m)
	c := b.of(m)
	sum := c[0] + c[1] + c[2]
	return serving.Forecast{Home: c[0] / sum, Draw: c[1] / sum, Away: c[2] / sum}
}

// of returns the counts of the match's league, which begin with ten matches of football as it mostly is.
func (b *baseRates) of(m *features.Played) *[3]float64 {
	if b.counts[m.Competition] == nil {
		b.counts[m.Competition] = &[3]float64{4.5, 2.7, 2.8}
	}
	return b.counts[m.Competition]
}
