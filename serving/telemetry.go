package serving

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
)

// DurationBuckets are the boundaries, in seconds, of all histograms of durations: what costs here
// is far below the 5 ms at which OpenTelemetry's own begin.
var DurationBuckets = []float64{
	.000005, .00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
}

// The systems of rpc.system.name: what the caller speaks.
const (
	systemGRPC    = "grpc"       // on grpc-go's own transport
	systemConnect = "connectrpc" // Connect, gRPC-Web and gRPC over net/http
	systemREST    = "rest"
)

// The stages of answering, as attribute "stage".
const (
	stageFeatures = iota // from the stores: matches' vectors
	stageModel           // waiting for a session and running the model
	stageAnswer          // from the model's outputs to the response: grid and markets
	stageEncode          // the response to bytes, on the gRPC port
	numStages
)

var stageNames = [numStages]string{"features", "model", "answer", "encode"}

// Telemetry measures calls under the names of OpenTelemetry's semantic conventions, and what they
// spend their time on. One interceptor of our own does it for all transports, with attribute sets
// made beforehand: the stock interceptors alone cost a quarter of the throughput. A nil *Telemetry
// measures nothing. It is safe for concurrent use.
type Telemetry struct {
	calls  metric.Float64Histogram
	stages metric.Float64Histogram

	models    modelInstruments
	exposures exposures
	webhooks  metric.Int64Counter
	meter     metric.Meter

	callOptions  map[callKey][]metric.RecordOption
	stageOptions [numStages][]metric.RecordOption

	tracer     trace.Tracer // nil where traces go nowhere
	propagator propagation.TextMapPropagator
}

// callKey says which attributes a call is recorded with.
type callKey struct {
	system, procedure string
	code              codes.Code
}

// NewTelemetry measures into meters, and traces calls into tracers unless it is nil.
func NewTelemetry(meters metric.MeterProvider, tracers trace.TracerProvider) (*Telemetry, error) {
	const scope = "footballprediction/serving"
	meter := meters.Meter(scope)
	t := &Telemetry{meter: meter, callOptions: map[callKey][]metric.RecordOption{}, propagator: propagation.TraceContext{}}
	var err error
	if t.calls, err = meter.Float64Histogram("rpc.server.call.duration", metric.WithUnit("s"),
		metric.WithDescription("Time to answer a call"), metric.WithExplicitBucketBoundaries(DurationBuckets...)); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if t.stages, err = meter.Float64Histogram("footballprediction.stage.duration", metric.WithUnit("s"),
		metric.WithDescription("Time that predicting spends in each stage"), metric.WithExplicitBucketBoundaries(DurationBuckets...)); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if t.models, err = newModelInstruments(meter); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if t.exposures.counter, err = meter.Int64Counter("footballprediction.exposures",
		metric.WithDescription("Answers of models whose requests are shared out, by the variant that answered")); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if t.webhooks, err = meter.Int64Counter("footballprediction.webhooks",
		metric.WithDescription("Deliveries of webhooks, taken and refused")); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	for stage, name := range stageNames {
		t.stageOptions[stage] = recordWith(attribute.String("stage", name))
	}
	if tracers != nil {
		t.tracer = tracers.Tracer(scope)
	}
	return t, nil
}

func recordWith(attributes ...attribute.KeyValue) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attributes...))}
}

// prepare makes the attribute sets of every call that can come; it is called before any does.
func (t *Telemetry) prepare(roles map[string]Role) {
	if t == nil {
		return
	}
	for procedure := range roles {
		for _, system := range []string{systemGRPC, systemConnect, systemREST} {
			for code := codes.OK; code <= codes.Unauthenticated; code++ {
				t.callOptions[callKey{system, procedure, code}] = recordWith(
					attribute.String("rpc.system.name", system),
					attribute.String("rpc.method", procedure[1:]),
					attribute.String("rpc.response.status_code", codeNames[code]))
			}
		}
	}
}

// codeNames are gRPC's names of the codes, whatever the transport.
var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

// A call is one call as the policy sees it, whatever its transport.
type call struct {
	system, procedure string
	// header carries the caller's trace context.
	header propagation.TextMapCarrier
}

// traces says whether calls are traced.
func (t *Telemetry) traces() bool { return t != nil && t.tracer != nil }

// begin starts the call's span, if calls are traced.
func (t *Telemetry) begin(ctx context.Context, c *call) (context.Context, trace.Span) {
	if !t.traces() {
		return ctx, nil
	}
	return t.tracer.Start(t.propagator.Extract(ctx, c.header), c.procedure[1:], trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("rpc.system.name", c.system), attribute.String("rpc.method", c.procedure[1:])))
}

// end records the call. A procedure that is not in the table is not recorded: strangers could fill
// the memory with its names.
func (t *Telemetry) end(ctx context.Context, c *call, span trace.Span, code codes.Code, duration time.Duration) {
	if t == nil {
		return
	}
	if options, known := t.callOptions[callKey{c.system, c.procedure, code}]; known {
		t.calls.Record(ctx, duration.Seconds(), options...)
	}
	if span != nil {
		span.SetAttributes(attribute.String("rpc.response.status_code", codeNames[code]))
		if code == codes.Internal || code == codes.Unknown || code == codes.DataLoss {
			span.SetStatus(otelcodes.Error, codeNames[code])
		}
		span.End()
	}
}

// stopwatch measures stages one after another. The zero value measures nothing.
type stopwatch struct {
	telemetry *Telemetry
	ctx       context.Context
	last      time.Time
}

func (t *Telemetry) stopwatch(ctx context.Context) stopwatch {
	if t == nil {
		return stopwatch{}
	}
	return stopwatch{telemetry: t, ctx: ctx, last: time.Now()}
}

// lap records the time since the last lap as that of a stage.
func (s *stopwatch) lap(stage int) {
	if s.telemetry == nil {
		return
	}
	now := time.Now()
	s.telemetry.stages.Record(s.ctx, now.Sub(s.last).Seconds(), s.telemetry.stageOptions[stage]...)
	if span := trace.SpanFromContext(s.ctx); span.IsRecording() {
		span.AddEvent(stageNames[stage], trace.WithTimestamp(now))
	}
	s.last = now
}
