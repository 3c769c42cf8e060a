package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"footballprediction/features"
	"footballprediction/features/store"
	"footballprediction/inference"
	"footballprediction/inference/onnx"
	"footballprediction/serving"
)

// engine is everything that answers, without any transport: what `serve` puts behind its ports and
// `predict` asks directly.
type engine struct {
	registry *inference.Registry
	store    *store.Memory
	redis    *store.Redis // nil where there is none
	service  *serving.Service
	loaded   chan struct{} // closed when what there was at the start is loaded, or has failed
	logger   *slog.Logger
}

// parts are what an engine is made of.
type parts struct {
	models    inference.Source
	interval  time.Duration // between looks at models
	routes    *inference.Routes
	state     string // folder
	redis     store.RedisURL
	logger    *slog.Logger
	telemetry *serving.Telemetry
}

// openEngine loads the models and the state and makes a service of them. A model that fails to load
// is no error here: the registry's status and the service say so.
func openEngine(ctx context.Context, p parts) (*engine, error) {
	e, err := newEngine(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := poll(ctx, e.registry); err != nil {
		return nil, e.close(err)
	}
	return e, nil
}

// newEngine is openEngine without the models, which run loads.
func newEngine(ctx context.Context, p parts) (*engine, error) {
	memory, err := openStore(p.state)
	if err != nil {
		return nil, err
	}
	schema := memory.Recipe().Schema // what the state knows, no other model can be served with
	registry, err := newRegistry(p.models, p.interval, p.routes, p.logger, p.telemetry, schema)
	if err != nil {
		return nil, err
	}
	e := &engine{registry: registry, store: memory, loaded: make(chan struct{}), logger: p.logger}
	vectors := features.VectorStore(memory)
	if p.redis.Given() {
		if e.redis, err = store.OpenRedis(ctx, p.redis, memory, store.RedisOptions{Logger: p.logger}); err != nil {
			return nil, closing(err, registry)
		}
		vectors = e.redis
	}
	e.service, err = serving.NewService(schema, registry, memory, vectors, serving.ServiceOptions{
		Logger: p.logger, Telemetry: p.telemetry, Loaded: e.loaded,
	})
	if err != nil {
		return nil, e.close(err)
	}
	return e, nil
}

// run loads the models, and keeps them and the connection to Redis up to date until ctx is done. With
// MLflow its models are waited for as well, for a while. It fails where models cannot be listed.
func (e *engine) run(ctx context.Context, withMLflow bool) error {
	var watched sync.WaitGroup
	defer watched.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if e.redis != nil {
		watched.Go(func() { e.redis.Run(ctx) })
	}
	err := poll(ctx, e.registry)
	if err == nil && withMLflow {
		err = askMLflow(ctx, e.registry)
	}
	if ctx.Err() != nil {
		return nil // stopped before all was loaded
	}
	if err != nil {
		return err
	}
	close(e.loaded)
	if err := e.service.Ready(); err != nil {
		e.logger.ErrorContext(ctx, "not ready: predictions will be refused until a model loads", slog.Any("error", err))
	}
	return e.registry.Run(ctx)
}

// close ends what run kept, which must have returned, and returns err with what went wrong.
func (e *engine) close(err error) error {
	if e.redis != nil {
		e.redis.Close()
	}
	return closing(err, e.registry)
}

func openStore(state string) (*store.Memory, error) {
	loaded, err := store.Load(state)
	if err != nil {
		return nil, err
	}
	return store.NewMemory(loaded, time.Now())
}

// openRegistry loads what the source wants served, once: of match models those of one of the schemas.
func openRegistry(ctx context.Context, source inference.Source, schemas ...features.Schema) (*inference.Registry, error) {
	registry, err := newRegistry(source, 0, nil, slog.New(slog.DiscardHandler), nil, schemas...)
	if err != nil {
		return nil, err
	}
	if err := poll(ctx, registry); err != nil {
		return nil, closing(err, registry)
	}
	return registry, nil
}

// newRegistry returns a registry of what the source wants served: of match models those of one of the
// schemas. routes and telemetry may be nil.
func newRegistry(source inference.Source, interval time.Duration, routes *inference.Routes, logger *slog.Logger, telemetry *serving.Telemetry, schemas ...features.Schema) (*inference.Registry, error) {
	opener, err := openONNX()
	if err != nil {
		return nil, err
	}
	options := inference.Options{
		Interval: interval,
		Admit:    serving.AdmitMatchModel(schemas...),
		Routes:   routes,
		Logger:   logger,
	}
	if telemetry != nil {
		options.Observe, options.Loaded = telemetry.Observe, telemetry.Loaded
	}
	registry := inference.NewRegistry(source, opener, options)
	if telemetry != nil {
		if err := telemetry.WatchModels(registry); err != nil {
			return nil, err
		}
	}
	return registry, nil
}

// poll is Registry.Poll, but for a load that ctx cannot end, such as one that waits for a disk: that is
// left behind.
func poll(ctx context.Context, registry *inference.Registry) error {
	polled := make(chan error, 1)
	go func() { polled <- registry.Poll(ctx) }()
	select {
	case err := <-polled:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func openONNX() (*onnx.Opener, error) {
	library, err := onnxRuntime()
	if err != nil {
		return nil, err
	}
	return onnx.New(library, onnx.Options{})
}

// closeTimeout bounds the wait for the last users of models at exit.
const closeTimeout = 5 * time.Second

// closing closes the registry and returns err with what went wrong doing so.
func closing(err error, registry *inference.Registry) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if closeErr := registry.Close(ctx); closeErr != nil {
		if err == nil {
			return closeErr
		}
		return fmt.Errorf("%w (and %w)", err, closeErr)
	}
	return err
}
