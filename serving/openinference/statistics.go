package openinference

import (
	"context"
	"time"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// ModelStatistics implements GRPCInferenceService.
func (s *Service) ModelStatistics(_ context.Context, request *pb.ModelStatisticsRequest) (*pb.ModelStatisticsResponse, error) {
	name, version := request.GetName(), request.GetVersion()
	response := &pb.ModelStatisticsResponse{}
	add := func(name, version string) error {
		handle, err := s.models.Acquire(name, version)
		if err != nil {
			return err
		}
		defer handle.Release()
		response.ModelStats = append(response.ModelStats, newStatistics(handle))
		return nil
	}
	if version != "" {
		if name == "" {
			return nil, serving.ErrorAt("version", serving.FieldInvalid, "version: expected none without a name, got one")
		}
		if err := add(name, version); err != nil {
			return nil, explainModel(err, "name", "version")
		}
		return response, nil
	}
	for _, model := range s.models.Status().Models {
		if name != "" && model.Name != name {
			continue
		}
		for i := range model.Versions {
			_ = add(model.Name, model.Versions[i].Version) // fails where it cannot be run
		}
	}
	if name != "" && len(response.ModelStats) == 0 {
		// Nothing of that name can be acquired; this says why.
		if err := add(name, ""); err != nil {
			return nil, explainModel(err, "name", "version")
		}
	}
	return response, nil
}

func newStatistics(handle inference.Handle) *pb.ModelStatistics {
	s := handle.Statistics()
	input, infer, output := split(s.Computed, s.Copied)
	all := &pb.ModelStatistics{
		Name:           handle.Name(),
		Version:        handle.Version(),
		InferenceCount: s.Rows,
		ExecutionCount: s.Executions,
		InferenceStats: &pb.InferStatistics{
			Success: newDuration(s.Answered), Fail: newDuration(s.Failed),
			Queue:        newDuration(s.Waited),
			ComputeInput: newDuration(input), ComputeInfer: newDuration(infer), ComputeOutput: newDuration(output),
			CacheHit: &pb.StatisticDuration{}, CacheMiss: &pb.StatisticDuration{},
		},
	}
	if !s.Last.IsZero() {
		all.LastInference = uint64(s.Last.UnixMilli())
	}
	for _, batch := range s.Batches {
		input, infer, output := split(batch.Tally, batch.Copied)
		all.BatchStats = append(all.BatchStats, &pb.InferBatchStatistics{
			BatchSize:    uint64(batch.Rows),
			ComputeInput: newDuration(input), ComputeInfer: newDuration(infer), ComputeOutput: newDuration(output),
		})
	}
	return all
}

// split takes the time of executions apart: copying inputs, computing, copying outputs.
func split(t inference.Tally, copied inference.Copied) (input, infer, output inference.Tally) {
	part := func(d time.Duration) inference.Tally { return inference.Tally{Count: t.Count, Time: d} }
	// Of an execution that has just ended, the copies may be known before all the rest.
	return part(copied.In), part(max(0, t.Time-copied.In-copied.Out)), part(copied.Out)
}

func newDuration(t inference.Tally) *pb.StatisticDuration {
	return &pb.StatisticDuration{Count: t.Count, Ns: uint64(t.Time)}
}

// RepositoryIndex implements GRPCInferenceService.
func (s *Service) RepositoryIndex(_ context.Context, request *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	if got := request.GetRepositoryName(); got != "" {
		return nil, serving.ErrorAt("repository_name", serving.FieldInvalid,
			"repository_name: expected none, for there is one repository, without a name; got one")
	}
	response := &pb.RepositoryIndexResponse{}
	add := func(name, version, state, reason string) {
		if state == ready || !request.GetReady() {
			response.Models = append(response.Models, &pb.RepositoryIndexResponse_ModelIndex{
				Name: name, Version: version, State: state, Reason: reason,
			})
		}
	}
	for _, model := range s.models.Status().Models {
		for i := range model.Versions {
			v := &model.Versions[i]
			state, reason := repositoryState(v)
			if s.runs(model.Name, v.Version) {
				state = ready // be it that its next revision is not
			}
			add(model.Name, v.Version, state, reason)
		}
		switch {
		case len(model.Versions) > 0:
		case model.Err != nil:
			add(model.Name, "", "UNAVAILABLE", model.Err.Error())
		default:
			add(model.Name, "", "UNAVAILABLE", "it has no version")
		}
	}
	return response, nil
}

// ready is the state of versions that can be run.
const ready = "READY"

// repositoryState is a version's state by the protocol's names, and why it is in it.
func repositoryState(v *inference.VersionStatus) (state, reason string) {
	switch v.State {
	case inference.Available:
		return ready, ""
	case inference.Loading:
		return "LOADING", "being checked and warmed"
	case inference.Unloading:
		return "UNLOADING", "wanted no longer, still in use"
	case inference.Failed:
		return "UNAVAILABLE", v.Reason
	case inference.Start:
		return "UNAVAILABLE", "not loaded yet"
	case inference.End:
		return "UNAVAILABLE", "unloaded"
	}
	return "UNAVAILABLE", v.State.String()
}
