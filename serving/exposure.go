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

// expose says which variant answered: whoever compares variants needs to know who saw which.
func (s *Service) expose(q *question, predictionID string) {
	key := variantKey{q.run.handle.Name(), q.run.handle.Version(), q.variant}
	if s.telemetry != nil {
		s.telemetry.exposures.count(key)
	}
	s.logger.LogAttrs(context.Background(), slog.LevelInfo, "exposure",
		slog.String("model", key.model), slog.String("version", key.version), slog.String("variant", key.variant),
		slog.String("assignment_key", q.request.AssignmentKey), slog.String("prediction_id", predictionID))
}
