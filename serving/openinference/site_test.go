package openinference

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	pb "footballprediction/api/gen/inference"
	"footballprediction/features"
	"footballprediction/inference"
	"footballprediction/inference/onnx"
	"footballprediction/inference/onnx/onnxtest"
	"footballprediction/serving"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tinyModels lays out a folder of models: the released match model, the tiny ones of that name, and
// two that are special: "halves" has half_plus_two as version 1, the champion, and third_plus_two as
// version 2, alias "next"; "broken" cannot be opened.
func tinyModels(t testing.TB, names ...string) inference.Source {
	t.Helper()
	dir, tiny := t.TempDir(), onnxtest.Models(t)
	link := func(from, name, version string) {
		err := os.MkdirAll(filepath.Join(dir, name), 0o700)
		if err == nil {
			err = os.Symlink(from, filepath.Join(dir, name, version))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		link(filepath.Join(tiny, name, "1"), name, "1")
	}
	link(filepath.Join(tiny, "half_plus_two", "1"), "halves", "1")
	link(filepath.Join(tiny, "third_plus_two", "1"), "halves", "2")
	if err := os.WriteFile(filepath.Join(dir, "halves", "aliases.json"), []byte(`{"champion": "1", "next": "2"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	link(filepath.Join(tiny, "refused", "sequence"), "broken", "1")
	link(filepath.Join(tiny, "..", "released", "match-outcome", "2"), "match-outcome", "2")
	return inference.NewFolderSource(dir, nil)
}

func newOpener(t testing.TB, sessions int) inference.Opener {
	t.Helper()
	opener, err := onnx.New(onnxtest.Library(t), onnx.Options{Sessions: sessions})
	if err != nil {
		t.Fatal(err)
	}
	return opener
}

// newService returns a Service on the models of a source, and what makes its server ready.
func newService(t testing.TB, source inference.Source, opener inference.Opener) (*Service, *serving.Service) {
	t.Helper()
	schema := features.CurrentSchema()
	registry := inference.NewRegistry(source, opener, inference.Options{Admit: serving.AdmitMatchModel(schema)})
	if err := registry.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Close(context.Background()); err != nil {
			t.Errorf("close registry: %v", err)
		}
	})
	product, err := serving.NewService(schema, registry, nil, nil, serving.ServiceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return New(registry, product.Ready, product.Expose, "1.2.3", slog.New(slog.DiscardHandler)), product
}

// A site is a running Server on loopback, with the clients that call it.
type site struct {
	http, grpc   string // addresses
	operator     string
	native       *grpc.ClientConn
	http1, http2 *http.Client
	drain        func() // begins to shut the server down
}

// newSite serves until the test ends.
func newSite(t testing.TB, source inference.Source, opener inference.Opener) *site {
	t.Helper()
	service, product := newService(t, source, opener)
	return serve(t, service, product)
}

// serve serves services until the test ends.
func serve(t testing.TB, service *Service, product *serving.Service) *site {
	t.Helper()
	server := serving.NewServer(product, slog.New(slog.DiscardHandler), serving.ServerOptions{Procedures: service.Procedures(), Routes: service.Routes()})
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	on := serving.Listeners{HTTP: listen(), GRPC: listen(), Operator: listen()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, on) }()

	s := &site{http: on.HTTP.Addr().String(), grpc: on.GRPC.Addr().String(), operator: on.Operator.Addr().String(), drain: cancel}
	var err error
	if s.native, err = grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	first := new(http.Transport)
	second := &http.Transport{Protocols: new(http.Protocols)}
	second.Protocols.SetUnencryptedHTTP2(true)
	s.http1, s.http2 = &http.Client{Transport: first}, &http.Client{Transport: second}
	t.Cleanup(func() {
		if err := s.native.Close(); err != nil {
			t.Errorf("close client: %v", err)
		}
		first.CloseIdleConnections()
		second.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return s
}

// message is *T.
type message[T any] interface {
	*T
	proto.Message
}

// A caller calls one RPC over one transport. status is nil where it was answered.
type caller[Req, Res any] struct {
	name string
	call func(ctx context.Context, request *Req) (*Res, *spb.Status)
}

// callers are all transports for an RPC, the native port first.
func callers[Req, Res any, In message[Req], Out message[Res]](s *site, procedure string) []caller[Req, Res] {
	all := []caller[Req, Res]{{"native", func(ctx context.Context, request *Req) (*Res, *spb.Status) {
		response := new(Res)
		if err := s.native.Invoke(ctx, procedure, In(request), Out(response)); err != nil {
			return nil, status.Convert(err).Proto()
		}
		return response, nil
	}}}
	for _, transport := range []struct {
		name    string
		client  *http.Client
		options []connect.ClientOption
	}{
		{"connect", s.http1, nil},
		{"json", s.http1, []connect.ClientOption{connect.WithProtoJSON()}},
		{"grpc", s.http2, []connect.ClientOption{connect.WithGRPC()}},
		{"grpcweb", s.http1, []connect.ClientOption{connect.WithGRPCWeb()}},
	} {
		client := connect.NewClient[Req, Res](transport.client, "http://"+s.http+procedure, transport.options...)
		all = append(all, caller[Req, Res]{transport.name, func(ctx context.Context, request *Req) (*Res, *spb.Status) {
			response, err := client.CallUnary(ctx, connect.NewRequest(request))
			if err != nil {
				return nil, statusOf(err)
			}
			return response.Msg, nil
		}})
	}
	return all
}

// statusOf is the google.rpc.Status of a Connect client's error.
func statusOf(err error) *spb.Status {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return &spb.Status{Code: -1, Message: err.Error()}
	}
	st := &spb.Status{Code: int32(e.Code()), Message: e.Message()}
	for _, detail := range e.Details() {
		st.Details = append(st.Details, &anypb.Any{TypeUrl: "type.googleapis.com/" + detail.Type(), Value: detail.Bytes()})
	}
	return st
}

func inferrers(s *site) []caller[pb.ModelInferRequest, pb.ModelInferResponse] {
	return callers[pb.ModelInferRequest, pb.ModelInferResponse](s, pb.GRPCInferenceService_ModelInfer_FullMethodName)
}

// ask calls an RPC over every transport, expects the same of each and returns it.
func ask[Req, Res any, In message[Req], Out message[Res]](t *testing.T, s *site, procedure string, request *Req, want wrong) *Res {
	t.Helper()
	var first *Res
	for _, c := range callers[Req, Res, In, Out](s, procedure) {
		got, st := c.call(t.Context(), request)
		switch {
		case want.code != codes.OK:
			want.check(t, c.name, st)
		case st != nil:
			t.Errorf("%s: %v", c.name, st)
		case first == nil:
			first = got
		case !proto.Equal(Out(got), Out(first)):
			t.Errorf("%s: got %v, others %v", c.name, Out(got), Out(first))
		}
	}
	return first
}

// wrong is what a caller should be told.
type wrong struct {
	code    codes.Code
	reason  serving.Reason
	field   string
	message string // part of it
}

// check compares a status with what it should be.
func (w wrong) check(t *testing.T, transport string, st *spb.Status) {
	t.Helper()
	if st == nil {
		t.Errorf("%s: got an answer, want %s", transport, w.reason)
		return
	}
	var (
		reason serving.Reason
		fields []string
		retry  bool
	)
	for _, detail := range st.GetDetails() {
		message, err := detail.UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		switch message := message.(type) {
		case *errdetails.ErrorInfo:
			reason = serving.Reason(message.GetReason())
		case *errdetails.BadRequest:
			for _, violation := range message.GetFieldViolations() {
				fields = append(fields, violation.GetField())
			}
		case *errdetails.RetryInfo:
			retry = message.GetRetryDelay().AsDuration() > 0
		}
	}
	var want []string
	if w.field != "" {
		want = []string{w.field}
	}
	wantRetry := w.code == codes.ResourceExhausted && w.reason != serving.MessageTooLarge || w.code == codes.Unavailable
	if codes.Code(st.GetCode()) != w.code || reason != w.reason || !slices.Equal(fields, want) || retry != wantRetry || !strings.Contains(st.GetMessage(), w.message) {
		t.Errorf("%s: got %s %s %v %q, retry %t; want %+v", transport, codes.Code(st.GetCode()), reason, fields, st.GetMessage(), retry, w)
	}
}
