package serving

import (
	"context"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// exposures count the answers of models whose requests are shared out, by variant and version.
type exposures struct {
	counter metric.Int64Counter
	options sync.Map // []metric.AddOption by variantKey
}

type variantKey struct{ model, version, variant string }

func (e *exposures) count(key variantKey) {
	options, known := e.options.Load(key)
	if !known {
		options, _ = e.options.LoadOrStore(key, []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("model", key.model), attribute.String("version", key.version), attribute.String("variant", key.variant)))})
	}
	e.counter.Add(context.Background(), 1, options.([]metric.AddOption)...)
}

// An Exposure is an answer of a model whose requests are shared out: whoever compares variants needs to
// know who saw which.
type Exposure struct {
	Model, Version, Variant string
	// AssignmentKey is the one of the request; empty: the variant was drawn.
	AssignmentKey string
	// ID is the answer's, if it has one, under the name of its field, such as prediction_id.
	ID slog.Attr
}

// Expose counts and logs an answer. It is called once for each.
func (s *Service) Expose(e Exposure) {
	if s.telemetry != nil {
		s.telemetry.exposures.count(variantKey{e.Model, e.Version, e.Variant})
	}
	s.logger.LogAttrs(context.Background(), slog.LevelInfo, "exposure",
		slog.String("model", e.Model), slog.String("version", e.Version), slog.String("variant", e.Variant),
		slog.String("assignment_key", e.AssignmentKey), e.ID)
}
