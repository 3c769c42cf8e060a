package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// A site is a running Server on loopback, with the clients that call it.
type site struct {
	http, grpc, operator string // addresses
	native               *grpc.ClientConn
	http1, http2         *http.Client
	stop                 func() error // shuts the server down, once
}

// serve runs a Server on the world until the test ends.
func (w *world) serve(t testing.TB, options ServerOptions) *site {
	t.Helper()
	service, logger := w.service(t)
	server := NewServer(service, logger, options)
	server.stallTime = 200 * time.Millisecond
	on := Listeners{HTTP: listen(t), GRPC: listen(t), Operator: listen(t)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, on) }()

	s := &site{http: on.HTTP.Addr().String(), grpc: on.GRPC.Addr().String(), operator: on.Operator.Addr().String()}
	var err error
	if s.native, err = grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	first := new(http.Transport)
	second := &http.Transport{Protocols: new(http.Protocols)}
	second.Protocols.SetUnencryptedHTTP2(true)
	s.http1, s.http2 = &http.Client{Transport: first}, &http.Client{Transport: second}
	stopped := false
	s.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := s.native.Close(); err != nil {
			t.Errorf("close client: %v", err)
		}
		first.CloseIdleConnections()
		second.CloseIdleConnections()
		if err := s.stop(); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return s
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A caller calls one procedure over one transport. status is nil where it was answered.
type caller[Req, Res any] struct {
	name string
	call func(ctx context.Context, request *Req) (*Res, *spb.Status)
}

// callers are all transports for a procedure. GET is among them where the procedure allows it.
func callers[Req, Res any, In pointer[Req], Out pointer[Res]](s *site, procedure string, get bool) []caller[Req, Res] {
	all := []caller[Req, Res]{{"grpc native", func(ctx context.Context, request *Req) (*Res, *spb.Status) {
		response := new(Res)
		if err := s.native.Invoke(ctx, procedure, In(request), Out(response)); err != nil {
			return nil, status.Convert(err).Proto()
		}
		return response, nil
	}}}
	add := func(name string, client *http.Client, options ...connect.ClientOption) {
		c := connect.NewClient[Req, Res](client, "http://"+s.http+procedure, options...)
		all = append(all, caller[Req, Res]{name, func(ctx context.Context, request *Req) (*Res, *spb.Status) {
			response, err := c.CallUnary(ctx, connect.NewRequest(request))
			if err != nil {
				return nil, statusOf(err)
			}
			return response.Msg, nil
		}})
	}
	add("connect", s.http1)
	add("connect json", s.http1, connect.WithProtoJSON())
	add("connect http2 gzip", s.http2, connect.WithSendGzip())
	add("grpc", s.http2, connect.WithGRPC())
	add("grpcweb", s.http1, connect.WithGRPCWeb())
	if get {
		add("connect get", s.http1, connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects))
	}
	return all
}

// statusOf is the google.rpc.Status of a Connect client's error.
func statusOf(err error) *spb.Status {
	var e *connect.Error
	if !errors.As(err, &e) {
		return &spb.Status{Code: -1, Message: err.Error()}
	}
	st := &spb.Status{Code: int32(e.Code()), Message: e.Message()}
	for _, detail := range e.Details() {
		st.Details = append(st.Details, &anypb.Any{TypeUrl: "type.googleapis.com/" + detail.Type(), Value: detail.Bytes()})
	}
	return st
}

// rest makes a REST call and returns the HTTP status with what was read: into response if it was
// answered, else the error.
func (s *site) rest(ctx context.Context, t testing.TB, method, path, body string, response proto.Message) (int, *spb.Status) {
	t.Helper()
	header := http.Header{}
	if body != "" {
		header.Set("Content-Type", "application/json")
	}
	code, got := s.fetch(ctx, t, s.http, method, path, body, header)
	if code == http.StatusOK {
		if err := protojson.Unmarshal(got, response); err != nil {
			t.Fatalf("%s %s: %v in %s", method, path, err, got)
		}
		return code, nil
	}
	st := new(spb.Status)
	if err := protojson.Unmarshal(got, st); err != nil {
		t.Fatalf("%s %s: status %d with what is no google.rpc.Status: %v in %q", method, path, code, err, got)
	}
	return code, st
}

// fetch makes a plain HTTP/1.1 call.
func (s *site) fetch(ctx context.Context, t testing.TB, address, method, path, body string, header http.Header) (int, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := s.http1.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, got
}

// predictors are all ways to call Predict, REST included.
func predictors(t testing.TB, s *site) []caller[pb.PredictRequest, pb.PredictResponse] {
	all := callers[pb.PredictRequest, pb.PredictResponse](s, pb.PredictionService_Predict_FullMethodName, true)
	return append(all, caller[pb.PredictRequest, pb.PredictResponse]{"rest", func(ctx context.Context, request *pb.PredictRequest) (*pb.PredictResponse, *spb.Status) {
		body, err := protojson.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		response := new(pb.PredictResponse)
		if _, st := s.rest(ctx, t, http.MethodPost, "/predictions/match", string(body), response); st != nil {
			return nil, st
		}
		return response, nil
	}})
}

// text is a message for a person who reads a failed test.
func text(m proto.Message) string {
	var compact bytes.Buffer
	raw, err := protojson.Marshal(m)
	if err != nil {
		return err.Error()
	}
	if err := json.Compact(&compact, raw); err != nil {
		return err.Error()
	}
	return compact.String()
}
