package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"footballprediction/features"
	"footballprediction/features/store"
)

func featuresCommand() *cobra.Command {
	command := group("features", "Compute features")
	command.AddCommand(featuresExportCommand(), featuresShowCommand(), featuresMaterializeCommand())
	return command
}

func featuresExportCommand() *cobra.Command {
	var data []string
	var parquetFile, oddsFile, stateDir, recipeName string
	command := &cobra.Command{
		Use:     "export --data DIR...",
		Short:   "Replay match history into a training set, a state to serve from, or a file of odds",
		Example: "  footballprediction features export --data history --parquet features.parquet --state state",
	}
	command.Flags().StringArrayVar(&data, "data", nil, "folder or file of matches, CSV or openfootball's JSON; may be given several times")
	command.Flags().StringVar(&parquetFile, "parquet", "", "write the training set: a row per match with the features known before it")
	command.Flags().StringVar(&stateDir, "state", "", "write the states of teams and leagues after the last match, as serve --state reads them")
	command.Flags().StringVar(&oddsFile, "odds", "", "write the bookmakers' odds, to be compared with")
	command.Flags().StringVar(&recipeName, "recipe", features.DefaultRecipe().Name, "features to compute: match, or past-odds, which adds what the odds of earlier matches tell")
	command.RunE = func(cmd *cobra.Command, args []string) error {
		recipe, err := features.FindRecipe(recipeName)
		if err != nil {
			return usagef("--%w", err)
		}
		if parquetFile == "" && stateDir == "" && oddsFile == "" {
			return usagef("expected --parquet, --state or --odds, got none: nothing to write")
		}
		if err := errors.Join(checkWritable("parquet", parquetFile), checkWritable("odds", oddsFile)); err != nil {
			return err
		}
		h, err := readHistory(cmd, append(data, args...), oddsFile != "" || recipe.LearnsOdds())
		if err != nil {
			return err
		}
		if oddsFile != "" {
			if err := writeFile(oddsFile, func(f *os.File) error { return writeOdds(f, h) }); err != nil {
				return err
			}
		}
		if parquetFile == "" && stateDir == "" {
			return nil
		}
		if recipe.LearnsOdds() && !slices.ContainsFunc(h.played, func(m features.Played) bool { return m.Market != features.Market{} }) {
			return fmt.Errorf("recipe %s: no match in %v has odds to learn from", recipe.Name, append(data, args...))
		}
		replay, err := exportReplay(cmd, recipe, h, parquetFile)
		if err != nil || stateDir == "" {
			return err
		}
		return store.Save(stateDir, store.State{Snapshot: named(replay.Snapshot()), Matches: kept(h.Matches, replay)})
	}
	return command
}

// exportReplay replays history and writes the training set, if a file is named.
func exportReplay(cmd *cobra.Command, recipe *features.Recipe, h *history, parquetFile string) (*features.Replay, error) {
	replay := features.NewReplay(recipe)
	if parquetFile == "" {
		return replay, replay.Advance(h.played, nil)
	}
	bar := newProgress(cmd.ErrOrStderr(), "replaying")
	defer bar.finish()
	return replay, writeFile(parquetFile, func(f *os.File) error {
		out, err := features.NewParquetWriter(f, recipe)
		if err != nil {
			return err
		}
		done, left := 0, 0
		since := oddsSince(h.played)
		err = replay.Advance(h.played, func(m *features.Played, v *features.Vector) error {
			done++
			bar.update(done, len(h.played))
			if first, known := since[m.Competition]; recipe.LearnsOdds() && (!known || m.Season <= first) {
				left++
				return nil
			}
			return out.Write(m, v)
		})
		if left > 0 {
			bar.finish()
			fmt.Fprintf(cmd.ErrOrStderr(), "%d matches before the second season of odds left out of the training set\n", left)
		}
		return errors.Join(err, out.Close())
	})
}

// oddsSince returns the first season with odds, by league. Until the next one begins, most clubs have no
// history of odds, and a model taught by such rows was clearly worse at all others.
func oddsSince(played []features.Played) map[string]string {
	since := map[string]string{}
	for i := range played {
		m := &played[i]
		if first, known := since[m.Competition]; m.Market != (features.Market{}) && (!known || m.Season < first) {
			since[m.Competition] = m.Season
		}
	}
	return since
}

