package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"footballprediction/features"
	"footballprediction/inference"
	"footballprediction/inference/mlflow"
)

// pullCommand fetches a version that MLflow has registered.
func pullCommand() *cobra.Command {
	var to, dataDir string
	var storeBytes int64
	command := &cobra.Command{
		Use:   "pull MODEL[@ALIAS|/VERSION]",
		Short: "Fetch a version from MLflow, the champion unless another is named, and verify it",
		Long: `Fetches a version from the tracking server that MLFLOW_TRACKING_URI names into the folder of copies
that the server uses too, or takes the copy that is there, loads it as the server would, and prints
its digest (SHA-256 over which version it is and the hashes of all its files) and its folder. With --to
it is put into DIR/MODEL/VERSION/, ready for serve --models DIR.`,
		Example: "  footballprediction models pull match-outcome@challenger --to candidates",
		Args:    exactly(1),
	}
	command.Flags().StringVar(&to, "to", "", "folder of models to put it into")
	command.Flags().StringVar(&dataDir, "data-dir", "", "folder for what the server keeps (default the user's data folder)")
	command.Flags().Int64Var(&storeBytes, "mlflow-store-bytes", 16<<30, "bytes that copies of MLflow's models may take")
	command.RunE = func(cmd *cobra.Command, args []string) (err error) {
		server, err := mlflowServer(os.Environ())
		if err != nil {
			return err
		}
		if !server.Given() {
			return usagef("models pull: expected the address of MLflow in %s", mlflowVariable)
		}
		model, version, err := parseReference(args[0])
		if err != nil {
			return err
		}
		if dataDir == "" {
			if dataDir, err = userDataDir(); err != nil {
				return err
			}
		}
		logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
		source, err := mlflow.New(server, mlflowStore(dataDir), nil, mlflow.Options{
			Limits: mlflow.Limits{StoreBytes: storeBytes}, Logger: logger,
		})
		if err != nil {
			return err
		}
		defer source.Close()
		got, err := source.Pull(cmd.Context(), model, version)
		if err != nil {
			return fmt.Errorf("pull %s: %w", args[0], err)
		}
		if err := verifyPulled(cmd.Context(), got); err != nil {
			return fmt.Errorf("version %s of %s, fetched into %s, would not serve: %w", got.Version, got.Model, got.Dir, err)
		}
		dir := got.Dir
		if to != "" {
			if dir, err = install(got, to); err != nil {
				return err
			}
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s version %s: ok\nsha256:%s\n%s\n", got.Model, got.Version, got.Digest, dir)
		return nil
	}
	return command
}

// parseReference reads MODEL, MODEL@ALIAS or MODEL/VERSION.
func parseReference(text string) (model, version string, err error) {
	model, version = text, inference.Champion
	if name, alias, ok := strings.Cut(text, "@"); ok {
		model, version = name, alias
		if alias == "" || inference.IsVersion(alias) {
			model = ""
		}
	} else if name, number, ok := strings.Cut(text, "/"); ok {
		model, version = name, number
		if !inference.IsVersion(number) {
			model = ""
		}
	}
	if !inference.IsModelName(model) {
		return "", "", usagef("models pull: expected MODEL, MODEL@ALIAS or MODEL/VERSION, got %q", text)
	}
	return model, version, nil
}

// onlyPulled is the source of one version.
type onlyPulled struct{ mlflow.Pulled }

// List implements inference.Source.
func (p onlyPulled) List(context.Context) ([]inference.Aspired, error) {
	return []inference.Aspired{{Name: p.Model, Versions: []string{p.Version}, Serving: p.Version}}, nil
}

// Fetch implements inference.Source.
func (p onlyPulled) Fetch(context.Context, string, string) (string, error) { return p.Dir, nil }

// verifyPulled loads a version as the server would.
func verifyPulled(ctx context.Context, got mlflow.Pulled) error {
	registry, err := openRegistry(ctx, onlyPulled{got}, features.Schemas()...)
	if err != nil {
		return err
	}
	var failed error
	for _, m := range registry.Status().Models {
		for _, v := range m.Versions {
			if v.State != inference.Available {
				failed = fmt.Errorf("%s: %s", v.State, v.Reason)
			}
		}
	}
	return closing(failed, registry)
}

// install copies a version to dir/<model>/<version>/, where it appears at once or not at all.
func install(got mlflow.Pulled, dir string) (at string, err error) {
	at = filepath.Join(dir, got.Model, got.Version)
	if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) {
		return "", errors.Join(err, fmt.Errorf("%s is there already", at))
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return "", err
	}
	aside, err := os.MkdirTemp(filepath.Dir(at), ".aside-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()
	copied := filepath.Join(aside, got.Version)
	if err := copyFolder(copied, got.Dir); err != nil {
		return "", err
	}
	return at, os.Rename(copied, at)
}

// copyFolder copies the files of a folder, which has no links, and brings them to the disk.
func copyFolder(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.Mkdir(filepath.Join(to, name), 0o755)
		}
		return copyFile(filepath.Join(to, name), path)
	})
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}
