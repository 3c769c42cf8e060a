package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"footballprediction/features/collect"
	"footballprediction/serving"
)

// judge compares forecasts with what happened, and with what bookmakers thought of the same matches.
type judge struct {
	matches int
	model   serving.Quality
	books   map[string]*pairedBook // by bookmaker
}

// pairedBook holds the scores of a bookmaker and of the model on the matches that the bookmaker had
// odds on, in one order.
type pairedBook struct {
	modelRPS, bookRPS         []float64
	modelLogLoss, bookLogLoss []float64
}

func (j *judge) add(forecast serving.Forecast, outcome serving.Outcome, odds []collect.Odds) error {
	j.matches++
	if err := j.model.Add(forecast, outcome); err != nil {
		return err
	}
	for _, o := range odds {
		fair, err := serving.DeVig(o.Home, o.Draw, o.Away)
		if err != nil {
			continue // no book; the reader has counted it
		}
		name := o.Bookmaker
		if o.Closing {
			name = strings.TrimSuffix(name, "C") + " closing"
		}
		b := j.books[name]
		if b == nil {
			if j.books == nil {
				j.books = map[string]*pairedBook{}
			}
			b = &pairedBook{}
			j.books[name] = b
		}
		b.modelRPS, b.bookRPS = append(b.modelRPS, forecast.RPS(outcome)), append(b.bookRPS, fair.RPS(outcome))
		b.modelLogLoss, b.bookLogLoss = append(b.modelLogLoss, forecast.LogLoss(outcome)), append(b.bookLogLoss, fair.LogLoss(outcome))
	}
	return nil
}

// print writes the figures; lower RPS and log loss are better, and a difference above 0 means that
// the bookmaker was better.
func (j *judge) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	s := j.model.Summary()
	fmt.Fprintf(w, "\nmatches\t%d\n", s.Matches)
	for _, figure := range []struct {
		name  string
		value float64
	}{
		{"RPS", s.RPS}, {"log loss", s.LogLoss}, {"Brier", s.Brier}, {"accuracy", s.Accuracy}, {"ECE", s.ECE},
		{"home-win accuracy", s.HomeWin.Accuracy}, {"home-win precision", s.HomeWin.Precision},
		{"home-win recall", s.HomeWin.Recall}, {"home-win F1", s.HomeWin.F1}, {"home-win AUC", s.HomeWin.AUC},
	} {
		fmt.Fprintf(w, "%s\t%.4f\n", figure.name, figure.value)
	}
	if len(j.books) > 0 {
		fmt.Fprintln(w, "\nagainst odds\tmatches\tscore\tmodel\todds\tmodel − odds\t95% interval")
	}
	for _, name := range slices.Sorted(maps.Keys(j.books)) {
		b := j.books[name]
		for _, score := range []struct {
			name        string
			model, book []float64
		}{{"RPS", b.modelRPS, b.bookRPS}, {"log loss", b.modelLogLoss, b.bookLogLoss}} {
			difference, err := serving.Bootstrap{}.Paired(score.model, score.book)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%.4f\t%.4f\t%+.4f\t%+.4f to %+.4f\n", name, difference.Matches, score.name,
				mean(score.model), mean(score.book), difference.Mean, difference.Low, difference.High)
		}
	}
	return w.Flush()
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
