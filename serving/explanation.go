package serving

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/inference"
)

// mostExactGroups is how many groups of features get their exact Shapley values: all their coalitions,
// but for the match itself, are 255 rows of the model.
const mostExactGroups = 8

// An attribution is the plan by which what a model says of a match is shared out among its groups of
// features. The model runs over coalitions: rows in which some groups have the match's values and the
// others the training means. An effect is a weighted sum of what it says of them.
type attribution struct {
	groups  []string  // in the order of the features
	group   []int     // of each feature
	means   []float32 // of each feature
	members [][]bool  // of each coalition: whether a group has the match's values
	// weights are by group and coalition, and those of the match itself come last. Over the groups they
	// sum to 1 for the match, to -1 for the first coalition, which is empty, and to 0 for all others.
	weights [][]float64
}

// newAttribution returns the plan for models of a schema with such training means, or nil where there
// are none.
func newAttribution(schema features.Schema, means map[string]float64) (*attribution, error) {
	if len(means) == 0 {
		return nil, nil
	}
	a := new(attribution)
	for _, feature := range schema.Features {
		mean, ok := means[feature.Name]
		if !ok || math.IsInf(float64(float32(mean)), 0) {
			return nil, fmt.Errorf("feature_means: expected a float32 for %s, got %s", feature.Name, map[bool]string{true: fmt.Sprint(mean), false: "none"}[ok])
		}
		at := slices.Index(a.groups, feature.Group)
		if at < 0 {
			at = len(a.groups)
			a.groups = append(a.groups, feature.Group)
		}
		a.group = append(a.group, at)
		a.means = append(a.means, float32(mean))
	}
	if len(a.groups) <= mostExactGroups {
		a.planAll()
	} else {
		a.planRotations()
	}
	return a, nil
}

// planAll takes every coalition: the effect of a group is Shapley's, the mean over all orders of what
// its coming changes.
func (a *attribution) planAll() {
	n := len(a.groups)
	all := 1<<n - 1 // the match itself
	a.allot(all)
	orders := make([]float64, n) // by size: the share of orders that begin with a certain coalition, and then a certain group
	orders[0] = 1 / float64(n)
	for size := 1; size < n; size++ {
		orders[size] = orders[size-1] * float64(size) / float64(n-size)
	}
	for coalition := range all + 1 {
		var members []bool
		size := 0
		for g := range n {
			in := coalition>>g&1 == 1
			members = append(members, in)
			if in {
				size++
			}
		}
		for g, in := range members {
			if in {
				a.weights[g][coalition] = orders[size-1]
			} else {
				a.weights[g][coalition] = -orders[size]
			}
		}
		if coalition < all {
			a.members = append(a.members, members)
		}
	}
}

// planRotations takes the coalitions of groups that follow each other in a circle: the effect of a
// group is the mean over the orders that go round it, from each group, in both directions. An order
// and its reverse together share what two groups do only jointly evenly, as Shapley's values do.
func (a *attribution) planRotations() {
	n := len(a.groups)
	all := 1 + n*(n-1)
	a.allot(all)
	a.members = append(a.members, make([]bool, n))
	for size := 1; size < n; size++ {
		for first := range n {
			members := make([]bool, n)
			for i := range size {
				members[(first+i)%n] = true
			}
			a.members = append(a.members, members)
		}
	}
	place := func(first, size int) int {
		switch size {
		case 0:
			return 0
		case n:
			return all
		}
		return 1 + n*(size-1) + (first+n)%n
	}
	share := 1 / float64(2*n)
	for g := range n {
		for size := range n { // the groups that came before g, on either side of it
			a.weights[g][place(g-size, size+1)] += share
			a.weights[g][place(g-size, size)] -= share
			a.weights[g][place(g, size+1)] += share
			a.weights[g][place(g+1, size)] -= share
		}
	}
}

// allot makes room for the weights of that many coalitions and of the match.
func (a *attribution) allot(coalitions int) {
	for range a.groups {
		a.weights = append(a.weights, make([]float64, coalitions+1))
	}
}

// explain fills the explanation of a question whose run has been executed, by running the same model
// over its coalitions. What concerns the question is its err; an error returned concerns all.
func (r *run) explain(ctx context.Context, q *question) error {
	plan := q.run.manifest.attribution
	if plan == nil {
		q.err = errorf(Unexplainable, "model %s version %s: expected feature_means in its manifest.json, got none",
			q.run.handle.Name(), q.run.handle.Version()).at("explain")
		return nil
	}
	whole, err := q.run.said(q.row)
	if err != nil {
		q.err = err
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err // who has left needs no explanation
	}
	r.begin(q.run.handle, q.run.manifest, q.run.width)
	own := q.run.input[q.row*q.run.width : (q.row+1)*q.run.width]
	for _, members := range plan.members {
		row := r.input[r.add(plan.means)*r.width:]
		for i, g := range plan.group {
			if members[g] {
				row[i] = own[i]
			}
		}
	}
	r.makeRoom()
	switch err := r.executeRows(ctx, 0, r.rows); {
	case errors.Is(err, inference.ErrQueueFull), errors.Is(err, inference.ErrNotReady):
		return err
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		q.err = r.failed(err)
		return nil
	}
	q.explanation, q.err = plan.share(r, whole)
	return nil
}

// said is what the model said of a row, in the order of GroupEffect: the match result, which sums to 1,
// and the expected goals.
func (r *run) said(row int) (v [5]float64, err error) {
	targets, err := r.normalised(row)
	return [5]float64{targets.HomeWin, targets.Draw, targets.AwayWin, targets.HomeGoals, targets.AwayGoals}, err
}

// share reads the explanation off a run over the coalitions, and what was said of the match itself.
func (a *attribution) share(r *run, whole [5]float64) (*pb.Explanation, error) {
	said := make([][5]float64, 0, len(a.members)+1)
	for coalition := range a.members {
		v, err := r.said(coalition)
		if err != nil {
			return nil, err
		}
		said = append(said, v)
	}
	said = append(said, whole)
	baseline := said[0]
	out := &pb.Explanation{
		BaselineMatchResult:   &pb.MatchResult{HomeProbability: baseline[0], DrawProbability: baseline[1], AwayProbability: baseline[2]},
		BaselineExpectedGoals: &pb.ExpectedGoals{Home: baseline[3], Away: baseline[4]},
	}
	for g, group := range a.groups {
		e := a.effect(g, said)
		out.Effects = append(out.Effects, &pb.GroupEffect{
			Group: group, HomeEffect: e[0], DrawEffect: e[1], AwayEffect: e[2], HomeGoalsEffect: e[3], AwayGoalsEffect: e[4],
		})
	}
	return out, nil
}

// effect is that of a group, given what the model said of all coalitions and then of the match itself.
func (a *attribution) effect(group int, said [][5]float64) (effect [5]float64) {
	for coalition, weight := range a.weights[group] {
		for i, v := range &said[coalition] {
			effect[i] += weight * v
		}
	}
	return effect
}
