package openinference

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/inference/onnx/onnxtest"
	"footballprediction/serving"
)

// The full names of the RPCs.
const (
	serverLive      = pb.GRPCInferenceService_ServerLive_FullMethodName
	serverReady     = pb.GRPCInferenceService_ServerReady_FullMethodName
	modelReady      = pb.GRPCInferenceService_ModelReady_FullMethodName
	serverMetadata  = pb.GRPCInferenceService_ServerMetadata_FullMethodName
	modelMetadata   = pb.GRPCInferenceService_ModelMetadata_FullMethodName
	modelStatistics = pb.GRPCInferenceService_ModelStatistics_FullMethodName
	repositoryIndex = pb.GRPCInferenceService_RepositoryIndex_FullMethodName
)

func TestServer(t *testing.T) {
	s := newSite(t, tinyModels(t), newOpener(t, 1))
	if got := ask[pb.ServerLiveRequest, pb.ServerLiveResponse](t, s, serverLive, &pb.ServerLiveRequest{}, wrong{}); !got.GetLive() {
		t.Error("not live")
	}
	if got := ask[pb.ServerReadyRequest, pb.ServerReadyResponse](t, s, serverReady, &pb.ServerReadyRequest{}, wrong{}); !got.GetReady() {
		t.Error("not ready")
	}
	got := ask[pb.ServerMetadataRequest, pb.ServerMetadataResponse](t, s, serverMetadata, &pb.ServerMetadataRequest{}, wrong{})
	if want := (&pb.ServerMetadataResponse{Name: "footballprediction", Version: "1.2.3", Extensions: extensions}); !proto.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestServerWithoutTheMatchModelIsNotReady(t *testing.T) {
	s := newSite(t, inference.NewFolderSource(onnxtest.Models(t), nil), newOpener(t, 1))
	if got := ask[pb.ServerReadyRequest, pb.ServerReadyResponse](t, s, serverReady, &pb.ServerReadyRequest{}, wrong{}); got.GetReady() {
		t.Error("ready")
	}
}

func TestModelReady(t *testing.T) {
	s := newSite(t, tinyModels(t), newOpener(t, 1))
	for _, test := range []struct {
		name, version string
		want          bool
	}{
		{"halves", "", true}, {"halves", "1", true}, {"halves", "next", true}, {"match-outcome", "", true},
		{"halves", "3", false}, {"broken", "", false}, {"broken", "1", false}, {"oracle", "", false}, {"", "", false},
	} {
		got := ask[pb.ModelReadyRequest, pb.ModelReadyResponse](t, s, modelReady, &pb.ModelReadyRequest{Name: test.name, Version: test.version}, wrong{})
		if got.GetReady() != test.want {
			t.Errorf("%s %q: got %t", test.name, test.version, got.GetReady())
		}
	}
}

func TestModelMetadata(t *testing.T) {
	s := newSite(t, tinyModels(t, "several_inputs"), newOpener(t, 1))
	tensor := func(name, datatype string, shape ...int64) *pb.ModelMetadataResponse_TensorMetadata {
		return &pb.ModelMetadataResponse_TensorMetadata{Name: name, Datatype: datatype, Shape: shape}
	}
	type tensors = []*pb.ModelMetadataResponse_TensorMetadata
	for _, test := range []struct {
		name, version string
		want          *pb.ModelMetadataResponse
		wrong         wrong
	}{
		{name: "halves", version: "next", want: &pb.ModelMetadataResponse{
			Name: "halves", Versions: []string{"1", "2"}, Platform: "onnxruntime_onnx",
			Inputs: tensors{tensor("x", "FP32", -1, 1)}, Outputs: tensors{tensor("y", "FP32", -1, 1)},
		}},
		{name: "several_inputs", want: &pb.ModelMetadataResponse{
			Name: "several_inputs", Versions: []string{"1"}, Platform: "onnxruntime_onnx",
			Inputs: tensors{
				tensor("small", "INT32", -1, 2), tensor("large", "INT64", -1, 2), tensor("exact", "FP64", -1, 2),
				tensor("single", "FP32", -1, 2), tensor("flag", "BOOL", -1),
			},
			Outputs: tensors{tensor("total", "FP64", -1, 2), tensor("whole", "INT64", -1, 2), tensor("opposite", "BOOL", -1)},
		}},
		{name: "oracle", wrong: wrong{codes.NotFound, serving.ModelUnknown, "name", `"oracle"`}},
		{name: "halves", version: "7", wrong: wrong{codes.NotFound, serving.ModelVersionUnknown, "version", `"7"`}},
		{name: "broken", wrong: wrong{codes.Unavailable, serving.ModelNotReady, "", "sequence"}},
	} {
		got := ask[pb.ModelMetadataRequest, pb.ModelMetadataResponse](t, s, modelMetadata, &pb.ModelMetadataRequest{Name: test.name, Version: test.version}, test.wrong)
		if !proto.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestModelStatistics(t *testing.T) {
	s := newSite(t, tinyModels(t, "lookup"), newOpener(t, 1))
	infer := inferrers(s)[0].call
	statistics := func(name, version string, want wrong) []*pb.ModelStatistics {
		t.Helper()
		return ask[pb.ModelStatisticsRequest, pb.ModelStatisticsResponse](t, s, modelStatistics,
			&pb.ModelStatisticsRequest{Name: name, Version: version}, want).GetModelStats()
	}
	zero := &pb.StatisticDuration{}
	for _, unused := range statistics("lookup", "1", wrong{}) {
		if want := (&pb.ModelStatistics{Name: "lookup", Version: "1", InferenceStats: &pb.InferStatistics{
			Success: zero, Fail: zero, Queue: zero, ComputeInput: zero, ComputeInfer: zero, ComputeOutput: zero, CacheHit: zero, CacheMiss: zero,
		}}); !proto.Equal(unused, want) {
			t.Errorf("before: got %v", unused)
		}
	}

	before := time.Now()
	for _, values := range [][]int64{{0, 1}, {2, 2}, {1}, {9}, {0, 0}} { // there is no 9
		if _, st := infer(t.Context(), &pb.ModelInferRequest{
			ModelName: "lookup", Inputs: inputs{input("index", []int64{int64(len(values))}, values...)},
		}); (st == nil) != (values[0] != 9) {
			t.Fatal(st)
		}
	}
	if _, st := infer(t.Context(), &pb.ModelInferRequest{ModelName: "lookup"}); st == nil { // which is not counted
		t.Fatal("no inputs: answered")
	}
	for _, version := range []string{"", "1"} {
		all := statistics("lookup", version, wrong{})
		if len(all) != 1 {
			t.Fatalf("got %v", all)
		}
		got := all[0]
		in := got.GetInferenceStats()
		var sizes [][2]uint64
		var batched uint64
		for _, b := range got.GetBatchStats() {
			sizes = append(sizes, [2]uint64{b.GetBatchSize(), b.GetComputeInfer().GetCount()})
			batched += b.GetComputeInput().GetNs() + b.GetComputeInfer().GetNs() + b.GetComputeOutput().GetNs()
		}
		if got.GetInferenceCount() != 7 || got.GetExecutionCount() != 4 || in.GetSuccess().GetCount() != 4 || in.GetFail().GetCount() != 1 ||
			in.GetQueue().GetCount() != 4 || in.GetComputeInfer().GetCount() != 4 || !slices.Equal(sizes, [][2]uint64{{1, 1}, {2, 3}}) {
			t.Errorf("got %v", got)
		}
		computed := in.GetComputeInput().GetNs() + in.GetComputeInfer().GetNs() + in.GetComputeOutput().GetNs()
		if in.GetComputeInput().GetNs() == 0 || in.GetComputeInfer().GetNs() == 0 || in.GetComputeOutput().GetNs() == 0 || computed != batched ||
			in.GetFail().GetNs() == 0 || in.GetSuccess().GetNs() != in.GetQueue().GetNs()+computed || in.GetSuccess().GetNs() > uint64(time.Since(before)) {
			t.Errorf("times: got %v", got)
		}
		if last := time.UnixMilli(int64(got.GetLastInference())); last.Before(before.Truncate(time.Millisecond)) || last.After(time.Now()) {
			t.Errorf("last at %s", last)
		}
	}

	var names []string
	for _, got := range statistics("", "", wrong{}) {
		names = append(names, got.GetName()+"/"+got.GetVersion())
	}
	if want := []string{"halves/1", "halves/2", "lookup/1", "match-outcome/2"}; !slices.Equal(names, want) {
		t.Errorf("all: got %v", names)
	}
	if got := statistics("halves", "next", wrong{}); len(got) != 1 || got[0].GetVersion() != "2" {
		t.Errorf("by alias: got %v", got)
	}
	statistics("oracle", "", wrong{codes.NotFound, serving.ModelUnknown, "name", `"oracle"`})
	statistics("halves", "7", wrong{codes.NotFound, serving.ModelVersionUnknown, "version", `"7"`})
	statistics("broken", "", wrong{codes.Unavailable, serving.ModelNotReady, "", "sequence"})
	statistics("", "1", wrong{codes.InvalidArgument, serving.FieldInvalid, "version", "none without a name"})
}

func TestRepositoryIndex(t *testing.T) {
	dir := t.TempDir()
	// A model whose aliases cannot be read, and that has no version.
	if err := os.MkdirAll(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "empty", "aliases.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, sources{tinyModels(t), inference.NewFolderSource(dir, nil)}, newOpener(t, 1))
	for _, test := range []struct {
		ready bool
		want  []string
	}{
		{false, []string{"broken/1 UNAVAILABLE", "empty/ UNAVAILABLE", "halves/1 READY", "halves/2 READY", "match-outcome/2 READY"}},
		{true, []string{"halves/1 READY", "halves/2 READY", "match-outcome/2 READY"}},
	} {
		response := ask[pb.RepositoryIndexRequest, pb.RepositoryIndexResponse](t, s, repositoryIndex, &pb.RepositoryIndexRequest{Ready: test.ready}, wrong{})
		var got []string
		for _, m := range response.GetModels() {
			got = append(got, m.GetName()+"/"+m.GetVersion()+" "+m.GetState())
			if (m.GetReason() == "") != (m.GetState() == "READY") {
				t.Errorf("%s: reason %q", m.GetName(), m.GetReason())
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("got %v, want %v", got, test.want)
		}
	}
	ask[pb.RepositoryIndexRequest, pb.RepositoryIndexResponse](t, s, repositoryIndex, &pb.RepositoryIndexRequest{RepositoryName: "s3"},
		wrong{codes.InvalidArgument, serving.FieldInvalid, "repository_name", "expected none"})
}

// sources is a Source over several.
type sources []inference.Source

func (all sources) List(ctx context.Context) (wishes []inference.Aspired, err error) {
	for _, source := range all {
		more, err := source.List(ctx)
		if err != nil {
			return nil, err
		}
		wishes = append(wishes, more...)
	}
	return wishes, nil
}

func (all sources) Fetch(ctx context.Context, name, version string) (dir string, err error) {
	for _, source := range all {
		if dir, err = source.Fetch(ctx, name, version); err == nil {
			return dir, nil
		}
	}
	return "", err
}

func TestReflectionKnowsTheService(t *testing.T) {
	s := newSite(t, tinyModels(t), newOpener(t, 1))
	for _, address := range []string{s.grpc, s.http} {
		stream := grpcreflect.NewClient(s.http2, "http://"+address, connect.WithGRPC()).NewStream(t.Context())
		services, err := stream.ListServices()
		if err != nil || !slices.Contains(services, "inference.GRPCInferenceService") {
			t.Errorf("%s: got %v, %v", address, services, err)
		}
		if files, err := stream.FileContainingSymbol("inference.GRPCInferenceService"); err != nil || len(files) == 0 {
			t.Errorf("%s: %d files, %v", address, len(files), err)
		}
		if _, err := stream.Close(); err != nil {
			t.Error(err)
		}
	}
}
