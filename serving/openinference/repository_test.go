package openinference

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "footballprediction/api/gen/inference"
	"footballprediction/serving"
)

func text(s string) *pb.ModelRepositoryParameter {
	return &pb.ModelRepositoryParameter{ParameterChoice: &pb.ModelRepositoryParameter_StringParam{StringParam: s}}
}

func TestRepositoryModelUnloadAndLoad(t *testing.T) {
	service, _ := newService(t, tinyModels(t), newOpener(t, 1))
	ctx := t.Context()
	unload := &pb.RepositoryModelUnloadRequest{ModelName: "halves", Parameters: map[string]*pb.ModelRepositoryParameter{
		"actor": text("anna"), "reason": text("a break"), "unload_dependents": {},
	}}
	if _, err := service.RepositoryModelUnload(ctx, unload); err != nil {
		t.Fatal(err)
	}
	if service.runs("halves", "") || service.runs("halves", "1") {
		t.Error("it still answers")
	}
	if _, err := service.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "halves"}); err != nil {
		t.Fatal(err)
	}
	if !service.runs("halves", "") {
		t.Error("it does not answer")
	}
	changes, err := service.models.Changes("halves")
	if err != nil || len(changes) != 2 || changes[0].Actor != anonymous || changes[1].Actor != "anna" || changes[1].Reason != "a break" {
		t.Errorf("got %v %v", changes, err)
	}
	for name, c := range map[string]struct {
		request *pb.RepositoryModelLoadRequest
		want    serving.Reason
	}{
		"no such model":   {&pb.RepositoryModelLoadRequest{ModelName: "thirds"}, serving.ModelUnknown},
		"a broken one":    {&pb.RepositoryModelLoadRequest{ModelName: "broken"}, serving.ModelNotReady},
		"another's files": {&pb.RepositoryModelLoadRequest{ModelName: "halves", Parameters: map[string]*pb.ModelRepositoryParameter{"file:1/model.onnx": {}}}, serving.NotBuilt},
	} {
		_, err := service.RepositoryModelLoad(ctx, c.request)
		if got := serving.ExplainField(err, ""); err == nil || got.Reason != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// On the public ports nobody may.
func TestRepositoryModelLoadIsForOperators(t *testing.T) {
	s := newSite(t, tinyModels(t), newOpener(t, 1))
	_, err := pb.NewGRPCInferenceServiceClient(s.native).RepositoryModelUnload(t.Context(), &pb.RepositoryModelUnloadRequest{ModelName: "halves"})
	if got := status.Code(err); got != codes.PermissionDenied {
		t.Errorf("got %s", got)
	}
}
