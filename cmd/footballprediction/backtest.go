package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/inference"
	"footballprediction/serving"
)

func backtestCommand() *cobra.Command {
	var data []string
	var from, to, modelDir, outFile, bookmaker string
	var inSample bool
	command := &cobra.Command{
		Use:   "backtest --data DIR... --from DATE --to DATE --out FILE.csv",
		Short: "Predict the past as it would have been predicted then, and judge the forecasts",
		Long: `Replays match history in the order of time through the feature code and the sessions that serve,
predicts every match in the window from what was known before its date, writes a row per match, and
prints how good the forecasts were. What is known comes from --data alone; odds, where the files
have any, are only compared with, unless --with-odds has them sent along as a caller would send them.
A model of the recipe past-odds learns from the odds of earlier matches as it was trained to.`,
		Example: "  footballprediction backtest --data history --from 2024-07-01 --to 2025-06-30 --model models/released/match-outcome/1 --out 2024-25.csv",
	}
	flags := command.Flags()
	flags.StringArrayVar(&data, "data", nil, "folder or file of match history, CSV or openfootball's JSON; may be given several times")
	flags.StringVar(&from, "from", "", "first day to predict, YYYY-MM-DD")
	flags.StringVar(&to, "to", "", "last day to predict, YYYY-MM-DD")
	flags.StringVar(&modelDir, "model", "", "folder of one model version (default the released champion)")
	flags.StringVar(&outFile, "out", "", "file of predictions to write, CSV")
	flags.StringVar(&bookmaker, "with-odds", "", "send this bookmaker's odds, such as B365 or PSC, with each request that it has a match of")
	flags.BoolVar(&inSample, "in-sample", false, "allow matches that the model was trained on, and say so everywhere")
	command.RunE = func(cmd *cobra.Command, args []string) (err error) {
		b := backtest{inSample: inSample, bookmaker: bookmaker}
		if b.from, err = features.ParseDate(from); err != nil {
			return usagef("--from: %w", err)
		}
		if b.to, err = features.ParseDate(to); err != nil {
			return usagef("--to: %w", err)
		}
		if b.to < b.from {
			return usagef("--to: expected %s or later, got %s", b.from, b.to)
		}
		if outFile == "" {
			return usagef("--out: expected a file to write, got none")
		}
		if err := checkWritable("out", outFile); err != nil {
			return err
		}
		var registry *inference.Registry
		if registry, b.handle, err = openVersion(cmd, modelDir); err != nil {
			return err
		}
		err = b.run(cmd, append(data, args...), outFile)
		b.handle.Release()
		return closing(err, registry)
	}
	return command
}

// openVersion loads the version in a folder, or the released champion where none is named.
func openVersion(cmd *cobra.Command, dir string) (*inference.Registry, inference.Handle, error) {
	var source inference.Source = oneVersion{dir}
	if dir == "" {
		models, err := releasedModels()
		if err != nil {
			return nil, inference.Handle{}, err
		}
		source = inference.NewFolderSource(models, nil)
	}
	registry, err := openRegistry(cmd.Context(), source, features.Schemas()...)
	if err != nil {
		return nil, inference.Handle{}, err
	}
	handle, err := registry.Acquire(serving.DefaultModel, "")
	if err != nil {
		return nil, handle, closing(err, registry)
	}
	return registry, handle, nil
}

// oneVersion is a Source of one version, whatever its folder is called.
type oneVersion struct{ dir string }

func (o oneVersion) List(context.Context) ([]inference.Aspired, error) {
	if _, err := os.Stat(o.dir); err != nil {
		return nil, usageError{err}
	}
	return []inference.Aspired{{Name: serving.DefaultModel, Versions: []string{"1"}, Serving: "1"}}, nil
}

func (o oneVersion) Fetch(context.Context, string, string) (string, error) { return o.dir, nil }

// backtest is one run of the command.
type backtest struct {
	from, to features.Date
	inSample bool
	// bookmaker is whose odds are sent along; empty: nobody's.
	bookmaker string
	withOdds  int // matches that it had odds on

	handle   inference.Handle
	manifest *serving.Manifest
	recipe   *features.Recipe
	history  *history
	out      *csv.Writer

	matches []*features.Played // those read but not predicted yet
	rows    []float32          // their features
	bases   []serving.Forecast // their leagues' base rates
	known   baseRates
	judge   judge
}

// rowsPerRun bounds how many matches the model is given at once.
const rowsPerRun = 1024

