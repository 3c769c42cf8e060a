package serving

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"footballprediction/inference"
	"footballprediction/serving/scoreline"
)

// sumTolerance is how far from 1 a model's three probabilities may sum.
const sumTolerance = 1e-5

// A run is one execution of one version of a match model, over the rows of all questions that it
// answers.
type run struct {
	handle   inference.Handle
	manifest *Manifest
	width    int // features in a row
	rows     int
	unnamed  bool // some question left the version to the model's route

	input    []float32 // rows×width
	outcomes []float32 // rows×3: home win, draw, away win
	goals    []float32 // rows×2: home, away
	failures []error   // per row, where rows had to be run one by one

	inputs  [1]inference.Tensor
	outputs [2]inference.Tensor
}

// begin prepares a run; the memory of an earlier one is used again.
func (r *run) begin(handle inference.Handle, manifest *Manifest, width int) {
	r.handle, r.manifest, r.width, r.rows, r.unnamed = handle, manifest, width, 0, false
	r.input, r.failures = r.input[:0], r.failures[:0]
	r.inputs[0].Name, r.inputs[0].Type = featuresInput, inference.FP32
	r.outputs[0].Name, r.outputs[1].Name = outcomesOutput, goalsOutput
}

// add adds a row and returns its place.
func (r *run) add(values []float32) int {
	r.input = append(r.input, values...)
	r.rows++
	return r.rows - 1
}

// execute runs the model over all rows; where that fails, row by row, so that a row which the model
// cannot take fails alone. An error returned concerns all rows: nothing can be run now.
func (r *run) execute(ctx context.Context) error {
	if r.rows == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err // who has left needs no run
	}
	r.makeRoom()
	err := r.executeRows(ctx, 0, r.rows)
	if err == nil || errors.Is(err, inference.ErrQueueFull) || errors.Is(err, inference.ErrNotReady) {
		return err
	}
	r.failures = slices.Grow(r.failures, r.rows)[:r.rows]
	for i := range r.rows {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.rows > 1 {
			err = r.executeRows(ctx, i, i+1)
		}
		r.failures[i] = err
	}
	return ctx.Err()
}

// makeRoom makes room for the model's answers to all rows.
func (r *run) makeRoom() {
	r.outcomes = slices.Grow(r.outcomes[:0], 3*r.rows)[:3*r.rows]
	r.goals = slices.Grow(r.goals[:0], 2*r.rows)[:2*r.rows]
}

// executeRows runs the model over some of the rows.
func (r *run) executeRows(ctx context.Context, from, to int) error {
	rows := to - from
	in, outcomes, goals := &r.inputs[0], &r.outputs[0], &r.outputs[1]
	in.Shape = append(in.Shape[:0], int64(rows), int64(r.width))
	in.Data = inference.BytesOf(r.input[from*r.width : to*r.width])
	outcomes.Data = inference.BytesOf(r.outcomes[3*from : 3*to])[:0]
	goals.Data = inference.BytesOf(r.goals[2*from : 2*to])[:0]
	if err := r.handle.Run(ctx, r.inputs[:], r.outputs[:]); err != nil {
		return err
	}
	for _, out := range []struct {
		tensor *inference.Tensor
		values int
	}{{outcomes, 3}, {goals, 2}} {
		if got := out.tensor; got.Type != inference.FP32 || len(got.Data) != 4*rows*out.values {
			return fmt.Errorf("output %s: expected FP32 [%d,%d], got %s %v of %d bytes", got.Name, rows, out.values, got.Type, got.Shape, len(got.Data))
		}
	}
	return nil
}

// targets returns what the model said of a row.
func (r *run) targets(row int) (scoreline.Targets, error) {
	if len(r.failures) > 0 && r.failures[row] != nil {
		return scoreline.Targets{}, r.failed(r.failures[row])
	}
	p, goals := r.outcomes[3*row:3*row+3], r.goals[2*row:2*row+2]
	targets := scoreline.Targets{
		HomeWin: float64(p[0]), Draw: float64(p[1]), AwayWin: float64(p[2]),
		HomeGoals: float64(goals[0]), AwayGoals: float64(goals[1]),
	}
	if sum := targets.HomeWin + targets.Draw + targets.AwayWin; !(math.Abs(sum-1) <= sumTolerance) {
		return scoreline.Targets{}, r.failed(fmt.Errorf("output %s: expected a sum of 1, got %v", outcomesOutput, p))
	}
	return targets, nil
}

// grid returns the grid of scores of a row.
func (r *run) grid(row int) (grid scoreline.Grid, err error) {
	err = r.fill(&grid, row)
	return grid, err
}

// fill makes grid that of a row: copies of it would cost time, and stack that is kept.
func (r *run) fill(grid *scoreline.Grid, row int) error {
	targets, err := r.targets(row)
	if err != nil {
		return err
	}
	if err := grid.Fill(targets, r.manifest.Rho); err != nil { // which refuses what is negative or not finite
		return r.failed(err)
	}
	return nil
}

// normalised is targets with a match result that sums to 1, and nothing that is negative or not finite.
func (r *run) normalised(row int) (scoreline.Targets, error) {
	targets, err := r.targets(row)
	if err != nil {
		return targets, err
	}
	if targets, err = targets.Normalised(); err != nil {
		return targets, r.failed(err)
	}
	return targets, nil
}

// blend is fill with odds in the place of what the model says of the same.
func (r *run) blend(grid *scoreline.Grid, row int, odds *fairOdds) error {
	targets, err := r.normalised(row)
	if err != nil {
		return err
	}
	if odds.hasResult {
		targets.HomeWin, targets.Draw, targets.AwayWin = odds.result.Home, odds.result.Draw, odds.result.Away
	}
	if odds.hasOver {
		*grid, err = scoreline.NewOver(targets, odds.over, r.manifest.Rho)
	} else {
		err = grid.Fill(targets, r.manifest.Rho)
	}
	if err != nil {
		return r.failed(err)
	}
	return nil
}

// failed is what a caller is told of a model that gave no forecast.
func (r *run) failed(cause error) *Error {
	r.handle.Answered(false)
	name, version := r.handle.Name(), r.handle.Version()
	return errorf(ModelFailed, "model %s version %s failed", name, version).
		with("model", name).with("version", version).because(cause)
}
