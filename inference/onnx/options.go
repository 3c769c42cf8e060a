package onnx

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"footballprediction/inference"
)

var graphLevels = map[string]ort.GraphOptimizationLevel{
	"disable":  ort.GraphOptimizationLevelDisableAll,
	"basic":    ort.GraphOptimizationLevelEnableBasic,
	"extended": ort.GraphOptimizationLevelEnableExtended,
	"all":      ort.GraphOptimizationLevelEnableAll,
	"":         ort.GraphOptimizationLevelEnableAll,
}

// sessionOptions are those of every session of a model: by default one thread, the caller's own.
func sessionOptions(config inference.Config) (*ort.SessionOptions, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	for _, err := range []error{
		options.SetIntraOpNumThreads(max(config.Threads, 1)),
		options.SetInterOpNumThreads(1),
		options.SetExecutionMode(ort.ExecutionModeSequential),
		options.SetGraphOptimizationLevel(graphLevels[config.GraphOptimization]),
		// Threads that wait for work by spinning take the cores from the other sessions.
		options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		// Memory patterns are for batches of one size.
		options.SetMemPattern(false),
		// A session's own arena grows in powers of two and never shrinks; one that does not would be
		// shared by all sessions, who would wait for each other. Without an arena runs measured as
		// fast, sessions took a third of the memory, and closing them returns it.
		options.SetCpuMemArena(false),
		addProvider(options, config),
	} {
		if err != nil {
			return nil, errors.Join(err, options.Destroy())
		}
	}
	return options, nil
}

// providers add an execution provider; the CPU's is always there, behind them.
var providers = map[string]func(*ort.SessionOptions, map[string]string) error{
	"cpu": func(*ort.SessionOptions, map[string]string) error { return nil },
	"cuda": func(options *ort.SessionOptions, settings map[string]string) error {
		cuda, err := ort.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		return errors.Join(cuda.Update(settings), options.AppendExecutionProviderCUDA(cuda), cuda.Destroy())
	},
	"tensorrt": func(options *ort.SessionOptions, settings map[string]string) error {
		tensorRT, err := ort.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		return errors.Join(tensorRT.Update(settings), options.AppendExecutionProviderTensorRT(tensorRT), tensorRT.Destroy())
	},
	"coreml":   (*ort.SessionOptions).AppendExecutionProviderCoreMLV2,
	"openvino": (*ort.SessionOptions).AppendExecutionProviderOpenVINO,
	"qnn":      named("QNN"),
	"webgpu":   named("WebGPU"),
	"xnnpack":  named("XNNPACK"),
}

func named(name string) func(*ort.SessionOptions, map[string]string) error {
	return func(options *ort.SessionOptions, settings map[string]string) error {
		return options.AppendExecutionProvider(name, settings)
	}
}

// addProvider adds the execution provider that a model asks for, if the library has it.
func addProvider(options *ort.SessionOptions, config inference.Config) error {
	if config.Provider == "" {
		return nil
	}
	add := providers[config.Provider]
	if add == nil {
		return fmt.Errorf("config.json: execution_provider: expected one of %s, got %q",
			strings.Join(slices.Sorted(maps.Keys(providers)), ", "), config.Provider)
	}
	if err := add(options, config.ProviderOptions); err != nil {
		return fmt.Errorf("config.json: execution_provider: this ONNX Runtime cannot compute with %q: %w", config.Provider, err)
	}
	return nil
}
