package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
	"footballprediction/serving"
)

func predictCommand() *cobra.Command {
	var date, odds, models, state string
	var explain, asJSON bool
	command := &cobra.Command{
		Use:     "predict HOME AWAY",
		Short:   "Predict a match between two teams",
		Example: "  footballprediction predict Arsenal Chelsea\n  footballprediction predict \"Bayern München\" dortmund --date 2026-12-05 --json\n  footballprediction predict Inter \"AC Milan\" --odds 2.1,3.4,3.6 --explain",
		Args:    exactly(2),
	}
	command.Flags().StringVar(&date, "date", "", "day of the match, YYYY-MM-DD (default today)")
	command.Flags().StringVar(&odds, "odds", "", "decimal odds HOME,DRAW,AWAY, which take the place of what the model says of the result")
	command.Flags().BoolVar(&explain, "explain", false, "print how far each group of features moved the model")
	command.Flags().BoolVar(&asJSON, "json", false, "print what the server would answer")
	sourceFlags(command, &models, &state)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		told, err := parseOdds(odds)
		if err != nil {
			return err
		}
		e, err := openEngine(cmd.Context(), parts{
			models: inference.NewFolderSource(models, nil), state: state, logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		response, err := e.service.Predict(cmd.Context(), &pb.PredictRequest{
			Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{HomeTeam: args[0], AwayTeam: args[1], Date: date}},
			Markets: []pb.Market{
				pb.Market_MARKET_MATCH_RESULT, pb.Market_MARKET_DOUBLE_CHANCE, pb.Market_MARKET_TOTAL_GOALS,
				pb.Market_MARKET_BOTH_TEAMS_TO_SCORE, pb.Market_MARKET_CORRECT_SCORE,
			},
			Odds: told, Explain: explain,
		})
		if err = closing(err, e.registry); err != nil {
			return callerError(err)
		}
		if asJSON {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), protojson.MarshalOptions{Multiline: true, Indent: "  "}.Format(response))
			return err
		}
		return printPrediction(cmd.OutOrStdout(), response.Prediction)
	}
	return command
}

// parseOdds reads the odds of the command line, nil where there are none.
func parseOdds(text string) (*pb.Odds, error) {
	if text == "" {
		return nil, nil
	}
	var odds []float64
	for part := range strings.SplitSeq(text, ",") {
		value, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return nil, usagef("--odds: expected three decimal numbers HOME,DRAW,AWAY, such as 2.1,3.4,3.6, got %q", text)
		}
		odds = append(odds, value)
	}
	if len(odds) != 3 {
		return nil, usagef("--odds: expected three decimal numbers HOME,DRAW,AWAY, such as 2.1,3.4,3.6, got %d", len(odds))
	}
	return &pb.Odds{Home: odds[0], Draw: odds[1], Away: odds[2]}, nil
}

// sourceFlags are the flags of commands that answer from models and states without a server.
func sourceFlags(command *cobra.Command, models, state *string) {
	command.Flags().StringVar(models, "models", "", "folder of models (default the released ones)")
	command.Flags().StringVar(state, "state", "", "folder of team states (default the released one)")
	command.PreRunE = func(*cobra.Command, []string) (err error) {
		if *models == "" {
			if *models, err = releasedModels(); err != nil {
				return err
			}
		}
		if *state == "" {
			*state, err = releasedState()
		}
		return err
	}
}

// callerError makes an error that the service blames on its caller one of the command line.
func callerError(err error) error {
	var e *serving.Error
	if errors.As(err, &e) && (e.Code == codes.InvalidArgument || e.Code == codes.NotFound) {
		return usageError{err}
	}
	return err
}

// printPrediction prints what a person wants to know.
func printPrediction(out io.Writer, p *pb.Prediction) error {
	match := p.Match
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s – %s, %s, %s\n\n", match.HomeTeam.Name, match.AwayTeam.Name, match.Competition, match.Kickoff.AsTime().Format("2 January 2006"))
	for _, outcome := range []struct {
		name        string
		probability float64
	}{
		{match.HomeTeam.Name, p.MatchResult.HomeProbability},
		{"Draw", p.MatchResult.DrawProbability},
		{match.AwayTeam.Name, p.MatchResult.AwayProbability},
	} {
		fmt.Fprintf(w, "%s\t%5.1f%%\t%s\n", outcome.name, 100*outcome.probability, strings.Repeat("█", int(40*outcome.probability+.5)))
	}
	fmt.Fprintf(w, "\nExpected goals\t%.2f – %.2f\n", p.ExpectedGoals.Home, p.ExpectedGoals.Away)
	for _, market := range p.Markets {
		switch market.Market {
		case pb.Market_MARKET_TOTAL_GOALS:
			for _, s := range market.Selections {
				if s.Name == "over" && s.GetLine() == 2.5 {
					fmt.Fprintf(w, "Over 2.5 goals\t%.1f%%\n", 100*s.Probability)
				}
			}
		case pb.Market_MARKET_BOTH_TEAMS_TO_SCORE:
			fmt.Fprintf(w, "Both teams score\t%.1f%%\n", 100*market.Selections[0].Probability)
		case pb.Market_MARKET_CORRECT_SCORE:
			scores := slices.SortedStableFunc(slices.Values(market.Selections), func(a, b *pb.Selection) int {
				return cmp.Compare(b.Probability, a.Probability)
			})
			var likeliest []string
			for _, s := range scores[:5] {
				likeliest = append(likeliest, fmt.Sprintf("%s %.1f%%", s.Name, 100*s.Probability))
			}
			fmt.Fprintf(w, "Likeliest scores\t%s\n", strings.Join(likeliest, ", "))
		}
	}
	printExplanation(w, p.Explanation)
	fmt.Fprintf(w, "\nModel\t%s version %s\n", p.Model.Name, p.Model.Version)
	stale := ""
	if p.FeatureStatus == pb.FeatureStatus_FEATURE_STATUS_STALE {
		stale = " (stale)"
	}
	fmt.Fprintf(w, "Results known to\t%s%s\n", p.FeaturesAsOf.AsTime().Format("2 January 2006"), stale)
	for _, d := range p.Degradations {
		fmt.Fprintf(w, "Beware\t%s\n", cmp.Or(d.Detail, d.Reason))
	}
	return w.Flush()
}

// printExplanation prints an average match, what each group of features added to it, and the match as
// the model has it: percentages, and goals.
func printExplanation(out io.Writer, e *pb.Explanation) {
	if e == nil {
		return
	}
	const (
		header  = "home     draw     away     goals"
		whole   = "%5.1f%%   %5.1f%%   %5.1f%%   %5.2f – %.2f"
		effects = "%+5.1f    %+5.1f    %+5.1f    %+5.2f, %+.2f"
	)
	line := func(name, format string, v [5]float64) {
		fmt.Fprintf(out, "%s\t"+format+"\n", name, 100*v[0], 100*v[1], 100*v[2], v[3], v[4])
	}
	r, g := e.BaselineMatchResult, e.BaselineExpectedGoals
	sum := [5]float64{r.HomeProbability, r.DrawProbability, r.AwayProbability, g.Home, g.Away}
	fmt.Fprintf(out, "\nWhy\t  %s\n", header)
	line("An average match", whole, sum)
	for _, effect := range e.Effects {
		moved := [5]float64{effect.HomeEffect, effect.DrawEffect, effect.AwayEffect, effect.HomeGoalsEffect, effect.AwayGoalsEffect}
		line("  "+effect.Group, effects, moved)
		for i := range sum {
			sum[i] += moved[i]
		}
	}
	line("The model", whole, sum)
}
