package serving

import (
	"context"
	"errors"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
)

// What models are is made into messages once for all who watch, and a message of a model is another only
// once that model has changed.
func TestWatchersShareASight(t *testing.T) {
	w := newWorld()
	w.versions["other"] = map[string]*fakeModel{"1": matchModel()}
	service, _ := w.service(t)
	first := service.watched.look()
	if len(first.models) != 2 || first.models[0].GetModel().GetName() != DefaultModel {
		t.Fatalf("got %v", first.models)
	}
	if service.watched.look() != first {
		t.Error("nothing has changed, and it was made anew")
	}
	if err := service.models.SetRoute(t.Context(), "other", inference.Route{Shadow: "1"}, inference.By{Actor: "anna"}); err != nil {
		t.Fatal(err)
	}
	<-first.changed
	second := service.watched.look()
	if second == first || second.models[1] == first.models[1] || second.models[1].GetModel().GetRoute().GetShadow() != "1" {
		t.Errorf("after a change: got %v", second.models[1])
	}
	if second.models[0] != first.models[0] {
		t.Error("a model that has not changed is another message")
	}
}

// awaitRoom opens streams until one is let in: a server sees with a delay that one was left.
func awaitRoom(ctx context.Context, t *testing.T, open func() error) {
	t.Helper()
	for {
		err := open()
		switch {
		case err == nil:
			return
		case ctx.Err() != nil:
			t.Fatal("no room, though somebody left")
		}
		wrong{code: codes.ResourceExhausted, reason: "TOO_MANY_STREAMS", retry: true}.check(t, statusOf(err))
	}
}

func TestWatchersAreBounded(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	watch := func(ctx context.Context) error {
		stream, err := s.operators().WatchModels(ctx, &pb.WatchModelsRequest{})
		if err == nil && !stream.Receive() {
			err = stream.Err()
		}
		return err
	}
	leaving, leave := context.WithCancel(ctx)
	defer leave()
	for i := range watchersMax {
		by := ctx
		if i == 0 {
			by = leaving
		}
		if err := watch(by); err != nil {
			t.Fatalf("watcher %d: %v", i, err)
		}
	}
	wrong{code: codes.ResourceExhausted, reason: "TOO_MANY_STREAMS", retry: true, message: "expected at most 100 streams"}.check(t, statusOf(watch(ctx)))
	leave()
	awaitRoom(ctx, t, func() error { return watch(ctx) })
}

// Who may do no more than ask how the server is cannot fill it with streams, nor keep operators from asking.
func TestStreamsAreBounded(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	native := func(ctx context.Context) error {
		stream, err := healthpb.NewHealthClient(s.native).Watch(ctx, &healthpb.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		return err
	}
	over := func(address string) error {
		client := connect.NewClient[healthpb.HealthCheckRequest, healthpb.HealthCheckResponse](s.http2, "http://"+address+healthpb.Health_Watch_FullMethodName)
		stream, err := client.CallServerStream(ctx, connect.NewRequest(&healthpb.HealthCheckRequest{}))
		if err == nil && !stream.Receive() {
			err = stream.Err()
		}
		return err
	}
	leaving, leave := context.WithCancel(ctx)
	defer leave()
	for i := range streamsMax {
		var err error
		switch {
		case i == 0:
			err = native(leaving)
		case i%2 == 0:
			err = native(ctx)
		default:
			err = over(s.http)
		}
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	full := wrong{code: codes.ResourceExhausted, reason: "TOO_MANY_STREAMS", retry: true}
	full.check(t, statusOf(over(s.http)))
	full.check(t, status.Convert(native(ctx)).Proto())
	if err := over(s.operator); err != nil {
		t.Errorf("an operator: %v", err)
	}
	leave()
	awaitRoom(ctx, t, func() error { return over(s.http) })
}

// Nothing is kept for who reads slowly: what has happened meanwhile comes as one change.
func TestSlowWatchersSkip(t *testing.T) {
	service, _ := newWorld().service(t)
	draining := make(chan struct{})
	read := make(chan *pb.WatchModelsResponse)
	done := make(chan error, 1)
	go func() {
		done <- service.watchModels(draining)(t.Context(), nil, func(message *pb.WatchModelsResponse) error {
			if message != nil {
				read <- message
			}
			return nil
		})
	}()
	<-read
	const changes = 50
	for i := range changes {
		route := inference.Route{Variants: []inference.Variant{{Name: "a", Version: "1", Percent: float64(i + 1)}, {Name: "b", Version: "2", Percent: float64(99 - i)}}}
		if err := service.models.SetRoute(t.Context(), DefaultModel, route, inference.By{Actor: "anna"}); err != nil {
			t.Fatal(err)
		}
	}
	messages := 1
	for (<-read).GetModel().GetRoute().GetVariants()[0].GetPercent() != changes {
		messages++
	}
	if messages > 2 { // one of which it may have had in hand before the last change
		t.Errorf("%d messages tell of %d changes", messages, changes)
	}
	close(draining)
	if err := <-done; !errors.Is(err, errShuttingDown) {
		t.Errorf("got %v", err)
	}
}
