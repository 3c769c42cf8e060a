package main

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"footballprediction/features/store"
	"footballprediction/inference/mlflow"
)

// Config is what `serve` can be told: by a flag, by the environment variable
// FOOTBALLPREDICTION_<NAME>, or by a YAML file with the flags' names, in this order of precedence.
type Config struct {
	HTTPAddress     string        `koanf:"http-address"`
	GRPCAddress     string        `koanf:"grpc-address"`
	OperatorAddress string        `koanf:"operator-address"`
	DataDir         string        `koanf:"data-dir"`
	Models          string        `koanf:"models"`
	State           string        `koanf:"state"`
	PollInterval    time.Duration `koanf:"poll-interval"`
	StoreBytes      int64         `koanf:"mlflow-store-bytes"`
	Insecure        bool          `koanf:"insecure"`

	Redis         store.RedisURL `koanf:"-"` // REDIS_URL
	MLflow        mlflow.Server  `koanf:"-"` // MLFLOW_TRACKING_URI
	WebhookSecret secret         `koanf:"-"` // FOOTBALLPREDICTION_MLFLOW_WEBHOOK_SECRET
}

// secret is a text that is never shown.
type secret string

// String hides the secret.
func (secret) String() string { return "[hidden]" }

// GoString hides the secret.
func (secret) GoString() string { return "[hidden]" }

// pollIntervalMin keeps a number without its unit, which counts nanoseconds, from being one.
const pollIntervalMin = 10 * time.Millisecond

const environmentPrefix = "FOOTBALLPREDICTION_"

// configFlags declares the flags with their defaults.
func configFlags(flags *pflag.FlagSet) {
	flags.String("config", "", "YAML file with any of the settings below")
	flags.String("http-address", "127.0.0.1:8000", "where Connect, gRPC-Web, gRPC and REST are served")
	flags.String("grpc-address", "127.0.0.1:8001", "where native gRPC is served")
	flags.String("operator-address", "127.0.0.1:8002", "where operators find liveness, readiness and profiles")
	flags.String("data-dir", "", "folder for what the server keeps (default the user's data folder)")
	flags.String("models", "", "folder of models, <name>/<version>/ (default the released ones)")
	flags.String("state", "", "folder of team states (default the released one)")
	flags.Duration("poll-interval", 5*time.Second, "how often models are looked for")
	flags.Int64("mlflow-store-bytes", 16<<30, "bytes that copies of MLflow's models may take; what is in use or has an alias stays")
	flags.Bool("insecure", false, "allow listening beyond loopback although nobody has to log in")
}

// loadConfig reads the settings; environ is as os.Environ gives it. A setting unknown in the file is
// an error; other variables of the environment with our prefix are read where they are used.
func loadConfig(flags *pflag.FlagSet, environ []string) (Config, error) {
	var known []string
	flags.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })

	fromEnvironment := koanf.New(".")
	if err := fromEnvironment.Load(env.Provider(".", env.Opt{
		Prefix: environmentPrefix,
		TransformFunc: func(name, value string) (string, any) {
			key := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, environmentPrefix)), "_", "-")
			if !slices.Contains(known, key) {
				return "", nil
			}
			return key, value
		},
		EnvironFunc: func() []string { return environ },
	}), nil); err != nil {
		return Config{}, usageError{err}
	}

	path := fromEnvironment.String("config")
	if flags.Changed("config") {
		path = flags.Lookup("config").Value.String()
	}
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return Config{}, usagef("config file %q: %w", path, err)
		}
		for _, key := range k.Keys() {
			if !slices.Contains(known, key) || key == "config" {
				return Config{}, usagef("config file %q: unknown setting %q; known are %s", path, key, strings.Join(known, ", "))
			}
		}
	}
	if err := k.Merge(fromEnvironment); err != nil {
		return Config{}, usageError{err}
	}
	if err := k.Load(posflag.Provider(flags, ".", k), nil); err != nil {
		return Config{}, usageError{err}
	}
	var c Config
	err := k.Unmarshal("", &c)
	if err != nil {
		return Config{}, usageError{err}
	}
	if c.Redis, err = redisURL(environ); err != nil {
		return Config{}, err
	}
	if c.MLflow, err = mlflowServer(environ); err != nil {
		return Config{}, err
	}
	c.WebhookSecret = secret(variables(environ)[webhookVariable])
	return c, c.complete()
}

// complete fills in the folders' defaults and checks the settings against each other.
func (c *Config) complete() (err error) {
	if c.DataDir == "" {
		if c.DataDir, err = userDataDir(); err != nil {
			return err
		}
	}
	if c.Models == "" {
		if c.Models, err = releasedModels(); err != nil {
			return err
		}
	}
	if c.State == "" {
		if c.State, err = releasedState(); err != nil {
			return err
		}
	}
	if c.PollInterval < pollIntervalMin {
		return usagef("poll-interval: expected a duration of at least %s, such as 5s, got %s", pollIntervalMin, c.PollInterval)
	}
	if c.StoreBytes <= 0 {
		return usagef("mlflow-store-bytes: expected more than 0, got %d", c.StoreBytes)
	}
	for _, a := range []struct{ name, address string }{
		{"http-address", c.HTTPAddress}, {"grpc-address", c.GRPCAddress}, {"operator-address", c.OperatorAddress},
	} {
		host, _, err := net.SplitHostPort(a.address)
		if err != nil {
			return usagef("%s: expected host:port, got %q", a.name, a.address)
		}
		if !c.Insecure && !loopback(host) {
			return usagef("%s: %q is reachable from other machines and nobody has to log in; listen on 127.0.0.1 or say --insecure", a.name, a.address)
		}
	}
	return nil
}

// loopback says whether only this machine reaches a listener on host.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

func userDataDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "footballprediction"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usagef("data-dir: not given, and %w", err)
	}
	return filepath.Join(home, ".local", "share", "footballprediction"), nil
}

// LogValue shows the settings in force.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("http_address", c.HTTPAddress),
		slog.String("grpc_address", c.GRPCAddress),
		slog.String("operator_address", c.OperatorAddress),
		slog.String("data_dir", c.DataDir),
		slog.String("models", c.Models),
		slog.String("state", c.State),
		slog.Duration("poll_interval", c.PollInterval),
		slog.Int64("mlflow_store_bytes", c.StoreBytes),
		slog.Bool("mlflow_webhook", c.WebhookSecret != ""),
		slog.Bool("insecure", c.Insecure),
		slog.Any("redis", c.Redis),
		slog.Any("mlflow", c.MLflow),
	)
}

// notBuilt are settings of the environment that mean something later; silence would mislead.
func notBuilt() []string {
	var set []string
	for _, name := range []string{"DATABASE_URL"} {
		if os.Getenv(name) != "" {
			set = append(set, name)
		}
	}
	return set
}
