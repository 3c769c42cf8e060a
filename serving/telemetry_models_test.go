package serving

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"footballprediction/inference"
)

// series returns the values of a counter or gauge, or the counts of a histogram, by one attribute.
func series(t *testing.T, reader *sdkmetric.ManualReader, name string, by attribute.Key) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	values := map[string]int64{}
	add := func(set attribute.Set, n int64) {
		v, _ := set.Value(by)
		values[v.String()] += n
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Sum)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, int64(p.Count))
				}
			}
		}
	}
	return values
}

func TestWhatModelsDoIsMeasured(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	telemetry, err := NewTelemetry(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), nil)
	if err != nil {
		t.Fatal(err)
	}
	observer := telemetry.Observe("m", "7")
	observer.Ran(inference.Execution{Items: 2, Rows: 5, Waited: []time.Duration{1, 2}, Took: 3})
	observer.Ran(inference.Execution{Items: 1, Rows: 1, Waited: []time.Duration{1}, Took: 3, Err: errors.New("no")})
	observer.Rejected(inference.ErrQueueFull, 0)
	observer.Rejected(&inference.DeadlineError{}, 0)
	observer.Rejected(context.Canceled, 0)
	observer.Rejected(errors.New("else"), 0)
	telemetry.Loaded("m", time.Second, nil)
	telemetry.Loaded("m", time.Second, errors.New("no"))
	telemetry.Loaded("m", time.Second, errors.New("no"))
	for _, c := range []struct {
		name string
		by   attribute.Key
		want map[string]int64
	}{
		{"footballprediction.inference.executions", "failed", map[string]int64{"true": 1, "false": 1}},
		{"footballprediction.inference.executions", "release", map[string]int64{"free_slot": 2}},
		{"footballprediction.inference.rejections", "reason", map[string]int64{"queue_full": 1, "deadline_unmeetable": 1, "cancelled": 1, "other": 1}},
		{"footballprediction.inference.batch.size", "version", map[string]int64{"7": 6}},
		{"footballprediction.inference.queue.duration", "model", map[string]int64{"m": 3}},
		{"footballprediction.inference.compute.duration", "model", map[string]int64{"m": 2}},
		{"footballprediction.model.load.duration", "failed", map[string]int64{"false": 1, "true": 2}},
	} {
		if got := series(t, reader, c.name, c.by); !maps.Equal(got, c.want) {
			t.Errorf("%s by %s: %v, expected %v", c.name, c.by, got, c.want)
		}
	}
}

func TestStatesAreMeasured(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	telemetry, err := NewTelemetry(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), nil)
	if err != nil {
		t.Fatal(err)
	}
	service, _ := newWorld().service(t)
	if err := telemetry.WatchModels(service.models); err != nil {
		t.Fatal(err)
	}
	state := "closed"
	if err := telemetry.WatchBreaker("redis", func() string { return state }); err != nil {
		t.Fatal(err)
	}
	if got := series(t, reader, "footballprediction.model.state", "state"); got["AVAILABLE"] == 0 {
		t.Errorf("models: %v", got)
	}
	if err := service.models.SetRoute(t.Context(), DefaultModel, inference.Route{Shadow: "1"}, inference.By{Actor: "anna"}); err != nil {
		t.Fatal(err)
	}
	service.models.Mirror(DefaultModel, []inference.Tensor{{Data: make([]byte, 2<<20)}}) // too large to copy
	if got := series(t, reader, "footballprediction.inference.shadow.dropped", "model"); !maps.Equal(got, map[string]int64{DefaultModel: 1}) {
		t.Errorf("dropped: %v", got)
	}
	if err := telemetry.WatchBreaker("mlflow", func() string { return "closed" }); err != nil {
		t.Fatal(err)
	}
	state = "open"
	if got := series(t, reader, "footballprediction.breaker.state", "state"); !maps.Equal(got, map[string]int64{"open": 1, "closed": 1}) {
		t.Errorf("breakers: %v", got)
	}
	if got := series(t, reader, "footballprediction.breaker.state", "breaker"); !maps.Equal(got, map[string]int64{"redis": 1, "mlflow": 1}) {
		t.Errorf("breakers: %v", got)
	}
}
