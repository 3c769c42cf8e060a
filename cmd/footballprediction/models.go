package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"footballprediction/features"
	"footballprediction/inference"
	"footballprediction/serving"
)

func modelsCommand() *cobra.Command {
	command := group("models", "Look at models, and tell a running server which to serve")
	command.AddCommand(
		modelsSubcommand("list", "List models and their versions", printModels),
		modelsSubcommand("verify", "Load every version as the server would, and fail if one does not pass", verifyModels),
	)
	command.AddCommand(pullCommand())
	command.AddCommand(operationCommands()...)
	return command
}

func modelsSubcommand(name, short string, show func(io.Writer, inference.Status) error) *cobra.Command {
	var models string
	command := &cobra.Command{Use: name, Short: short, Args: exactly(0)}
	command.Flags().StringVar(&models, "models", "", "folder of models (default the released ones)")
	command.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if models == "" {
			if models, err = releasedModels(); err != nil {
				return err
			}
		}
		registry, err := openRegistry(cmd.Context(), inference.NewFolderSource(models, nil), features.Schemas()...)
		if err != nil {
			return err
		}
		status := registry.Status()
		if err := closing(nil, registry); err != nil {
			return err
		}
		return show(cmd.OutOrStdout(), status)
	}
	return command
}

func printModels(out io.Writer, status inference.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, model := range status.Models {
		if model.Err != nil {
			fmt.Fprintln(out, model.Err)
		}
	}
	fmt.Fprintln(w, "MODEL\tVERSION\tSTATE\tALIASES\tDATA TO\tRPS\tLOG LOSS")
	for _, model := range status.Models {
		for _, v := range model.Versions {
			cutoff, rps, logLoss := "", "", ""
			if m, ok := v.Metadata.(*serving.Manifest); ok {
				cutoff = m.DataCutoff.String()
				rps, logLoss = fmt.Sprintf("%.4f", m.Metrics["rps"]), fmt.Sprintf("%.4f", m.Metrics["log_loss"])
			}
			serves := ""
			if v.Version == model.Serving {
				serves = " (serves)"
			}
			fmt.Fprintf(w, "%s\t%s%s\t%s\t%s\t%s\t%s\t%s\n", model.Name, v.Version, serves, v.State, strings.Join(v.Aliases, ", "), cutoff, rps, logLoss)
		}
	}
	return w.Flush()
}

func verifyModels(out io.Writer, status inference.Status) error {
	versions, failed := 0, 0
	for _, model := range status.Models {
		if model.Err != nil {
			failed++
			fmt.Fprintln(out, model.Err)
		}
		for _, v := range model.Versions {
			versions++
			if v.State == inference.Available {
				fmt.Fprintf(out, "%s version %s: ok\n", model.Name, v.Version)
				continue
			}
			failed++
			fmt.Fprintf(out, "%s version %s: %s: %s\n", model.Name, v.Version, v.State, v.Reason)
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d versions would not serve", failed, versions)
	case versions == 0:
		return fmt.Errorf("no model found")
	}
	return nil
}
