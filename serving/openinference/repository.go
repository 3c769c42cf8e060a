package openinference

import (
	"context"
	"maps"
	"slices"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// RepositoryModelLoad implements GRPCInferenceService.
func (s *Service) RepositoryModelLoad(ctx context.Context, request *pb.RepositoryModelLoadRequest) (*pb.RepositoryModelLoadResponse, error) {
	by, err := decider(ctx, request.GetParameters())
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
	by, err := decider(ctx, request.GetParameters())
	if err != nil {
		return nil, err
	}
	if err := s.models.Unload(ctx, request.GetModelName(), by); err != nil {
		return nil, serving.ExplainField(err, "model_name")
	}
	return new(pb.RepositoryModelUnloadResponse), nil
}

// Parameters by which a request says who decides, and why. Clients of Triton's, which send none of ours, can
// name them as headers.
const (
	actor  = "actor"
	reason = "reason"
)

// decider reads who decides, and why.
func decider(ctx context.Context, parameters map[string]*pb.ModelRepositoryParameter) (inference.By, error) {
	said := map[string]string{actor: serving.Header(ctx, actor), reason: serving.Header(ctx, reason)}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		switch name {
		case actor, reason:
			text, ok := parameters[name].GetParameterChoice().(*pb.ModelRepositoryParameter_StringParam)
			if !ok {
				return inference.By{}, serving.ErrorAt(parameterPath(name), serving.FieldInvalid, "parameter %s: expected text", name)
			}
			said[name] = text.StringParam
		case "unload_dependents":
		default:
			return inference.By{}, serving.ErrorAt("parameters", serving.NotBuilt,
				"parameter %q: expected actor or reason: a model is what its source has", clip(name))
		}
	}
	return serving.DecidedBy(parameterPath(actor), said[actor], said[reason])
}