func (b *backtest) run(cmd *cobra.Command, data []string, outFile string) error {
	b.manifest, _ = b.handle.Metadata().(*serving.Manifest) // a model of this name has one
	if b.from <= b.manifest.DataCutoff && !b.inSample {
		return usagef("--from: the model was trained on matches to %s, so that its forecasts from %s on would not be honest; expected a later date or --in-sample", b.manifest.DataCutoff, b.from)
	}
	var err error
	if b.recipe, err = features.RecipeOfSchema(b.manifest.FeatureSchemaHash); err != nil {
		return err
	}
	if b.history, err = readHistory(cmd, data, true); err != nil {
		return err
	}
	err = writeFile(outFile, func(f *os.File) error {
		b.out = csv.NewWriter(f)
		header := []string{
			"date", "competition", "home_team", "away_team", "home_probability", "draw_probability", "away_probability",
			"home_expected_goals", "away_expected_goals", "home_goals", "away_goals", "model_version",
		}
		if b.inSample {
			header = append(header, "in_sample")
		}
		if err := b.out.Write(header); err != nil {
			return err
		}
		if err := b.replay(cmd); err != nil {
			return err
		}
		b.out.Flush()
		return b.out.Error()
	})
	if err != nil {
		return err
	}
	return b.summarise(cmd.OutOrStdout())
}

// replay predicts every match in the window from what was known before its date.
func (b *backtest) replay(cmd *cobra.Command) error {
	ctx := cmd.Context()
	bar := newProgress(cmd.ErrOrStderr(), "replaying")
	defer bar.finish()
	done := 0
	err := features.NewReplay(b.recipe).Advance(b.history.played, func(m *features.Played, v *features.Vector) error {
		done++
		bar.update(done, len(b.history.played))
		base := b.known.before(m)
		if m.Date < b.from || m.Date > b.to {
			return ctx.Err()
		}
		b.matches = append(b.matches, m)
		b.rows = append(b.rows, v.Values...)
		b.bases = append(b.bases, base)
		if len(b.matches) < rowsPerRun {
			return nil
		}
		return b.predict(ctx)
	})
	if err != nil {
		return err
	}
	if err := b.predict(ctx); err != nil {
		return err
	}
	if b.judge.matches == 0 {
		return fmt.Errorf("no match was played from %s to %s", b.from, b.to)
	}
	return nil
}

// predict runs the model over the matches that wait, writes their rows and judges the forecasts.
func (b *backtest) predict(ctx context.Context) error {
	grids, err := serving.Forecasts(ctx, b.handle, b.rows, b.odds())
	if err != nil {
		return err
	}
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	for i, m := range b.matches {
		var forecast serving.Forecast
		forecast.Home, forecast.Draw, forecast.Away = grids[i].MatchResult()
		homeGoals, awayGoals := grids[i].Means()
		home, away := b.history.names(m)
		row := []string{
			m.Date.String(), m.Competition, home, away, number(forecast.Home), number(forecast.Draw), number(forecast.Away),
			number(homeGoals), number(awayGoals), strconv.Itoa(int(m.HomeGoals)), strconv.Itoa(int(m.AwayGoals)), b.manifest.Version,
		}
		if b.inSample {
			row = append(row, "true")
		}
		if err := b.out.Write(row); err != nil {
			return err
		}
		if err := b.judge.add(&grids[i], m, b.bases[i], b.history.Odds[m.ID]); err != nil {
			return fmt.Errorf("judge %s: %w", m.ID, err)
		}
	}
	b.matches, b.rows, b.bases = b.matches[:0], b.rows[:0], b.bases[:0]
	return nil
}

// odds are what is sent along with each of the matches that wait; nil where nothing is.
func (b *backtest) odds() []*pb.Odds {
	if b.bookmaker == "" {
		return nil
	}
	sent := make([]*pb.Odds, len(b.matches))
	for i, m := range b.matches {
		for _, o := range b.history.Odds[m.ID] {
			if o.Bookmaker == b.bookmaker {
				sent[i] = &pb.Odds{Home: o.Home, Draw: o.Draw, Away: o.Away, Over_2_5: o.Over, Under_2_5: o.Under}
				b.withOdds++
			}
		}
	}
	return sent
}

// summarise prints how good the forecasts were.
func (b *backtest) summarise(out io.Writer) error {
	fmt.Fprintf(out, "%s version %s, trained on matches to %s, over %s to %s\n",
		b.manifest.Model, b.manifest.Version, b.manifest.DataCutoff, b.from, b.to)
	if b.inSample {
		fmt.Fprintln(out, "IN SAMPLE: the model may have been trained on these matches; this is no test of it")
	}
	if b.bookmaker != "" {
		fmt.Fprintf(out, "with the odds of %s in the requests for %d of the matches\n", b.bookmaker, b.withOdds)
	}
	if n := b.history.Report.Awarded; n > 0 {
		fmt.Fprintf(out, "%d awarded or abandoned matches in the files were left out\n", n)
	}
	return b.judge.print(out)
}
