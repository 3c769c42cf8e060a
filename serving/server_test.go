package serving

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
)

func TestHealth(t *testing.T) {
	for _, test := range []struct {
		name   string
		models bool
		want   healthpb.HealthCheckResponse_ServingStatus
	}{
		{"with a model", true, healthpb.HealthCheckResponse_SERVING},
		{"without a model", false, healthpb.HealthCheckResponse_NOT_SERVING},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			if !test.models {
				delete(w.versions, DefaultModel)
			}
			s := w.serve(t, ServerOptions{})
			for _, c := range callers[healthpb.HealthCheckRequest, healthpb.HealthCheckResponse](s, healthpb.Health_Check_FullMethodName, false) {
				for service, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{
					"": test.want, "footballprediction.v1.PredictionService": test.want, "footballprediction.v1.MatchService": healthpb.HealthCheckResponse_SERVING,
				} {
					got, st := c.call(t.Context(), &healthpb.HealthCheckRequest{Service: service})
					if st != nil || got.GetStatus() != want {
						t.Errorf("%s: %q: got %v %v, want %s", c.name, service, got, st, want)
					}
				}
				_, st := c.call(t.Context(), &healthpb.HealthCheckRequest{Service: "chess.v1.ChessService"})
				wrong{code: codes.NotFound, reason: "SERVICE_UNKNOWN", message: "chess"}.check(t, st)
			}
			list, err := healthpb.NewHealthClient(s.native).List(t.Context(), &healthpb.HealthListRequest{})
			if err != nil || list.GetStatuses()[""].GetStatus() != test.want || len(list.GetStatuses()) != 6 {
				t.Errorf("list: got %v %v", list, err)
			}
			for _, path := range []struct{ address, path string }{{s.http, "/health"}, {s.operator, "/readyz"}} {
				code, body := s.fetch(t.Context(), t, path.address, "GET", path.path, "", http.Header{})
				var got struct{ Status, Reason string }
				if err := json.Unmarshal(body, &got); err != nil || got.Status != test.want.String() || (code == http.StatusOK) != test.models ||
					(code == http.StatusServiceUnavailable) == test.models || (got.Reason == "") != test.models {
					t.Errorf("%s: got %d %s", path.path, code, body)
				}
			}
		})
	}
}

func TestOperatorPort(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	for _, test := range []struct {
		address, path string
		code          int
		want          string
	}{
		{s.operator, "/livez", 200, "ok"},
		{s.operator, "/", 200, "/debug/pprof/"},
		{s.operator, "/debug/pprof/", 200, "goroutine"},
		{s.operator, "/debug/pprof/heap?debug=1", 200, "heap profile"},
		{s.operator, "/debug/pprof/cmdline", 200, ""},
		{s.operator, "/elsewhere", 404, ""},
		{s.http, "/debug/pprof/", 404, "PATH_UNKNOWN"},
	} {
		code, body := s.fetch(t.Context(), t, test.address, "GET", test.path, "", http.Header{})
		if code != test.code || !strings.Contains(string(body), test.want) {
			t.Errorf("%s: got %d %s", test.path, code, body)
		}
	}
}

// While models are loaded operators are answered, the server says that it is alive and not ready, and
// calls wait.
func TestLoading(t *testing.T) {
	w, loaded := newWorld(), make(chan struct{})
	w.loaded = loaded
	s := w.serve(t, ServerOptions{})
	ready := func() (int, string) {
		code, body := s.fetch(t.Context(), t, s.operator, "GET", "/readyz", "", http.Header{})
		return code, string(body)
	}
	if code, body := ready(); code != http.StatusServiceUnavailable || !strings.Contains(body, "models are being loaded") {
		t.Errorf("/readyz: got %d %s", code, body)
	}
	if code, _ := s.fetch(t.Context(), t, s.operator, "GET", "/livez", "", http.Header{}); code != http.StatusOK {
		t.Errorf("/livez: got %d", code)
	}
	var calls sync.WaitGroup
	var answered atomic.Int64
	for _, c := range predictors(t, s) {
		calls.Go(func() {
			if _, st := c.call(t.Context(), pairing("Arsenal", "Chelsea")); st != nil {
				t.Errorf("%s: %v", c.name, st)
			}
			answered.Add(1)
		})
	}
	if n := answered.Load(); n != 0 {
		t.Errorf("%d calls were answered before models were loaded", n)
	}
	close(loaded)
	calls.Wait()
	if code, body := ready(); code != http.StatusOK {
		t.Errorf("/readyz: got %d %s", code, body)
	}
}

