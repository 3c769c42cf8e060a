package serving

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// histogram returns how often a histogram was recorded to, by its attributes.
func histogram(t *testing.T, reader *sdkmetric.ManualReader, name string) map[attribute.Set]uint64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	counts := map[attribute.Set]uint64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			for _, point := range m.Data.(metricdata.Histogram[float64]).DataPoints {
				counts[point.Attributes] += point.Count
				if point.Bounds[0] > .0001 {
					t.Errorf("%s: the first bucket ends at %v s", name, point.Bounds[0])
				}
			}
		}
	}
	return counts
}

func TestEveryTransportIsMeasured(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	telemetry, err := NewTelemetry(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.telemetry = telemetry
	s := w.serve(t, ServerOptions{})
	want := map[[2]string]uint64{} // by system and code
	all := predictors(t, s)
	for _, c := range all {
		system := systemConnect
		switch c.name {
		case "grpc native":
			system = systemGRPC
		case "rest":
			system = systemREST
		}
		if _, st := c.call(t.Context(), pairing("Arsenal", "Chelsea")); st != nil {
			t.Fatal(st)
		}
		if _, st := c.call(t.Context(), pairing("Arsenal", "Nobody at all")); st == nil {
			t.Fatal("an unknown team was found")
		}
		want[[2]string{system, "OK"}]++
		want[[2]string{system, "NOT_FOUND"}]++
	}
	got := map[[2]string]uint64{}
	for set, n := range histogram(t, reader, "rpc.server.call.duration") {
		value := func(key attribute.Key) string { v, _ := set.Value(key); return v.AsString() }
		if method := value("rpc.method"); method != "footballprediction.v1.PredictionService/Predict" {
			t.Errorf("measured %s", method)
		}
		got[[2]string{value("rpc.system.name"), value("rpc.response.status_code")}] += n
	}
	for key, n := range want {
		if got[key] != n {
			t.Errorf("%v: measured %d, expected %d", key, got[key], n)
		}
	}
	stages := histogram(t, reader, "footballprediction.stage.duration")
	for _, stage := range []string{"features", "model", "answer"} {
		if n := stages[attribute.NewSet(attribute.String("stage", stage))]; n != uint64(len(all)) {
			t.Errorf("stage %s: measured %d times, expected %d", stage, n, len(all))
		}
	}
	if n := stages[attribute.NewSet(attribute.String("stage", "encode"))]; n == 0 {
		t.Error("encoding was not measured")
	}
}

// A stranger who makes up names of procedures must not fill the memory with their measurements.
func TestUnknownProceduresAreNotMeasured(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	telemetry, err := NewTelemetry(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.telemetry = telemetry
	s := w.serve(t, ServerOptions{})
	if err := s.native.Invoke(t.Context(), "/made.Up/Name", &pb.PredictRequest{}, &pb.PredictResponse{}); err == nil {
		t.Error("answered")
	}
	if code, _ := s.fetch(t.Context(), t, s.http, http.MethodPost, "/made.Up/Name", "{}", http.Header{"Content-Type": {"application/json"}}); code == http.StatusOK {
		t.Error("answered")
	}
	if got := histogram(t, reader, "rpc.server.call.duration"); len(got) != 0 {
		t.Errorf("measured %v", got)
	}
}

func TestCallsContinueTheirCallersTrace(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	telemetry, err := NewTelemetry(sdkmetric.NewMeterProvider(), sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.telemetry = telemetry
	s := w.serve(t, ServerOptions{})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if err := s.native.Invoke(metadata.AppendToOutgoingContext(t.Context(), "traceparent", parent),
		pb.PredictionService_Predict_FullMethodName, pairing("Arsenal", "Chelsea"), &pb.PredictResponse{}); err != nil {
		t.Fatal(err)
	}
	code, _ := s.fetch(t.Context(), t, s.http, http.MethodGet, "/data/competitions", "", http.Header{"Traceparent": {parent}})
	if code != http.StatusOK {
		t.Fatal(code)
	}
	got := spans.GetSpans()
	if len(got) != 2 {
		t.Fatalf("%d spans", len(got))
	}
	for i, want := range []string{"footballprediction.v1.PredictionService/Predict", "footballprediction.v1.MatchService/ListCompetitions"} {
		span := got[i]
		if span.Name != want || span.SpanKind != trace.SpanKindServer || span.Parent.SpanID().String() != "b7ad6b7169203331" ||
			span.SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("span %+v", span)
		}
	}
	var events []string
	for _, e := range got[0].Events {
		events = append(events, e.Name)
	}
	if strings.Join(events, " ") != "features model answer" {
		t.Errorf("events %v", events)
	}
}

func TestMeasuringAllocatesNothing(t *testing.T) {
	telemetry, err := NewTelemetry(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())), nil)
	if err != nil {
		t.Fatal(err)
	}
	const procedure = "/a.B/C"
	telemetry.prepare(map[string]Role{procedure: Anyone})
	c := call{system: systemGRPC, procedure: procedure}
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		measured, span := telemetry.begin(ctx, &c)
		watch := telemetry.stopwatch(measured)
		watch.lap(stageFeatures)
		watch.lap(stageModel)
		telemetry.end(measured, &c, span, 0, 1000)
	}); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}
