package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
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
	var date, models, state string
	var asJSON bool
	command := &cobra.Command{
		Use:     "predict HOME AWAY",
		Short:   "Predict a match between two teams",
		Example: "  footballprediction predict Arsenal Chelsea\n  footballprediction predict \"Bayern München\" dortmund --date 2026-12-05 --json",
		Args:    exactly(2),
	}
	command.Flags().StringVar(&date, "date", "", "day of the match, YYYY-MM-DD (default today)")
	command.Flags().BoolVar(&asJSON, "json", false, "print what the server would answer")
	sourceFlags(command, &models, &state)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := openEngine(cmd.Context(), parts{
			models: inference.NewFolderSource(models), state: state, logger: slog.New(slog.DiscardHandler),
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