// A server that is stopped while models are loaded leaves no port open.
func TestStopWhileLoading(t *testing.T) {
	w := newWorld()
	w.loaded = make(chan struct{})
	s := w.serve(t, ServerOptions{})
	if code, _ := s.fetch(t.Context(), t, s.operator, "GET", "/livez", "", http.Header{}); code != http.StatusOK {
		t.Errorf("/livez: got %d", code)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	for _, address := range []string{s.http, s.grpc, s.operator} {
		waitUntilRefused(t, address)
	}
}

// Both versions of reflection, on both ports, name the services and hold their files.
func TestReflection(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	services := []string{
		"footballprediction.v1.FeatureService", "footballprediction.v1.LiveService", "footballprediction.v1.MatchService",
		"footballprediction.v1.ModelService", "footballprediction.v1.PredictionService", "grpc.health.v1.Health",
	}
	for name, ask := range map[string]func(request []byte) []byte{
		"v1 native": func(request []byte) []byte {
			return nativeReflection(t, s, reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName, request)
		},
		"v1alpha native": func(request []byte) []byte {
			return nativeReflection(t, s, reflectionv1alpha.ServerReflection_ServerReflectionInfo_FullMethodName, request)
		},
		"v1 on HTTP": func(request []byte) []byte {
			return connectReflection(t, s, reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName, request)
		},
		"v1alpha on HTTP": func(request []byte) []byte {
			return connectReflection(t, s, reflectionv1alpha.ServerReflection_ServerReflectionInfo_FullMethodName, request)
		},
	} {
		// Both versions have the same messages on the wire.
		call := func(request *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
			body, err := proto.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			response := new(reflectionv1.ServerReflectionResponse)
			if err := proto.Unmarshal(ask(body), response); err != nil {
				t.Fatal(err)
			}
			return response
		}
		var got []string
		for _, service := range call(&reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
		}).GetListServicesResponse().GetService() {
			got = append(got, service.GetName())
		}
		for _, service := range services {
			if !slices.Contains(got, service) {
				t.Errorf("%s: got %v, without %s", name, got, service)
			}
		}
		files := call(&reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "footballprediction.v1.PredictionService"},
		}).GetFileDescriptorResponse().GetFileDescriptorProto()
		if len(files) == 0 {
			t.Errorf("%s: no file for PredictionService", name)
		}
	}
}

func nativeReflection(t *testing.T, s *site, procedure string, request []byte) []byte {
	t.Helper()
	stream, err := s.native.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, procedure)
	if err != nil {
		t.Fatal(err)
	}
	response := new(reflectionv1.ServerReflectionResponse)
	message := new(reflectionv1.ServerReflectionRequest)
	if err := errors.Join(proto.Unmarshal(request, message), stream.SendMsg(message), stream.CloseSend(), stream.RecvMsg(response)); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(new(reflectionv1.ServerReflectionResponse)); !errors.Is(err, io.EOF) {
		t.Errorf("after the answer: %v", err)
	}
	body, err := proto.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func connectReflection(t *testing.T, s *site, procedure string, request []byte) []byte {
	t.Helper()
	client := connect.NewClient[reflectionv1.ServerReflectionRequest, reflectionv1.ServerReflectionResponse](s.http2, "http://"+s.http+procedure, connect.WithGRPC())
	stream := client.CallBidiStream(t.Context())
	message := new(reflectionv1.ServerReflectionRequest)
	if err := errors.Join(proto.Unmarshal(request, message), stream.Send(message), stream.CloseRequest()); err != nil {
		t.Fatal(err)
	}
	response, err := stream.Receive()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the answer: %v", err)
	}
	if err := stream.CloseResponse(); err != nil {
		t.Error(err)
	}
	body, err := proto.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// LiveService.Watch says that it is not built, as a stream.
