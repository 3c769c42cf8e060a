// Command footballprediction serves predictions of football matches, and does the work around them:
// predicting from the command line, exporting features, judging models on history.
package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
	err := rootCommand().ExecuteContext(untilStopped())
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
	root := group("footballprediction", "Predict football matches")
	root.Version = version()
	root.SilenceUsage, root.SilenceErrors = true, true // an error is one line; --help is there for the rest
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{explainFlag(err)} })
	root.AddCommand(serveCommand(), predictCommand(), modelsCommand(), featuresCommand(), backtestCommand(), simulateCommand())
	return root
}

// explainFlag says what a flag should have been.
func explainFlag(err error) error {
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	expected := map[string]string{
		"bool": "true or false", "duration": "a duration such as 5s",
		"int32":  fmt.Sprintf("a whole number from %d to %d", math.MinInt32, math.MaxInt32),
		"uint64": fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)),
	}[wrong.GetFlag().Value.Type()]
	if expected == "" {
		return err
	}
	return fmt.Errorf("--%s: expected %s, got %q", wrong.GetFlag().Name, expected, wrong.GetValue())
}

// group is a command that only holds others: to name none, or one that it does not hold, is the
// caller's mistake.
func group(name, short string) *cobra.Command {
	command := &cobra.Command{Use: name, Short: short}
	command.Args = cobra.ArbitraryArgs
	command.RunE = func(cmd *cobra.Command, args []string) error {
		var known []string
		for _, c := range cmd.Commands() {
			known = append(known, c.Name())
		}
		got := "none"
		if len(args) > 0 {
			got = strconv.Quote(args[0])
		}
		return usagef("%s: expected one of the commands %s, got %s (see --help)", cmd.CommandPath(), strings.Join(known, ", "), got)
	}
	return command
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
