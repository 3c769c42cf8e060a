package serving

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/api/gen/footballprediction/v1/footballpredictionv1connect"
)

// operators returns a client of the operators' port.
func (s *site) operators() footballpredictionv1connect.ModelServiceClient {
	return footballpredictionv1connect.NewModelServiceClient(s.http1, "http://"+s.operator)
}

// Who reaches the public ports may not change anything, nor see who did; who reaches the operators' may,
// unless it is a page.
func TestOperationsAreOperators(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	promote := &pb.PromoteModelRequest{Name: DefaultModel, Actor: "anna", Version: "1"}
	for _, c := range callers[pb.PromoteModelRequest, pb.PromoteModelResponse](s, pb.ModelService_PromoteModel_FullMethodName, false) {
		_, st := c.call(t.Context(), promote)
		wrong{code: codes.PermissionDenied, reason: "ACCESS_DENIED", message: "needs role operator, got viewer"}.check(t, st)
	}
	for _, c := range callers[pb.ListModelChangesRequest, pb.ListModelChangesResponse](s, pb.ModelService_ListModelChanges_FullMethodName, true) {
		_, st := c.call(t.Context(), &pb.ListModelChangesRequest{Name: DefaultModel})
		wrong{code: codes.PermissionDenied, reason: "ACCESS_DENIED", message: "needs role operator, got viewer"}.check(t, st)
	}
	native, err := pb.NewModelServiceClient(s.native).WatchModels(t.Context(), &pb.WatchModelsRequest{})
	if err == nil {
		_, err = native.Recv()
	}
	wrong{code: codes.PermissionDenied, reason: "ACCESS_DENIED"}.check(t, status.Convert(err).Proto())
	watch, err := footballpredictionv1connect.NewModelServiceClient(s.http1, "http://"+s.http).WatchModels(t.Context(), &pb.WatchModelsRequest{})
	if err == nil && !watch.Receive() {
		err = watch.Err()
	}
	wrong{code: codes.PermissionDenied, reason: "ACCESS_DENIED"}.check(t, statusOf(err))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.operator+pb.ModelService_PromoteModel_FullMethodName,
		strings.NewReader(`{"name": "match-outcome", "actor": "a page", "version": "1"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Origin", "http://"+s.operator)
	response, err := s.http1.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusForbidden {
		t.Errorf("a page: got %s %v", response.Status, err)
	}
	got, err := s.operators().GetModel(t.Context(), &pb.GetModelRequest{Name: DefaultModel})
	if err != nil || got.GetModel().GetServingVersion() != "2" {
		t.Errorf("got %v %v, want version 2 still", got, err)
	}
	answer, err := s.operators().PromoteModel(t.Context(), promote)
	if err != nil || answer.GetModel().GetServingVersion() != "1" {
		t.Errorf("got %v %v, want version 1", answer, err)
	}
}

func TestOperationsRefuse(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	models := s.operators()
	for _, c := range []struct {
		name string
		call func(context.Context) error
		want wrong
	}{
		{"nobody", func(ctx context.Context) error {
			_, err := models.PromoteModel(ctx, &pb.PromoteModelRequest{Name: DefaultModel, Version: "1"})
			return err
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"actor"}}},
		{"somebody without a name", func(ctx context.Context) error {
			_, err := models.PromoteModel(ctx, &pb.PromoteModelRequest{Name: DefaultModel, Actor: " \n", Version: "1"})
			return err
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", message: "actor: expected who decides", fields: []string{"actor"}}},
		{"a load by a blank", func(ctx context.Context) error {
			_, err := models.LoadModel(ctx, &pb.LoadModelRequest{Name: DefaultModel, Actor: "\t"})
			return err
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"actor"}}},
		{"an unload by a blank", func(ctx context.Context) error {
			_, err := models.UnloadModel(ctx, &pb.UnloadModelRequest{Name: DefaultModel, Actor: "\u2003"})
			return err
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"actor"}}},
		{"a rollback by a blank", func(ctx context.Context) error {
			_, err := models.RollbackModel(ctx, &pb.RollbackModelRequest{Name: DefaultModel, Actor: " ", Version: "1"})
			return err
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"actor"}}},
		{"traffic by a blank", func(ctx context.Context) error {
			_, err := models.SetTraffic(ctx, &pb.SetTrafficRequest{Name: DefaultModel, Actor: " "})
			return err
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"actor"}}},
		{"forced with a blank reason", func(ctx context.Context) error {
			_, err := models.PromoteModel(ctx, &pb.PromoteModelRequest{Name: DefaultModel, Actor: "anna", Version: "1", Force: true, Reason: " \n"})
			return err
		}, wrong{code: codes.FailedPrecondition, reason: "CHANGE_REFUSED", message: "reason: expected why the gate is overruled"}},
		{"no such model", func(ctx context.Context) error {
			_, err := models.LoadModel(ctx, &pb.LoadModelRequest{Name: "corners", Actor: "anna"})
			return err
		}, wrong{code: codes.NotFound, reason: "MODEL_UNKNOWN", fields: []string{"name"}}},
		{"no such version", func(ctx context.Context) error {
			_, err := models.PromoteModel(ctx, &pb.PromoteModelRequest{Name: DefaultModel, Actor: "anna", Version: "9"})
			return err
		}, wrong{code: codes.NotFound, reason: "MODEL_VERSION_UNKNOWN", fields: []string{"version"}}},
		{"forced without a reason", func(ctx context.Context) error {
			_, err := models.PromoteModel(ctx, &pb.PromoteModelRequest{Name: DefaultModel, Actor: "anna", Version: "1", Force: true})
			return err
		}, wrong{code: codes.FailedPrecondition, reason: "CHANGE_REFUSED", message: "reason: expected why the gate is overruled"}},
		{"nothing before", func(ctx context.Context) error {
			_, err := models.RollbackModel(ctx, &pb.RollbackModelRequest{Name: DefaultModel, Actor: "anna"})
			return err
		}, wrong{code: codes.FailedPrecondition, reason: "CHANGE_REFUSED", message: "name the version to go back to"}},
		{"half of the traffic", func(ctx context.Context) error {
			_, err := models.SetTraffic(ctx, &pb.SetTrafficRequest{Name: DefaultModel, Actor: "anna", Route: &pb.Route{
				Variants: []*pb.RouteVariant{{Name: "a", Version: "1", Percent: 50}},
			}})
			return err
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", message: "route.variants: expected percents that sum to 100, got 50", fields: []string{"route"}}},
		{"an unknown variant", func(ctx context.Context) error {
			_, err := models.SetTraffic(ctx, &pb.SetTrafficRequest{Name: DefaultModel, Actor: "anna", Route: &pb.Route{
				Variants: []*pb.RouteVariant{{Name: "a", Version: "challenger", Percent: 100}},
			}})
			return err
		}, wrong{code: codes.NotFound, reason: "MODEL_VERSION_UNKNOWN", message: `variants[0].version: model version unknown: "match-outcome" version "challenger"`, fields: []string{"route"}}},
		{"changes of no model", func(ctx context.Context) error {
			_, err := models.ListModelChanges(ctx, &pb.ListModelChangesRequest{Name: "corners"})
			return err
		}, wrong{code: codes.NotFound, reason: "MODEL_UNKNOWN", fields: []string{"name"}}},
	} {
		err := c.call(t.Context())
		if err == nil {
			t.Errorf("%s: answered", c.name)
			continue
		}
		c.want.check(t, statusOf(err))
	}
}

// A watcher is answered at once, also where there is nothing to tell yet.
func TestWatchNothing(t *testing.T) {
	w := newWorld()
	w.versions = nil
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	watch, err := w.serve(t, ServerOptions{}).operators().WatchModels(ctx, &pb.WatchModelsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := watch.ResponseHeader().Get("Content-Type"); got == "" {
		t.Errorf("no answer: %v", ctx.Err())
	}
	if err := watch.Close(); err != nil {
		t.Error(err)
	}
}

// A watcher sees the models as they are and every change after; what was decided is on record.
func TestWatchModels(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	models := s.operators()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	watch, err := models.WatchModels(ctx, &pb.WatchModelsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	next := func() *pb.Model {
		t.Helper()
		if !watch.Receive() {
			t.Fatalf("the watch ended: %v", watch.Err())
		}
		return watch.Msg().GetModel()
	}
	if got := next(); got.GetServingVersion() != "2" || len(got.GetVersions()) != 2 || got.GetRoute() != nil {
		t.Errorf("at first: got %s", text(got))
	}
	if _, err := models.SetTraffic(ctx, &pb.SetTrafficRequest{Name: DefaultModel, Actor: " anna ", Reason: " a try\n", Route: &pb.Route{Variants: []*pb.RouteVariant{
		{Name: "champion", Version: "2", Percent: 90}, {Name: "canary", Version: "1", Percent: 10},
	}}}); err != nil {
		t.Fatal(err)
	}
	if got := next(); len(got.GetRoute().GetVariants()) != 2 || got.GetRoute().GetVariants()[1].GetPercent() != 10 {
		t.Errorf("after traffic: got %s", text(got))
	}
	if _, err := models.UnloadModel(ctx, &pb.UnloadModelRequest{Name: DefaultModel, Actor: "ben"}); err != nil {
		t.Fatal(err)
	}
	for next().GetServingVersion() != "" {
	}
	changes, err := models.ListModelChanges(ctx, &pb.ListModelChangesRequest{Name: DefaultModel})
	if err != nil || len(changes.GetChanges()) != 2 {
		t.Fatal(changes, err)
	}
	if c := changes.GetChanges()[0]; c.GetAction() != "unload" || c.GetActor() != "ben" {
		t.Errorf("got %s", text(c))
	}
	if c := changes.GetChanges()[1]; c.GetAction() != "traffic" || c.GetActor() != "anna" || c.GetReason() != "a try" || len(c.GetRoute().GetVariants()) != 2 || !c.GetAt().AsTime().Equal(today) {
		t.Errorf("got %s", text(c))
	}
	if err := s.stop(); err != nil { // which waits for nobody who watches
		t.Error(err)
	}
	for watch.Receive() {
	}
	wrong{code: codes.Unavailable, reason: "SHUTTING_DOWN", retry: true}.check(t, statusOf(watch.Err()))
}