// matchesPerClub is how many of each club's last matches a state keeps.
const matchesPerClub = 6

// kept returns what a state keeps of the matches, in order: each club's last ones, and those to come.
func kept(matches []features.Match, replay *features.Replay) []features.Match {
	seen := map[string]int{}
	var kept []features.Match
	for _, m := range slices.Backward(matches) {
		if m.Status == features.Scheduled {
			if toCome(&m, replay) {
				kept = append(kept, m)
			}
			continue
		}
		if seen[m.Home] < matchesPerClub || seen[m.Away] < matchesPerClub {
			kept = append(kept, m)
		}
		seen[m.Home]++
		seen[m.Away]++
	}
	slices.Reverse(kept)
	return kept
}

// toCome says whether the states can tell about a scheduled match: one of known clubs in a known league
// after what both have played. One listed for an earlier day was moved, or its result is missing.
func toCome(m *features.Match, replay *features.Replay) bool {
	home, away := replay.Team(m.Home), replay.Team(m.Away)
	return home != nil && away != nil && replay.League(m.Competition) != nil && m.Date > max(home.AsOf, away.AsOf)
}

// named gives the clubs their aliases.
func named(s features.Snapshot) features.Snapshot {
	for i := range s.Teams {
		team := &s.Teams[i].Team
		team.Aliases = features.ClubAliases(features.CountryCode(team.Country), team.Name)
	}
	return s
}

// checkWritable refuses a flag's file, if one is named, that writeFile could not write: what is to be
// written there may take minutes to compute.
func checkWritable(flag, path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usagef("--%s: expected a file to write, got the folder %q", flag, path)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil {
		return usagef("--%s: expected a file in a folder that is there: %w", flag, err)
	} else if !info.IsDir() {
		return usagef("--%s: expected a file in a folder, got one in the file %q", flag, filepath.Dir(path))
	}
	return nil
}

// writeFile writes a file whole or not at all. What a link leads to is replaced, not the link; into
// what is no file, such as a device or a pipe, it writes.
func writeFile(path string, write func(*os.File) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %q: %w", path, err)
		}
	}()
	target := path
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		target = resolved
	}
	if info, err := os.Stat(target); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(target, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+"-")
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), target)
}

func featuresShowCommand() *cobra.Command {
	var date, state string
	command := &cobra.Command{
		Use:     "show HOME AWAY",
		Short:   "Show the features of a match between two teams",
		Example: "  footballprediction features show Arsenal Chelsea --date 2026-12-05",
		Args:    exactly(2),
	}
	command.Flags().StringVar(&date, "date", "", "day of the match, YYYY-MM-DD (default today)")
	command.Flags().StringVar(&state, "state", "", "folder of team states (default the released one)")
	command.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if state == "" {
			if state, err = releasedState(); err != nil {
				return err
			}
		}
		memory, err := openStore(state)
		if err != nil {
			return err
		}
		fixture := features.Fixture{Date: features.DateOf(time.Now())}
		if date != "" {
			if fixture.Date, err = features.ParseDate(date); err != nil {
				return usagef("--date: %w", err)
			}
		}
		home, err := memory.FindTeam(cmd.Context(), args[0], "")
		if err != nil {
			return usageError{err}
		}
		away, err := memory.FindTeam(cmd.Context(), args[1], home.Country)
		if err != nil {
			if away, err = memory.FindTeam(cmd.Context(), args[1], ""); err != nil {
				return usageError{err}
			}
		}
		if home.ID == away.ID {
			return usagef("expected two teams, got %q twice", home.Name)
		}
		fixture.Competition, fixture.Home, fixture.Away = home.Competition, home.ID, away.ID
		vectors := make([]features.Vector, 1)
		if err := memory.Vectors(cmd.Context(), []features.Fixture{fixture}, vectors); err != nil {
			return err
		}
		if vectors[0].Err != nil {
			return usageError{vectors[0].Err}
		}
		schema := memory.Recipe().Schema
		w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "%s – %s, %s, %s\nas of %s, schema %s\n\n", home.Name, away.Name, fixture.Competition, fixture.Date, vectors[0].AsOf, schema.Hash)
		for i, f := range schema.Features {
			fmt.Fprintf(w, "%s\t%.4f\t%s\n", f.Name, vectors[0].Values[i], f.Unit)
		}
		return w.Flush()
	}
	return command
}
