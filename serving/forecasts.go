package serving

import (
	"context"
	"fmt"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
	"footballprediction/serving/scoreline"
)

// Forecasts runs a match model over rows of features (rows×F float32, row-major) and returns the
// grid of scores of each row, as Predict would answer from it. odds are those that a request would
// bring, one for each row, nil where it would bring none; nil altogether where none does. A row that
// fails is an error of all.
func Forecasts(ctx context.Context, handle inference.Handle, rows []float32, odds []*pb.Odds) ([]scoreline.Grid, error) {
	manifest, ok := handle.Metadata().(*Manifest)
	if !ok {
		return nil, fmt.Errorf("model %s version %s: expected a match model, got one without manifest", handle.Name(), handle.Version())
	}
	width := len(manifest.Features)
	if len(rows)%width != 0 {
		return nil, fmt.Errorf("features: expected rows of %d values, got %d values", width, len(rows))
	}
	if odds != nil && len(odds) != len(rows)/width {
		return nil, fmt.Errorf("odds: expected those of %d rows, got %d", len(rows)/width, len(odds))
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
		if odds == nil || odds[i] == nil {
			grids[i], err = r.grid(i)
		} else {
			grids[i], err = r.withOdds(i, odds[i])
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
	}
	return grids, nil
}

// withOdds is the grid of a row that the odds of a request move.
func (r *run) withOdds(row int, odds *pb.Odds) (grid scoreline.Grid, err error) {
	fair, err := readOdds(odds)
	if err == nil {
		err = r.blend(&grid, row, fair)
	}
	return grid, err
}
