package serving

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"footballprediction/inference"
)

// rowBuckets are the boundaries of the histogram of batch sizes.
var rowBuckets = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}

// loadBuckets are the boundaries, in seconds, of the histogram of loads.
var loadBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50, 100, 250}

// modelInstruments measure what models do.
type modelInstruments struct {
	queue, compute metric.Float64Histogram
	rows           metric.Int64Histogram
	executions     metric.Int64Counter
	rejections     metric.Int64Counter
	loads          metric.Float64Histogram
}

func newModelInstruments(meter metric.Meter) (m modelInstruments, err error) {
	duration := func(name, description string) metric.Float64Histogram {
		h, hErr := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(DurationBuckets...))
		err = errors.Join(err, hErr)
		return h
	}
	counter := func(name, description string) metric.Int64Counter {
		c, cErr := meter.Int64Counter(name, metric.WithDescription(description))
		err = errors.Join(err, cErr)
		return c
	}
	m.queue = duration("footballprediction.inference.queue.duration", "Time that requests wait for a session")
	m.compute = duration("footballprediction.inference.compute.duration", "Time of executions, joining and splitting of requests among it")
	m.executions = counter("footballprediction.inference.executions", "Executions of models, by why they were begun and how they ended")
	m.rejections = counter("footballprediction.inference.rejections", "Requests that were given back without having been run, by reason")
	var loadsErr error
	m.loads, loadsErr = meter.Float64Histogram("footballprediction.model.load.duration", metric.WithUnit("s"),
		metric.WithDescription("Time to fetch, open, check and warm a model version, or until that failed"),
		metric.WithExplicitBucketBoundaries(loadBuckets...))
	err = errors.Join(err, loadsErr)
	var rowsErr error
	m.rows, rowsErr = meter.Int64Histogram("footballprediction.inference.batch.size", metric.WithUnit("{row}"),
		metric.WithDescription("Rows of executions"), metric.WithExplicitBucketBoundaries(rowBuckets...))
	return m, errors.Join(err, rowsErr)
}

// Loaded measures an attempt to load a version of a model, for inference.Options.Loaded.
func (t *Telemetry) Loaded(model string, took time.Duration, err error) {
	t.models.loads.Record(context.Background(), took.Seconds(),
		metric.WithAttributes(attribute.String("model", model), attribute.Bool("failed", err != nil)))
}

// Observe returns the Observer of a model version, for inference.Options.Observe.
func (t *Telemetry) Observe(model, version string) inference.Observer {
	named := []attribute.KeyValue{attribute.String("model", model), attribute.String("version", version)}
	o := &modelObserver{modelInstruments: &t.models, named: recordWith(named...)}
	with := func(more ...attribute.KeyValue) []metric.AddOption {
		return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(append(more, named...)...))}
	}
	for release := range o.executed {
		reason := attribute.String("release", inference.Release(release).String())
		o.executed[release] = [2][]metric.AddOption{
			with(reason, attribute.Bool("failed", false)), with(reason, attribute.Bool("failed", true)),
		}
	}
	for _, r := range []struct {
		reason error
		name   string
	}{
		{inference.ErrDeadlineUnmeetable, "deadline_unmeetable"}, // which is a full queue, too
		{inference.ErrQueueFull, "queue_full"},
		{inference.ErrNotReady, "closed"},
		{context.Canceled, "cancelled"},
		{context.DeadlineExceeded, "deadline_exceeded"},
	} {
		o.rejected = append(o.rejected, rejected{r.reason, with(attribute.String("reason", r.name))})
	}
	o.other = with(attribute.String("reason", "other"))
	return o
}

// modelObserver records what one model version does, with attribute sets made beforehand.
type modelObserver struct {
	*modelInstruments
	named    []metric.RecordOption
	executed [inference.Releases][2][]metric.AddOption // by release, and whether it failed
	rejected []rejected                                // the first that fits
	other    []metric.AddOption
}

type rejected struct {
	reason  error
	options []metric.AddOption
}

// Ran implements inference.Observer.
func (o *modelObserver) Ran(e inference.Execution) {
	ctx := context.Background()
	failed := 0
	if e.Err != nil {
		failed = 1
	}
	o.executions.Add(ctx, 1, o.executed[e.Release][failed]...)
	o.rows.Record(ctx, int64(e.Rows), o.named...)
	o.compute.Record(ctx, e.Took.Seconds(), o.named...)
	for _, waited := range e.Waited {
		o.queue.Record(ctx, waited.Seconds(), o.named...)
	}
}

// Rejected implements inference.Observer.
func (o *modelObserver) Rejected(reason error, _ time.Duration) {
	options := o.other
	if i := slices.IndexFunc(o.rejected, func(r rejected) bool { return errors.Is(reason, r.reason) }); i >= 0 {
		options = o.rejected[i].options
	}
	o.rejections.Add(context.Background(), 1, options...)
}

// WatchModels reports the state of every model version of the registry, 1 for the one it is in, how many
// were quarantined, and what its shadows were not given.
func (t *Telemetry) WatchModels(registry *inference.Registry) error {
	_, err := t.meter.Int64ObservableGauge("footballprediction.model.state",
		metric.WithDescription("1 for the state that a model version is in"),
		metric.WithInt64Callback(func(_ context.Context, observer metric.Int64Observer) error {
			for _, model := range registry.Status().Models {
				for _, v := range model.Versions {
					observer.Observe(1, metric.WithAttributes(attribute.String("model", model.Name), attribute.String("version", v.Version),
						attribute.String("state", v.State.String()), attribute.Bool("serving", v.Version == model.Serving)))
				}
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	_, err = t.meter.Int64ObservableCounter("footballprediction.model.quarantines",
		metric.WithDescription("Versions that were taken out of service since they failed there"),
		metric.WithInt64Callback(func(_ context.Context, observer metric.Int64Observer) error {
			for _, model := range registry.Status().Models {
				observer.Observe(int64(model.Quarantines), metric.WithAttributes(attribute.String("model", model.Name)))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	_, err = t.meter.Int64ObservableGauge("footballprediction.model.source.problem",
		metric.WithDescription("1 while the source of models does not say all of what should be served of a model, or cannot be asked; 0 otherwise"),
		metric.WithInt64Callback(func(_ context.Context, observer metric.Int64Observer) error {
			status := registry.Status()
			for _, model := range status.Models {
				problem := int64(0)
				if model.Err != nil || status.Err != nil {
					problem = 1
				}
				observer.Observe(problem, metric.WithAttributes(attribute.String("model", model.Name)))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	_, err = t.meter.Int64ObservableCounter("footballprediction.inference.shadow.dropped",
		metric.WithDescription("Copies of requests that no shadow got: it was too slow, or they were too large"),
		metric.WithInt64Callback(func(_ context.Context, observer metric.Int64Observer) error {
			for _, model := range registry.Status().Models {
				observer.Observe(int64(model.ShadowsDropped), metric.WithAttributes(attribute.String("model", model.Name)))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}

// WatchBreaker reports the state of a circuit breaker, such as "closed": 1 for the one that it is in.
func (t *Telemetry) WatchBreaker(name string, state func() string) error {
	gauge, err := t.meter.Int64ObservableGauge("footballprediction.breaker.state",
		metric.WithDescription("1 for the state that a circuit breaker is in"))
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	// Registered apart from the gauge, which all breakers share.
	_, err = t.meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		observer.ObserveInt64(gauge, 1, metric.WithAttributes(attribute.String("breaker", name), attribute.String("state", state())))
		return nil
	}, gauge)
	if err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}
