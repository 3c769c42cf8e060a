package serving

import (
	"context"
	"fmt"

	"footballprediction/inference"
	"footballprediction/serving/scoreline"
)

// Forecasts runs a match model over rows of features (rows×F float32, row-major) and returns the
// grid of scores of each row, as Predict would answer from it. A row that fails is an error of all.
func Forecasts(ctx context.Context, handle inference.Handle, rows []float32) ([]scoreline.Grid, error) {
	manifest, ok := handle.Metadata().(*Manifest)
	if !ok {
		return nil, fmt.Errorf("model %s version %s: expected a match model, got one without manifest", handle.Name(), handle.Version())
	}
	width := len(manifest.Features)
	if len(rows)%width != 0 {
		return nil, fmt.Errorf("features: expected rows of %d values, got %d values", width, len(rows))
	}
	var r run
	r.begin(handle, manifest, width)
	for i := 0; i < len(rows); i += width {
		r.add(rows[i : i+width])
	}
	if err := r.execute(ctx); err != nil {
		return nil, err
	}
	grids := make([]scoreline.Grid, r.rows)
	for i := range grids {
		var err error
		if grids[i], err = r.grid(i); err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
	}
	return grids, nil
}
