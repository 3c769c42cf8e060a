// Package openinference serves every loaded model, whatever it is about, by the Open Inference
// Protocol v2, over gRPC and REST, with these of Triton's extensions: binary tensors, streams,
// statistics, the configuration of models and, for operators, the model repository.
// Clients of KServe and Triton work with it unchanged.
package openinference

import (
	"context"
	"log/slog"
	"sync"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// What ServerMetadata and ModelMetadata say of this server.
const (
	serverName = "footballprediction"
	platform   = "onnxruntime_onnx"
	backend    = "onnxruntime"
	modelFile  = "model.onnx"
)

// extensions are those that are served whole, by the protocol's names.
var extensions = []string{"binary_tensor_data", "model_configuration", "model_repository", "parameters", "statistics"}

// Service answers the RPCs of inference.GRPCInferenceService, without transport and policy. It is
// safe for concurrent use.
type Service struct {
	models  *inference.Registry
	ready   func() error
	expose  func(serving.Exposure)
	version string
	logger  *slog.Logger

	exchanges sync.Pool // of *exchange
}

// New returns a Service over models. The server is ready where ready returns nil; expose is told of each
// answer of a model whose requests are shared out; version is the server's own. logger is told of the
// requests of streams that fail.
func New(models *inference.Registry, ready func() error, expose func(serving.Exposure), version string, logger *slog.Logger) *Service {
	return &Service{
		models: models, ready: ready, expose: expose, version: version, logger: logger,
		exchanges: sync.Pool{New: func() any { return new(exchange) }},
	}
}

// Procedures are the RPCs, for serving.ServerOptions.
func (s *Service) Procedures() []serving.Procedure {
	return []serving.Procedure{
		serving.Unary(pb.GRPCInferenceService_ServerLive_FullMethodName, serving.Anyone, s.ServerLive),
		serving.Unary(pb.GRPCInferenceService_ServerReady_FullMethodName, serving.Anyone, s.ServerReady),
		serving.Unary(pb.GRPCInferenceService_ModelReady_FullMethodName, serving.Anyone, s.ModelReady),
		serving.Unary(pb.GRPCInferenceService_ServerMetadata_FullMethodName, serving.Viewer, s.ServerMetadata),
		serving.Unary(pb.GRPCInferenceService_ModelMetadata_FullMethodName, serving.Viewer, s.ModelMetadata),
		serving.Unary(pb.GRPCInferenceService_ModelInfer_FullMethodName, serving.Viewer, s.ModelInfer),
		serving.BidiStream(pb.GRPCInferenceService_ModelStreamInfer_FullMethodName, serving.Viewer, s.ModelStreamInfer),
		serving.Unary(pb.GRPCInferenceService_ModelConfig_FullMethodName, serving.Viewer, s.ModelConfig),
		serving.Unary(pb.GRPCInferenceService_ModelStatistics_FullMethodName, serving.Viewer, s.ModelStatistics),
		serving.Unary(pb.GRPCInferenceService_RepositoryIndex_FullMethodName, serving.Viewer, s.RepositoryIndex),
		serving.Unary(pb.GRPCInferenceService_RepositoryModelLoad_FullMethodName, serving.Operator, s.RepositoryModelLoad),
		serving.Unary(pb.GRPCInferenceService_RepositoryModelUnload_FullMethodName, serving.Operator, s.RepositoryModelUnload),
	}
}

// ServerLive implements GRPCInferenceService.
func (s *Service) ServerLive(context.Context, *pb.ServerLiveRequest) (*pb.ServerLiveResponse, error) {
	return &pb.ServerLiveResponse{Live: true}, nil
}

// ServerReady implements GRPCInferenceService.
func (s *Service) ServerReady(context.Context, *pb.ServerReadyRequest) (*pb.ServerReadyResponse, error) {
	return &pb.ServerReadyResponse{Ready: s.ready() == nil}, nil
}

// ModelReady implements GRPCInferenceService.
func (s *Service) ModelReady(_ context.Context, request *pb.ModelReadyRequest) (*pb.ModelReadyResponse, error) {
	return &pb.ModelReadyResponse{Ready: s.runs(request.GetName(), request.GetVersion())}, nil
}

// runs tells whether a model version can be run.
func (s *Service) runs(name, version string) bool {
	handle, err := s.models.Acquire(name, version)
	if err != nil {
		return false
	}
	handle.Release()
	return true
}

// ServerMetadata implements GRPCInferenceService.
func (s *Service) ServerMetadata(context.Context, *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	return &pb.ServerMetadataResponse{Name: serverName, Version: s.version, Extensions: extensions}, nil
}

// ModelMetadata implements GRPCInferenceService.
func (s *Service) ModelMetadata(_ context.Context, request *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	handle, err := s.models.Acquire(request.GetName(), request.GetVersion())
	if err != nil {
		return nil, explainModel(err, "name", "version")
	}
	defer handle.Release()
	return &pb.ModelMetadataResponse{
		Name:     handle.Name(),
		Versions: s.versions(handle.Name()),
		Platform: platform,
		Inputs:   newTensors(handle.Model().Inputs()),
		Outputs:  newTensors(handle.Model().Outputs()),
	}, nil
}

// versions lists those of a model that can be run.
func (s *Service) versions(name string) []string {
	var versions []string
	for _, model := range s.models.Status().Models {
		if model.Name != name {
			continue
		}
		for i := range model.Versions {
			if version := model.Versions[i].Version; s.runs(name, version) {
				versions = append(versions, version)
			}
		}
	}
	return versions
}

func newTensors(specs []inference.TensorSpec) []*pb.ModelMetadataResponse_TensorMetadata {
	all := make([]*pb.ModelMetadataResponse_TensorMetadata, len(specs))
	for i, spec := range specs {
		all[i] = &pb.ModelMetadataResponse_TensorMetadata{Name: spec.Name, Datatype: spec.Type.String(), Shape: spec.Shape}
	}
	return all
}

// explainModel names the field at fault where a model cannot be had.
func explainModel(err error, name, version string) *serving.Error {
	if e := serving.ExplainField(err, name); e.Reason == serving.ModelUnknown {
		return e
	}
	return serving.ExplainField(err, version)
}