func TestWatchIsNotBuilt(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	want := wrong{code: codes.Unimplemented, reason: "NOT_BUILT", metadata: map[string]string{"what": "LiveService.Watch"}}
	stream, err := pb.NewLiveServiceClient(s.native).Watch(t.Context(), &pb.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	want.check(t, status.Convert(err).Proto())
	for _, options := range [][]connect.ClientOption{nil, {connect.WithGRPC()}, {connect.WithGRPCWeb()}} {
		client := connect.NewClient[pb.WatchRequest, pb.WatchResponse](s.http2, "http://"+s.http+pb.LiveService_Watch_FullMethodName, options...)
		stream, err := client.CallServerStream(t.Context(), connect.NewRequest(&pb.WatchRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		if stream.Receive() {
			t.Error("got a message")
		}
		want.check(t, statusOf(stream.Err()))
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Calls in flight when the server is told to stop are all answered; meanwhile it reports that it
// does not serve, ends health streams and accepts nothing more.
func TestDrainAnswersCallsInFlight(t *testing.T) {
	const callsEach = 5
	w := newWorld()
	arrived, release := make(chan struct{}), make(chan struct{})
	w.beforeVectors = func(context.Context) {
		arrived <- struct{}{}
		<-release
	}
	s := w.serve(t, ServerOptions{})
	// The watchers' first message says that they are there.
	native, err := healthpb.NewHealthClient(s.native).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	web, err := connect.NewClient[healthpb.HealthCheckRequest, healthpb.HealthCheckResponse](s.http2, "http://"+s.http+healthpb.Health_Watch_FullMethodName).
		CallServerStream(t.Context(), connect.NewRequest(&healthpb.HealthCheckRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if first, err := native.Recv(); err != nil || first.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("native health stream: got %v, %v", first, err)
	}
	if !web.Receive() || web.Msg().GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("health stream: got %v, %v", web.Msg(), web.Err())
	}

	answers := make(chan string)
	all := predictors(t, s)
	for _, c := range all {
		for range callsEach {
			go func() {
				response, st := c.call(context.Background(), pairing("Arsenal", "Chelsea"))
				if st != nil || response.GetPrediction().GetMatchResult().GetHomeProbability() == 0 {
					answers <- c.name + ": " + text(st)
				}
				answers <- ""
			}()
		}
	}
	for range len(all) * callsEach {
		<-arrived
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()

	// The streams end first, and tell why.
	shutting := wrong{code: codes.Unavailable, reason: "SHUTTING_DOWN", retry: true}
	if last, err := native.Recv(); err != nil || last.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("native health stream: got %v, %v", last, err)
	}
	_, err = native.Recv()
	shutting.check(t, status.Convert(err).Proto())
	if !web.Receive() || web.Msg().GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING || web.Receive() {
		t.Errorf("health stream: got %v, %v", web.Msg(), web.Err())
	}
	shutting.check(t, statusOf(web.Err()))
	if err := web.Close(); err != nil {
		t.Error(err)
	}

	if code, body := s.fetch(t.Context(), t, s.operator, "GET", "/readyz", "", http.Header{}); code != http.StatusServiceUnavailable || !strings.Contains(string(body), "shutting down") {
		t.Errorf("readiness: got %d %s", code, body)
	}
	if code, _ := s.fetch(t.Context(), t, s.operator, "GET", "/livez", "", http.Header{}); code != http.StatusOK {
		t.Errorf("liveness: got %d", code)
	}
	waitUntilRefused(t, s.http)
	waitUntilRefused(t, s.grpc)

	select {
	case err := <-stopped:
		t.Fatalf("stopped before the calls were answered: %v", err)
	default:
	}
	close(release)
	for range len(all) * callsEach {
		if bad := <-answers; bad != "" {
			t.Error(bad)
		}
	}
	if err := <-stopped; err != nil {
		t.Errorf("run: %v", err)
	}
}

// waitUntilRefused returns when nobody listens at an address any more.
func waitUntilRefused(t *testing.T, address string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Errorf("%s is still listened at", address)
}

// A call that never ends does not hold the server longer than the drain timeout.
func TestDrainIsBounded(t *testing.T) {
	w := newWorld()
	arrived, release := make(chan struct{}), make(chan struct{})
	w.beforeVectors = func(context.Context) {
		arrived <- struct{}{}
		<-release
	}
	s := w.serve(t, ServerOptions{DrainTimeout: 50 * time.Millisecond})
	answers := make(chan *pb.PredictResponse)
	for _, c := range predictors(t, s)[:2] { // native and HTTP
		go func() {
			response, _ := c.call(context.Background(), pairing("Arsenal", "Chelsea"))
			answers <- response
		}()
		<-arrived
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	for range 2 {
		if response := <-answers; response != nil {
			t.Errorf("got an answer: %s", text(response))
		}
	}
	close(release)
	if err := <-stopped; !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "drain gRPC") || !strings.Contains(err.Error(), "drain HTTP") {
		t.Errorf("got %v", err)
	}
}

// A port that cannot be served takes the whole server down, which says which it was.
func TestRunFailsWithAListener(t *testing.T) {
	service, logger := newWorld().service(t)
	on := Listeners{HTTP: listen(t), GRPC: listen(t), Operator: listen(t)}
	if err := on.GRPC.Close(); err != nil {
		t.Fatal(err)
	}
	err := NewServer(service, logger, ServerOptions{}).Run(t.Context(), on)
	if err == nil || !strings.Contains(err.Error(), "serve gRPC") {
		t.Errorf("got %v", err)
	}
}

// HTTP/1.1 connections that are open when the server is told to stop can bring one more request:
// its answer is whole and says that it is the last.
func TestDrainAnswersOpenConnections(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	conn, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	get := func() (status int, last bool) {
		t.Helper()
		if _, err := io.WriteString(conn, "GET /data/teams HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Close
	}
	if status, last := get(); status != http.StatusOK || last {
		t.Errorf("before: got %d, last %t", status, last)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	waitUntilRefused(t, s.http)
	if status, last := get(); status != http.StatusOK || !last {
		t.Errorf("while draining: got %d, last %t", status, last)
	}
	if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("afterwards: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("run: %v", err)
	}
}
