// Command footballprediction serves predictions of football matches, and does the work around them:
// predicting from the command line, exporting features, judging models on history.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses beside 0: the work failed, or it was asked for wrongly.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is the caller's mistake: the command line asks for something that cannot be.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "footballprediction:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailed)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "footballprediction",
		Short:         "Predict football matches",
		Version:       version(),
		SilenceUsage:  true, // an error is one line; --help is there for the rest
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(serveCommand(), predictCommand(), modelsCommand(), featuresCommand(), backtestCommand())
	return root
}

// exactly is cobra.ExactArgs whose error counts as the caller's mistake.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s: expected %d arguments, got %d (see --help)", cmd.CommandPath(), n, len(args))
		}
		return nil
	}
}
