package serving

import (
	"context"
	"fmt"
	"slices"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/inference"
)

// A workspace is what one call computes with, from its questions to the models' outputs. The memory
// is used again by later calls.
type workspace struct {
	questions []question
	fixtures  []features.Fixture // of the questions that have a match and a model
	vectors   []features.Vector  // of fixtures
	lookups   []lookup
	runs      []*run
	spare     []*run // runs of earlier calls, for their memory
	contrast  run    // of one question at a time, for its explanation
}

// A question is a request on its way to an answer.
type question struct {
	request    *pb.PredictRequest
	err        error // why there is no answer
	match      features.Match
	home, away features.Team
	run        *run
	variant    string
	routed     bool // chosen among several versions
	vector     int  // its place among the fixtures
	row        int  // its place among the rows of the run

	odds        *fairOdds       // of the request; nil where it has none
	explanation *pb.Explanation // nil where none was asked for
}

// A lookup remembers which run a model and version, as asked for, came to.
type lookup struct {
	name, version string
	key           string // by which a route assigns
	run           *run
	variant       string
	err           error
}

// ask adds a question.
func (w *workspace) ask(request *pb.PredictRequest) *question {
	w.questions = append(w.questions, question{request: request})
	return &w.questions[len(w.questions)-1]
}

// recycle gives the models back and keeps the memory.
func (s *Service) recycle(w *workspace) {
	for _, r := range w.runs {
		r.handle.Release()
		r.handle, r.manifest = inference.Handle{}, nil
		w.spare = append(w.spare, r)
	}
	w.contrast.handle, w.contrast.manifest = inference.Handle{}, nil
	clear(w.questions)
	clear(w.fixtures)
	clear(w.lookups)
	clear(w.runs)
	w.questions, w.fixtures, w.lookups, w.runs = w.questions[:0], w.fixtures[:0], w.lookups[:0], w.runs[:0]
	s.workspaces.Put(w)
}

// compute finds the match, the model and the vector of each question and runs each model version
// once. What concerns a single question is its err; an error returned concerns all.
func (s *Service) compute(ctx context.Context, w *workspace) error {
	for i := range w.questions {
		q := &w.questions[i]
		if q.err == nil {
			q.err = s.resolve(ctx, q)
		}
		if q.err == nil {
			q.err = s.route(w, q)
		}
		if q.err != nil {
			continue
		}
		q.vector = len(w.fixtures)
		w.fixtures = append(w.fixtures, features.Fixture{
			MatchID: q.match.ID, Competition: q.match.Competition, Season: q.match.Season,
			Home: q.match.Home, Away: q.match.Away, Date: q.match.Date,
		})
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(w.fixtures) == 0 {
		return nil
	}
	watch := s.telemetry.stopwatch(ctx)
	w.vectors = slices.Grow(w.vectors[:0], len(w.fixtures))[:len(w.fixtures)]
	if err := s.vectors.Vectors(ctx, w.fixtures, w.vectors); err != nil {
		return fmt.Errorf("features of %d matches: %w", len(w.fixtures), err)
	}
	for i := range w.questions {
		if q := &w.questions[i]; q.err == nil {
			q.err = s.enter(w, q)
		}
	}
	watch.lap(stageFeatures)
	for _, r := range w.runs {
		if err := r.execute(ctx); err != nil {
			return err
		}
		if r.unnamed {
			s.models.Mirror(r.handle.Name(), r.inputs[:])
		}
	}
	for i := range w.questions {
		q := &w.questions[i]
		if q.err != nil || !q.request.Explain {
			continue
		}
		if err := w.contrast.explain(ctx, q); err != nil {
			return err
		}
	}
	watch.lap(stageModel)
	return nil
}

// route takes hold of the model that is to answer a question.
func (s *Service) route(w *workspace, q *question) error {
	name, version := q.request.Model, q.request.ModelVersion
	if name == "" {
		name = DefaultModel
	}
	l := lookup{name: name, version: version}
	if q.routed = version == "" && s.models.Routed(name); q.routed {
		l.key = q.request.AssignmentKey
	}
	if !q.routed || l.key != "" { // without a key, each question is drawn for itself
		for i := range w.lookups {
			if known := &w.lookups[i]; known.name == name && known.version == version && known.key == l.key {
				q.run, q.variant = known.run, known.variant
				return known.err
			}
		}
	}
	l.run, l.variant, l.err = s.acquire(w, name, version, l.key)
	w.lookups = append(w.lookups, l)
	q.run, q.variant = l.run, l.variant
	return l.err
}

// acquire returns the workspace's run of a model version, and by which variant or alias it was chosen.
func (s *Service) acquire(w *workspace, name, version, key string) (_ *run, variant string, err error) {
	var handle inference.Handle
	if version == "" {
		handle, variant, err = s.models.Route(name, key)
	} else {
		handle, err = s.models.Acquire(name, version)
	}
	if err != nil {
		return nil, "", explainModel(err)
	}
	if version != "" && version != handle.Version() { // a number is no choice between versions
		variant = version
	}
	run, err := s.join(w, name, handle)
	if err == nil && version == "" {
		run.unnamed = true
	}
	return run, variant, err
}

// join returns the workspace's run of the version that is held, and takes the hold over.
func (s *Service) join(w *workspace, name string, handle inference.Handle) (*run, error) {
	manifest, ok := handle.Metadata().(*Manifest)
	if !ok {
		defer handle.Release()
		return nil, errorf(SchemaMismatch, "model %s version %s: expected a match model of feature schema %s, got a model without manifest",
			name, handle.Version(), s.schema.Hash).with("model", name).with("version", handle.Version()).at("model")
	}
	for _, r := range w.runs {
		if r.handle.Name() == name && r.handle.Version() == handle.Version() {
			handle.Release()
			return r, nil
		}
	}
	r := new(run)
	if n := len(w.spare); n > 0 {
		r, w.spare = w.spare[n-1], w.spare[:n-1]
	}
	r.begin(handle, manifest, len(s.schema.Features))
	w.runs = append(w.runs, r)
	return r, nil
}

// explainModel names the field at fault where a model cannot be had.
func explainModel(err error) *Error {
	if e := ExplainField(err, "model"); e.Reason == ModelUnknown {
		return e
	}
	return ExplainField(err, "model_version")
}

// enter gives the vector of a question to its run.
func (s *Service) enter(w *workspace, q *question) error {
	vector := &w.vectors[q.vector]
	if vector.Err != nil {
		field := "pairing.date"
		if q.match.ID != "" {
			field = "match_id"
		}
		return ExplainField(vector.Err, field)
	}
	if err := s.checkVector(vector, q.match.ID); err != nil {
		return err
	}
	q.row = q.run.add(vector.Values)
	return nil
}
