package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"footballprediction/inference"
	"footballprediction/serving"
	"footballprediction/serving/openinference"
	"footballprediction/serving/web"
)

func serveCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "serve",
		Short: "Serve predictions over gRPC, Connect, gRPC-Web and REST",
		Long: `Serves predictions until it is told to stop (SIGINT, SIGTERM), and then answers every call that it
has accepted; told a second time, it ends at once. A setting comes from its flag, else from
FOOTBALLPREDICTION_<NAME>, else from the file that --config names, else from its default.`,
		Args: exactly(0),
	}
	configFlags(command.Flags())
	command.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := loadConfig(cmd.Flags(), os.Environ())
		if err != nil {
			return err
		}
		return serve(cmd.Context(), config, slog.New(traceHandler{slog.NewTextHandler(cmd.ErrOrStderr(), nil)}))
	}
	return command
}

// gcPercent is how far the heap grows between collections unless GOGC says otherwise: an eighth more
// answers per second than at Go's 100 for 30 MB, since what a server keeps is little and what it
// allocates per call is garbage at once.
const gcPercent = 400

// serve runs the server until ctx is done.
func serve(ctx context.Context, config Config, logger *slog.Logger) (err error) {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	defer func() {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) { // while it started
			logger.InfoContext(ctx, "stopped before it served")
			err = nil
		}
	}()
	logger.InfoContext(ctx, "starting", slog.String("version", version()), slog.Any("config", config))
	for _, name := range notBuilt() {
		logger.WarnContext(ctx, "this setting does nothing yet", slog.String("variable", name))
	}
	measured, err := openTelemetry(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, measured.close(ctx))
	}()
	calls, err := serving.NewTelemetry(measured.meters, measured.tracers)
	if err != nil {
		return err
	}
	page, err := web.Handler()
	if err != nil {
		return err
	}
	routes, err := inference.OpenRoutes(filepath.Join(config.DataDir, "models", "routes.json"))
	if err != nil {
		return err
	}
	models, done, err := openModels(config, routes, logger, calls)
	if err != nil {
		return err
	}
	defer done()
	listeners, err := listen(ctx, config)
	if err != nil {
		return err
	}
	e, err := newEngine(ctx, parts{
		models: models, interval: config.PollInterval, routes: routes, state: config.State,
		redis: config.Redis, logger: logger, telemetry: calls,
	})
	if err != nil {
		return errors.Join(err, listeners.HTTP.Close(), listeners.GRPC.Close(), listeners.Operator.Close())
	}
	if e.redis != nil {
		if err := watchRedis(e.redis, calls, measured.meters); err != nil {
			return errors.Join(e.close(err), listeners.HTTP.Close(), listeners.GRPC.Close(), listeners.Operator.Close())
		}
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // until the last call is answered
	ctx, fail := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		defer fail() // at once, where nothing can be loaded
		ended <- e.run(running, config.MLflow.Given())
	}()
	tensors := openinference.New(e.registry, e.service.Ready, e.service.Expose, version(), logger)
	err = serving.NewServer(e.service, logger, serving.ServerOptions{
		Procedures: tensors.Procedures(), Routes: tensors.Routes(), Webhooks: webhooks(config, e.registry),
		Page: page, Metrics: measured.metrics,
	}).Run(ctx, listeners)
	stop()
	err = e.close(errors.Join(err, <-ended)) // which a load that hangs does not hold up for good
	logger.InfoContext(ctx, "stopped")
	return err
}

// listen opens the three ports, or none.
func listen(ctx context.Context, config Config) (l serving.Listeners, err error) {
	for _, port := range []struct {
		name, address string
		listener      *net.Listener
	}{
		{"http-address", config.HTTPAddress, &l.HTTP},
		{"grpc-address", config.GRPCAddress, &l.GRPC},
		{"operator-address", config.OperatorAddress, &l.Operator},
	} {
		if *port.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", port.address); err != nil {
			err = fmt.Errorf("%s: %w", port.name, err)
			for _, open := range []net.Listener{l.HTTP, l.GRPC} {
				if open != nil {
					err = errors.Join(err, open.Close())
				}
			}
			return serving.Listeners{}, err
		}
	}
	return l, nil
}
