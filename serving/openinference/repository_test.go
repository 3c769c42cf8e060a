package openinference

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

func TestRepositoryModelUnloadAndLoad(t *testing.T) {
	service, _ := newService(t, tinyModels(t), newOpener(t, 1))
	ctx := t.Context()
	unload := &pb.RepositoryModelUnloadRequest{ModelName: "halves", Parameters: map[string]*pb.ModelRepositoryParameter{
		"actor": textParameter("anna"), "reason": textParameter("a break"), "unload_dependents": {},
	}}
	if _, err := service.RepositoryModelUnload(ctx, unload); err != nil {
		t.Fatal(err)
	}
	if service.runs("halves", "") || service.runs("halves", "1") {
		t.Error("it still answers")
	}
	ben := map[string]*pb.ModelRepositoryParameter{"actor": textParameter(" ben ")}
	if _, err := service.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "halves", Parameters: ben}); err != nil {
		t.Fatal(err)
	}
	if !service.runs("halves", "") {
		t.Error("it does not answer")
	}
	changes, err := service.models.Changes("halves")
	if err != nil || len(changes) != 2 || changes[0].Actor != "ben" || changes[1].Actor != "anna" || changes[1].Reason != "a break" {
		t.Errorf("got %v %v", changes, err)
	}
	for name, c := range map[string]struct {
		request *pb.RepositoryModelLoadRequest
		want    serving.Reason
	}{
		"no such model":   {&pb.RepositoryModelLoadRequest{ModelName: "thirds", Parameters: ben}, serving.ModelUnknown},
		"a broken one":    {&pb.RepositoryModelLoadRequest{ModelName: "broken", Parameters: ben}, serving.ModelNotReady},
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

// On the operators' port models are loaded and unloaded in the forms in which clients of Triton's ask for it,
// over gRPC and HTTP: who decides is a parameter or, as those send none of ours, a header.
func TestRepositoryOnTheOperatorsPort(t *testing.T) {
	service, product := newService(t, tinyModels(t), newOpener(t, 1))
	s := serve(t, service, product)
	changes := func() []inference.Change {
		t.Helper()
		all, err := service.models.Changes("halves")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, c := range []struct {
		name   string
		path   string
		header map[string]string
		body   string
		status int
		want   string
	}{
		{"by nobody", "models/halves/unload", nil, `{"parameters":{"unload_dependents":false}}`, 400, `{"error":"parameters.actor: expected who decides, got \"\""}`},
		{"without a body", "models/halves/unload", nil, "", 400, `{"error":"parameters.actor: expected`},
		{"by a blank", "models/halves/load", map[string]string{"Actor": "anna"}, `{"parameters":{"actor":" \t"}}`, 400, `{"error":"parameters.actor: expected`},
		{"by a number", "models/halves/load", nil, `{"parameters":{"actor":7}}`, 400, `{"error":"parameter actor: expected text`},
		{"with files", "models/halves/load", nil, `{"parameters":{"actor":"anna","config":"{}"}}`, 501, `{"error":"parameter \"config\"`},
		{"of what is no JSON", "models/halves/load", nil, `{"parameters":`, 400, `{"error":"body: expected JSON`},
		{"twice", "models/halves/load", nil, `{"parameters":{"actor":"anna","actor":"ben"}}`, 400, `{"error":"body: `},
		{"of no such model", "models/thirds/load", nil, `{"parameters":{"actor":"anna"}}`, 404, `{"error":"model unknown`},
		{"by a page", "models/halves/unload", map[string]string{"Origin": "http://elsewhere.example"}, `{"parameters":{"actor":"anna"}}`, 403, `{"error":"pages may not`},
		{"index", "index", nil, "", 200, `{"name":"halves","version":"1","state":"READY"`},
		{"by a parameter", "models/halves/unload", nil, `{"parameters":{"actor":"anna","reason":"a break","unload_dependents":false}}`, 200, `{}`},
		{"index without it", "index", nil, `{"ready":true}`, 200, `[{"name":"match-outcome"`},
		{"by a header", "models/halves/load", map[string]string{"actor": "ben"}, "", 200, `{}`},
	} {
		before := len(changes())
		status, header, body := s.fetchFrom(t, s.operator, "POST", "/v2/repository/"+c.path, c.header, []byte(c.body))
		if status != c.status || !strings.Contains(string(body), c.want) || header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %s, want %d %s", c.name, status, body, c.status, c.want)
		}
		decided := status == 200 && c.path != "index"
		if got := len(changes()) - before; (got == 1) != decided || got > 1 {
			t.Errorf("%s: %d changes", c.name, got)
		}
	}
	if all := changes(); all[0].Actor != "ben" || all[1].Actor != "anna" || all[1].Reason != "a break" {
		t.Errorf("on record: %v", all)
	}
	if !service.runs("halves", "") {
		t.Error("it does not answer")
	}

	triton, err := grpc.NewClient(s.operator, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer triton.Close()
	client := pb.NewGRPCInferenceServiceClient(triton)
	_, err = client.RepositoryModelUnload(t.Context(), &pb.RepositoryModelUnloadRequest{ModelName: "halves"})
	wrong{codes.InvalidArgument, serving.FieldInvalid, "parameters.actor", "expected who decides"}.check(t, "gRPC", status.Convert(err).Proto())
	ctx := metadata.AppendToOutgoingContext(t.Context(), "actor", "carla", "reason", "a try")
	if _, err := client.RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{ModelName: "halves"}); err != nil {
		t.Fatal(err)
	}
	if all := changes(); len(all) != 3 || all[0].Actor != "carla" || all[0].Reason != "a try" || all[0].Action != inference.Unload {
		t.Errorf("on record: %v", all)
	}
}
