package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"footballprediction/features/store"
)

func featuresMaterializeCommand() *cobra.Command {
	var state string
	command := &cobra.Command{
		Use:   "materialize",
		Short: "Fill Redis with the vectors of the listed matches and the states of teams and leagues",
		Long: `Fills the Redis of REDIS_URL with the vectors of the matches that the server lists as scheduled and
with the states of all teams and leagues. Run it when the state folder has changed, and again when
you like: it writes the same. The vector of a match is not written again once it has been played.`,
		Example: "  REDIS_URL=redis://localhost:6379 footballprediction features materialize",
		Args:    exactly(0),
	}
	command.Flags().StringVar(&state, "state", "", "folder of team states (default the released one)")
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		url, err := redisURL(os.Environ())
		if err != nil {
			return err
		}
		if !url.Given() {
			return usagef("%s: expected where to write to, as in redis://localhost:6379, got nothing", redisVariable)
		}
		if state == "" {
			if state, err = releasedState(); err != nil {
				return err
			}
		}
		memory, err := openStore(state)
		if err != nil {
			return err
		}
		bar := newProgress(cmd.ErrOrStderr(), "materializing")
		written, err := store.Materialize(cmd.Context(), url, memory, time.Now(), bar.update)
		bar.finish()
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "%s: %d teams, %d leagues, %d matches as of %s\n", url, written.Teams, written.Leagues, written.Vectors, written.AsOf)
		if written.Without > 0 {
			fmt.Fprintf(out, "%d scheduled matches left out: their day is not after that\n", written.Without)
		}
		return nil
	}
	return command
}
