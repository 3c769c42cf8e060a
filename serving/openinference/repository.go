package openinference

import (
	"context"
	"maps"
	"slices"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// anonymous is on record where a client of Triton's cannot say who decides.
const anonymous = "model repository API"

// RepositoryModelLoad implements GRPCInferenceService.
func (s *Service) RepositoryModelLoad(ctx context.Context, request *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	by, err := decider(request.GetParameters())
	if err != nil {
		return nil, err
	}
	if err := s.models.Load(ctx, request.GetModelName(), by); err != nil {
		return nil, serving.ExplainField(err, "model_name")
	}
	return new(pb.RepositoryModelLoadResponse), nil
}

// RepositoryModelUnload implements GRPCInferenceService.
func (s *Service) RepositoryModelUnload(ctx context.Context, request *pb.RepositoryModelUnloadRequest) (*pb.RepositoryModelUnloadResponse, error) {
	by, err := decider(request.GetParameters())
	if err != nil {
		return nil, err
	}
	if err := s.models.Unload(ctx, request.GetModelName(), by); err != nil {
		return nil, serving.ExplainField(err, "model_name")
	}
	return new(pb.RepositoryModelUnloadResponse), nil
}

// decider reads who decides, and why, from a request's parameters.
func decider(parameters map[string]*pb.ModelRepositoryParameter) (inference.By, error) {
	by := inference.By{Actor: anonymous}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		switch name {
		case "actor":
			by.Actor = parameters[name].GetStringParam()
		case "reason":
			by.Reason = parameters[name].GetStringParam()
		case "unload_dependents":
		default:
			return by, serving.ErrorAt("parameters", serving.NotBuilt,
				"parameter %q: expected actor or reason: a model is what its source has", clip(name))
		}
	}
	return by, nil
}
