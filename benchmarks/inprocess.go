package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/features/store"
	"footballprediction/inference"
	"footballprediction/inference/onnx"
	"footballprediction/serving"
)

// engine answers in this process, from what is released, measured as the server is.
type engine struct {
	service  *serving.Service
	registry *inference.Registry
	opener   *onnx.Opener
}

func openEngine(ctx context.Context, root string) (*engine, error) {
	released := filepath.Join(root, "models", "released")
	state, err := store.Load(filepath.Join(released, "state"))
	if err != nil {
		return nil, err
	}
	memory, err := store.NewMemory(state, time.Now())
	if err != nil {
		return nil, err
	}
	telemetry, err := serving.NewTelemetry(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())), nil)
	if err != nil {
		return nil, err
	}
	e := new(engine)
	if e.opener, err = onnx.New(filepath.Join(root, "bin", "lib", "libonnxruntime.so"), onnx.Options{}); err != nil {
		return nil, err
	}
	e.registry = inference.NewRegistry(inference.NewFolderSource(released, nil), e.opener, inference.Options{
		Admit: serving.AdmitMatchModel(features.CurrentSchema()), Observe: telemetry.Observe,
	})
	if err := e.registry.Poll(ctx); err != nil {
		return nil, errors.Join(err, e.registry.Close(ctx))
	}
	if e.service, err = serving.NewService(features.CurrentSchema(), e.registry, memory, memory, serving.ServiceOptions{Telemetry: telemetry}); err != nil {
		return nil, errors.Join(err, e.registry.Close(ctx))
	}
	return e, nil
}

// inProcess measures what needs no transport.
func (b *bench) inProcess(ctx context.Context) (all []*series, err error) {
	e, err := openEngine(ctx, b.root)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.registry.Close(ctx)) }()

	objects := &series{Name: "Predict in process: allocations", Is: "per call", Goal: atMost(15), Guard: predictObjects}
	bytes := &series{Name: "Predict in process: memory allocated", Is: "bytes per call", Guard: predictBytes}
	once := &series{Name: "Predict in process: time", Is: "µs per call"}
	one := pairing("Arsenal", "Chelsea")
	batch := &series{Name: "BatchPredict of 1000 in process", Is: "matches/s", Goal: atLeast(60_000)}
	batchObjects := &series{Name: "BatchPredict of 1000 in process: allocations", Is: "per match"}
	thousand := new(pb.BatchPredictRequest)
	for range serving.MaxBatch {
		thousand.Requests = append(thousand.Requests, one)
	}
	err = rounds(b.least, b.least, func(int) error {
		u, err := usageOf(2000, func() error {
			_, err := e.service.Predict(ctx, one)
			return err
		})
		if err != nil {
			return err
		}
		objects.Judged, bytes.Judged = append(objects.Judged, u.objects), append(bytes.Judged, u.bytes)
		once.Judged = append(once.Judged, u.seconds*1e6)
		u, err = usageOf(5, func() error {
			answer, err := e.service.BatchPredict(ctx, thousand)
			if err == nil && answer.GetResults()[0].GetPrediction() == nil {
				err = fmt.Errorf("item of the batch: %s", answer.GetResults()[0].GetError().GetMessage())
			}
			return err
		})
		if err != nil {
			return err
		}
		batch.Judged = append(batch.Judged, serving.MaxBatch/u.seconds)
		batchObjects.Judged = append(batchObjects.Judged, u.objects/serving.MaxBatch)
		return nil
	})
	if err != nil {
		return nil, err
	}
	batcher, err := b.batcher(ctx, e)
	return append([]*series{objects, bytes, once, batch, batchObjects}, batcher...), err
}

// batcher compares a run of the released model through the registry, which gathers runs in batches,
// with a run of the bare model.
func (b *bench) batcher(ctx context.Context, e *engine) ([]*series, error) {
	handle, err := e.registry.Acquire(serving.DefaultModel, "")
	if err != nil {
		return nil, err
	}
	defer handle.Release()
	bare, err := e.opener.Open(ctx, filepath.Join(b.root, "models", "released", handle.Name(), handle.Version()))
	if err != nil {
		return nil, err
	}
	defer bare.Close()
	width := len(features.CurrentSchema().Features)
	inputs := []inference.Tensor{{
		Name: bare.Inputs()[0].Name, Type: inference.FP32, Shape: []int64{1, int64(width)}, Data: make([]byte, 4*width),
	}}
	outputs := make([]inference.Tensor, len(bare.Outputs()))
	for i, spec := range bare.Outputs() {
		outputs[i].Name = spec.Name
	}
	added := &series{Name: "run of one row: what the batcher adds", Is: "µs", Goal: atMost(5)}
	alone := &series{Name: "run of one row: the bare model", Is: "µs"}
	err = rounds(b.least, b.least, func(int) error {
		through, err := usageOf(2000, func() error { return handle.Run(ctx, inputs, outputs) })
		if err != nil {
			return err
		}
		direct, err := usageOf(2000, func() error { return bare.Run(ctx, inputs, outputs) })
		added.Judged = append(added.Judged, 1e6*(through.seconds-direct.seconds))
		alone.Judged = append(alone.Judged, 1e6*direct.seconds)
		return err
	})
	return []*series{added, alone}, err
}

// usage is what one call of a function costs.
type usage struct{ objects, bytes, seconds float64 }

// usageOf calls f so many times. Nothing else may run in this process meanwhile.
func usageOf(calls int, f func() error) (u usage, err error) {
	for range calls/10 + 1 { // fills pools
		if err := f(); err != nil {
			return u, err
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	started := time.Now()
	for range calls {
		if err := f(); err != nil {
			return u, err
		}
	}
	elapsed := time.Since(started)
	runtime.ReadMemStats(&after)
	n := float64(calls)
	return usage{
		objects: float64(after.Mallocs-before.Mallocs) / n,
		bytes:   float64(after.TotalAlloc-before.TotalAlloc) / n,
		seconds: elapsed.Seconds() / n,
	}, nil
}
