package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
)

func simulateCommand() *cobra.Command {
	var models, state, date string
	var data []string
	var asJSON bool
	request := new(pb.SimulateSeasonRequest)
	command := &cobra.Command{
		Use:   "simulate COMPETITION",
		Short: "Simulate the rest of a league's season and print how it ends",
		Long: `Plays the matches to come of a league many times and prints, for every club, the share of the
seasons in which it comes first, goes up or down, and the points that it ends with. The same seed
gives the same table.

With --data and --date it is answered as on the evening of that day, from the history alone: what was
played later is simulated, and how the season ended is printed beside it. A model that has been
trained on that season knew a little of it.`,
		Example: "  footballprediction simulate E0\n  footballprediction simulate D1 --seasons 1000000 --seed 7 --json\n  footballprediction simulate SP1 --data history --date 2025-01-10",
		Args:    exactly(1),
	}
	flags := command.Flags()
	flags.StringVar(&request.Season, "season", "", "season, such as 2026-27 (default the one with matches to come, or else the latest)")
	flags.Int32Var(&request.Simulations, "seasons", 100_000, "how many seasons are simulated, 1 to 1000000")
	flags.Uint64Var(&request.Seed, "seed", 1, "chooses the random numbers")
	flags.StringArrayVar(&data, "data", nil, "folder or file of match history, beside --date; may be given several times")
	flags.StringVar(&date, "date", "", "past day, YYYY-MM-DD, beside --data")
	flags.BoolVar(&asJSON, "json", false, "print what the server would answer")
	sourceFlags(command, &models, &state)
	command.RunE = func(cmd *cobra.Command, args []string) error {
		request.Competition = args[0]
		if request.Simulations < 1 { // 0 would mean the default
			return usagef("--seasons: expected 1 to 1000000, got %d", request.Simulations)
		}
		var response *pb.SimulateSeasonResponse
		var ended map[string]int
		var err error
		switch {
		case (date == "") != (len(data) == 0):
			return usagef("expected --data and --date together, or neither")
		case date != "":
			response, ended, err = simulatePast(cmd, request, data, date, models)
		default:
			response, err = simulateState(cmd, request, models, state)
		}
		if err != nil {
			return callerError(err)
		}
		if asJSON {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), protojson.MarshalOptions{Multiline: true, Indent: "  "}.Format(response))
			return err
		}
		return printSeason(cmd.OutOrStdout(), response, ended)
	}
	return command
}

// simulateState answers a request from a state.
func simulateState(cmd *cobra.Command, request *pb.SimulateSeasonRequest, models, state string) (*pb.SimulateSeasonResponse, error) {
	e, err := openEngine(cmd.Context(), parts{
		models: inference.NewFolderSource(models, nil), state: state, logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	bar := newProgress(cmd.ErrOrStderr(), "simulating")
	response, err := e.service.Simulate(cmd.Context(), request, bar.update)
	bar.finish()
	return response, closing(err, e.registry)
}

// zoneTitles head the columns of the zones that the leagues are known for.
var zoneTitles = map[string]string{
	"promotion": "up", "promotion_playoff": "play-off up", "relegation_playoff": "play-off down", "relegation": "down",
}

// printSeason prints the table of the expected points, and where the clubs ended if that is known.
func printSeason(out io.Writer, r *pb.SimulateSeasonResponse, ended map[string]int) error {
	fmt.Fprintf(out, "%s, %s: %d matches played, %d to come, %d seasons with seed %d\n\n",
		r.Competition.Name, r.Season, r.MatchesPlayed, r.MatchesRemaining, r.Simulations, r.Seed)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "now\tpoints\texpected\t5% – 95%\tfirst\t")
	for _, zone := range r.Zones {
		fmt.Fprintf(w, "%s\t", cmp.Or(zoneTitles[zone.Name], zone.Name))
	}
	if ended != nil {
		fmt.Fprint(w, "ended\t")
	}
	fmt.Fprintln(w, "  club") // behind the last tab nothing is aligned
	for _, team := range r.Teams {
		p := team.Points
		fmt.Fprintf(w, "%d\t%d\t%.1f\t%d – %d\t%s\t", team.Row.Position, team.Row.Points, p.Mean, p.Quantile_05, p.Quantile_95, share(team.TitleProbability))
		for _, probability := range team.ZoneProbabilities {
			fmt.Fprintf(w, "%s\t", share(probability))
		}
		if ended != nil {
			fmt.Fprintf(w, "%d\t", ended[team.Row.Team.TeamId])
		}
		fmt.Fprintf(w, "  %s\n", team.Row.Team.Name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if r.Model != nil {
		fmt.Fprintf(w, "Model\t%s version %s\n", r.Model.Name, r.Model.Version)
		stale := ""
		if r.FeatureStatus == pb.FeatureStatus_FEATURE_STATUS_STALE {
			stale = " (stale)"
		}
		fmt.Fprintf(w, "Results known to\t%s%s\n", r.FeaturesAsOf.AsTime().Format("2 January 2006"), stale)
	}
	var beware []string
	if r.Illustrative {
		beware = append(beware, "no fixture list is known: the clubs last known meet each other twice")
	}
	for _, d := range r.Degradations {
		beware = append(beware, cmp.Or(d.Detail, d.Reason))
	}
	if len(beware) > 0 {
		fmt.Fprintf(w, "Beware\t%s\n", strings.Join(beware, "; "))
	}
	return w.Flush()
}

// share is a probability as a percentage that tells the rare from the impossible.
func share(p float64) string {
	switch {
	case p == 0:
		return "–"
	case p < .001:
		return "<0.1%"
	case p > .999 && p < 1:
		return ">99.9%"
	}
	return fmt.Sprintf("%.1f%%", 100*p)
}
