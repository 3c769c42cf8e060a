package openinference

import (
	"context"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
)

// ModelConfig implements GRPCInferenceService.
func (s *Service) ModelConfig(_ context.Context, request *pb.ModelConfigRequest) (*pb.ModelConfigResponse, error) {
	handle, err := s.models.Acquire(request.GetName(), request.GetVersion())
	if err != nil {
		return nil, explainModel(err, "name", "version")
	}
	defer handle.Release()
	return &pb.ModelConfigResponse{Config: newConfig(handle)}, nil
}

// configTypes are the datatypes by the names of configurations.
var configTypes = map[inference.DataType]pb.DataType{
	inference.Bool:   pb.DataType_TYPE_BOOL,
	inference.Int8:   pb.DataType_TYPE_INT8,
	inference.Int16:  pb.DataType_TYPE_INT16,
	inference.Int32:  pb.DataType_TYPE_INT32,
	inference.Int64:  pb.DataType_TYPE_INT64,
	inference.Uint8:  pb.DataType_TYPE_UINT8,
	inference.Uint16: pb.DataType_TYPE_UINT16,
	inference.Uint32: pb.DataType_TYPE_UINT32,
	inference.Uint64: pb.DataType_TYPE_UINT64,
	inference.FP16:   pb.DataType_TYPE_FP16,
	inference.BF16:   pb.DataType_TYPE_BF16,
	inference.FP32:   pb.DataType_TYPE_FP32,
	inference.FP64:   pb.DataType_TYPE_FP64,
	inference.Bytes:  pb.DataType_TYPE_STRING,
}

func newConfig(handle inference.Handle) *pb.ModelConfig {
	model := handle.Model()
	config := &pb.ModelConfig{
		Name: handle.Name(), Platform: platform, Backend: backend, DefaultModelFilename: modelFile,
		ModelTransactionPolicy: &pb.ModelTransactionPolicy{},
		InstanceGroup: []*pb.ModelInstanceGroup{{
			Name: handle.Name(), Kind: pb.ModelInstanceGroup_KIND_CPU, Count: int32(model.Concurrency()),
		}},
	}
	for _, spec := range model.Inputs() {
		config.Input = append(config.Input, &pb.ModelInput{Name: spec.Name, DataType: configTypes[spec.Type], Dims: spec.Shape})
	}
	for _, spec := range model.Outputs() {
		config.Output = append(config.Output, &pb.ModelOutput{Name: spec.Name, DataType: configTypes[spec.Type], Dims: spec.Shape})
	}
	return config
}
