package openinference

import (
	"context"
	"slices"

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
	first := 0 // of the dimensions that a configuration names
	if batching := handle.Batching(); batching.MaxRows > 0 && wide(model.Inputs()) && wide(model.Outputs()) {
		first = 1
		config.MaxBatchSize = int32(batching.MaxRows)
		config.DynamicBatching = &pb.ModelDynamicBatching{
			MaxQueueDelayMicroseconds: uint64(batching.Delay.Microseconds()),
			PriorityLevels:            uint64(batching.PriorityLevels),
			DefaultPriorityLevel:      uint64(batching.DefaultPriority),
			DefaultQueuePolicy:        &pb.ModelQueuePolicy{AllowTimeoutOverride: true, MaxQueueSize: uint32(batching.QueueItems)},
		}
	}
	for _, spec := range model.Inputs() {
		config.Input = append(config.Input, &pb.ModelInput{Name: spec.Name, DataType: configTypes[spec.Type], Dims: spec.Shape[first:]})
	}
	for _, spec := range model.Outputs() {
		config.Output = append(config.Output, &pb.ModelOutput{Name: spec.Name, DataType: configTypes[spec.Type], Dims: spec.Shape[first:]})
	}
	return config
}

// wide tells whether all tensors have dimensions besides their rows: a configuration can have no others.
func wide(specs []inference.TensorSpec) bool {
	return !slices.ContainsFunc(specs, func(spec inference.TensorSpec) bool { return len(spec.Shape) < 2 })
}
