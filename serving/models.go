package serving

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
)

// ListModels implements ModelService.
func (s *Service) ListModels(_ context.Context, request *pb.ListModelsRequest) (*pb.ListModelsResponse, error) {
	list := listing{"models"}
	after, err := list.after(request.PageToken)
	if err != nil {
		return nil, err
	}
	page, next := cut(s.models.Status().Models, func(m *inference.ModelStatus) string { return m.Name }, after, pageSize(request.PageSize))
	response := &pb.ListModelsResponse{NextPageToken: list.token(next)}
	for i := range page {
		response.Models = append(response.Models, newModel(&page[i]))
	}
	return response, nil
}

func newModel(status *inference.ModelStatus) *pb.Model {
	model := &pb.Model{Name: status.Name, ServingVersion: status.Serving}
	if len(status.Route.Variants) > 0 || status.Route.Shadow != "" {
		model.Route = newTraffic(&status.Route)
	}
	if status.Err != nil {
		model.SourceProblem = status.Err.Error()
	}
	for i := range status.Versions {
		version := newModelVersion(&status.Versions[i])
		if version.Version == status.Serving && version.StateReason == "" && status.Err != nil {
			version.StateReason = status.Err.Error() // why it is this one that serves
		}
		model.Versions = append(model.Versions, version)
	}
	return model
}

func newModelVersion(status *inference.VersionStatus) *pb.ModelVersion {
	version := &pb.ModelVersion{
		Version:     status.Version,
		Aliases:     status.Aliases,
		State:       modelStates[status.State],
		StateReason: status.Reason,
		Inputs:      newTensors(status.Inputs),
		Outputs:     newTensors(status.Outputs),
	}
	if !status.LoadedAt.IsZero() {
		version.LoadedAt = timestamppb.New(status.LoadedAt)
	}
	version.Metrics = status.Metrics
	if manifest, ok := status.Metadata.(*Manifest); ok {
		if len(version.Metrics) == 0 {
			version.Metrics = manifest.Metrics
		}
		version.DataCutoff = timestamppb.New(manifest.DataCutoff.Time())
	}
	return version
}

var modelStates = map[inference.State]pb.ModelState{
	inference.Start:     pb.ModelState_MODEL_STATE_START,
	inference.Loading:   pb.ModelState_MODEL_STATE_LOADING,
	inference.Available: pb.ModelState_MODEL_STATE_AVAILABLE,
	inference.Unloading: pb.ModelState_MODEL_STATE_UNLOADING,
	inference.End:       pb.ModelState_MODEL_STATE_END,
	inference.Failed:    pb.ModelState_MODEL_STATE_FAILED,
}

func newTensors(specs []inference.TensorSpec) []*pb.TensorMetadata {
	var all []*pb.TensorMetadata
	for _, spec := range specs {
		all = append(all, &pb.TensorMetadata{Name: spec.Name, Datatype: spec.Type.String(), Shape: spec.Shape})
	}
	return all
}
