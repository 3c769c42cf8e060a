package serving

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
)

type (
	inputRequest   = testpb.StreamingInputCallRequest
	inputResponse  = testpb.StreamingInputCallResponse
	outputRequest  = testpb.StreamingOutputCallRequest
	outputResponse = testpb.StreamingOutputCallResponse
)

const (
	sumPath   = testpb.TestService_StreamingInputCall_FullMethodName
	countPath = testpb.TestService_StreamingOutputCall_FullMethodName
	echoPath  = testpb.TestService_FullDuplexCall_FullMethodName
)

// streams are one procedure of each form that streams: they sum sizes, count to a number, and echo.
// A payload of "panic" panics.
func streams() []Procedure {
	return []Procedure{
		ClientStream(sumPath, Anyone, func(_ context.Context, receive func() (*inputRequest, error)) (*inputResponse, error) {
			sum := new(inputResponse)
			for {
				request, err := receive()
				switch {
				case errors.Is(err, io.EOF):
					return sum, nil
				case err != nil:
					return nil, err
				}
				sum.AggregatedPayloadSize += int32(len(request.GetPayload().GetBody()))
			}
		}),
		ServerStream(countPath, Anyone, func(_ context.Context, request *outputRequest, send func(*outputResponse) error) error {
			for range len(request.GetPayload().GetBody()) {
				if err := send(new(outputResponse)); err != nil {
					return err
				}
			}
			return nil
		}),
		BidiStream(echoPath, Anyone, func(_ context.Context, receive func() (*outputRequest, error), send func(*outputResponse) error) error {
			if err := send(nil); err != nil {
				return err
			}
			for {
				request, err := receive()
				switch {
				case errors.Is(err, io.EOF):
					return nil
				case err != nil:
					return err
				case string(request.GetPayload().GetBody()) == "panic":
					panic("the echo is gone")
				}
				if err := send(&outputResponse{Payload: request.GetPayload()}); err != nil {
					return err
				}
			}
		}),
	}
}

func payload(text string) *testpb.Payload { return &testpb.Payload{Body: []byte(text)} }

// A conversation is a client's end of a stream, whatever its transport.
type conversation interface {
	Send(any) error
	CloseSend() error
	Receive(any) error
}

type nativeConversation struct{ grpc.ClientStream }

func (n nativeConversation) Send(m any) error    { return n.SendMsg(m) }
func (n nativeConversation) Receive(m any) error { return n.RecvMsg(m) }

type connectConversation struct{ connect.StreamingClientConn }

func (c connectConversation) CloseSend() error { return c.CloseRequest() }

// converse opens a stream over every transport that has both directions at once. It has sent its
// header.
func converse[Req, Res any](t *testing.T, s *site, path string) map[string]conversation {
	t.Helper()
	native, err := s.native.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]conversation{"grpc native": nativeConversation{native}}
	for name, protocol := range map[string][]connect.ClientOption{"connect": nil, "grpc": {connect.WithGRPC()}, "grpcweb": {connect.WithGRPCWeb()}} {
		stream := connect.NewClient[Req, Res](s.http2, "http://"+s.http+path, protocol...).CallBidiStream(t.Context())
		if err := stream.Send(nil); err != nil {
			t.Fatal(err)
		}
		conn, err := stream.Conn()
		if err != nil {
			t.Fatal(err)
		}
		all[name] = connectConversation{conn}
	}
	return all
}

func streamStatus(err error) *spb.Status {
	if st, ok := status.FromError(err); ok {
		return st.Proto()
	}
	return statusOf(err)
}

// Messages go both ways in turns, over every transport, until the caller has sent all.
func TestBidiStream(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{Procedures: streams()})
	for name, c := range converse[outputRequest, outputResponse](t, s, echoPath) {
		for i := range 3 {
			got, want := new(outputResponse), fmt.Sprint("pass ", i)
			err := errors.Join(c.Send(&outputRequest{Payload: payload(want)}), c.Receive(got))
			if err != nil || string(got.GetPayload().GetBody()) != want {
				t.Fatalf("%s: got %s, %v, want %s", name, got, err, want)
			}
		}
		if err := c.CloseSend(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.Receive(new(outputResponse)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: got %v, want the end", name, err)
		}
	}
}

func TestClientStream(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{Procedures: streams()})
	for name, c := range converse[inputRequest, inputResponse](t, s, sumPath) {
		for _, text := range []string{"one", "", "three"} {
			if err := c.Send(&inputRequest{Payload: payload(text)}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		got := new(inputResponse)
		if err := errors.Join(c.CloseSend(), c.Receive(got)); err != nil || got.GetAggregatedPayloadSize() != 8 {
			t.Errorf("%s: got %s, %v, want 8", name, got, err)
		}
	}
	// Over HTTP/1.1, too.
	stream := connect.NewClient[inputRequest, inputResponse](s.http1, "http://"+s.http+sumPath).CallClientStream(t.Context())
	if err := stream.Send(&inputRequest{Payload: payload("four")}); err != nil {
		t.Fatal(err)
	}
	if got, err := stream.CloseAndReceive(); err != nil || got.Msg.GetAggregatedPayloadSize() != 4 {
		t.Errorf("got %v, %v, want 4", got, err)
	}
}

func TestServerStream(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{Procedures: streams()})
	for name, c := range converse[outputRequest, outputResponse](t, s, countPath) {
		if err := errors.Join(c.Send(&outputRequest{Payload: payload("four")}), c.CloseSend()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for range 4 {
			if err := c.Receive(new(outputResponse)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := c.Receive(new(outputResponse)); !errors.Is(err, io.EOF) {
			t.Errorf("%s: got %v, want the end", name, err)
		}
	}
}

// What is wrong with a message of a stream is answered as it is for a call of one message; a panic
// ends its stream alone.
func TestStreamErrors(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{Procedures: streams()})
	for _, test := range []struct {
		body string
		want wrong
	}{
		{"panic", wrong{code: codes.Internal, message: "internal error"}},
		{string(make([]byte, MaxMessageBytes)), wrong{code: codes.ResourceExhausted, reason: "MESSAGE_TOO_LARGE"}},
	} {
		for name, c := range converse[outputRequest, outputResponse](t, s, echoPath) {
			t.Log(name)
			if err := errors.Join(c.Send(&outputRequest{Payload: payload(test.body)}), c.CloseSend()); err != nil {
				t.Fatal(err)
			}
			test.want.check(t, streamStatus(c.Receive(new(outputResponse))))
		}
	}

	malformed := wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", message: "expected a grpc.testing.StreamingOutputCallRequest"}
	body, header := []byte{0xff, 0xff, 0xff}, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	for _, path := range []string{echoPath, countPath} {
		native, err := s.native.NewStream(t.Context(), header, path, grpc.ForceCodecV2(raw{"proto"}))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(native.SendMsg(&body), native.CloseSend()); err != nil {
			t.Fatal(err)
		}
		malformed.check(t, streamStatus(native.RecvMsg(new([]byte))))
		stream := connect.NewClient[[]byte, []byte](s.http2, "http://"+s.http+path, connect.WithCodec(rawConnect{raw{"proto"}})).CallBidiStream(t.Context())
		if err := errors.Join(stream.Send(&body), stream.CloseRequest()); err != nil {
			t.Fatal(err)
		}
		_, err = stream.Receive()
		malformed.check(t, streamStatus(err))
	}
}

// HTTP/1.1 has no two directions at once.
func TestBidiStreamOverHTTP1(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{Procedures: streams()})
	code, _ := s.fetch(t.Context(), t, s.http, http.MethodPost, echoPath, "", http.Header{"Content-Type": {"application/connect+proto"}})
	if code != http.StatusHTTPVersionNotSupported {
		t.Errorf("got %d, want 505", code)
	}
}

// Streams of both directions that wait for their caller, reflection among them, do not keep the server
// from stopping; they are told why they end.
func TestIdleStreamsEndOnDrain(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{Procedures: streams()})
	open := make(map[string]conversation)
	for _, path := range []string{reflectionv1.ServerReflection_ServerReflectionInfo_FullMethodName, reflectionalpha.ServerReflection_ServerReflectionInfo_FullMethodName} {
		for name, c := range converse[reflectionv1.ServerReflectionRequest, reflectionv1.ServerReflectionResponse](t, s, path) {
			asked := &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}
			if err := errors.Join(c.Send(asked), c.Receive(new(reflectionv1.ServerReflectionResponse))); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			open[name+" "+path] = c
		}
	}
	for name, c := range converse[outputRequest, outputResponse](t, s, echoPath) {
		if err := errors.Join(c.Send(new(outputRequest)), c.Receive(new(outputResponse))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		open[name] = c
	}
	stopped := make(chan error, 1)
	started := time.Now()
	go func() { stopped <- s.stop() }()
	for name, c := range open {
		t.Log(name)
		wrong{code: codes.Unavailable, reason: "SHUTTING_DOWN", retry: true}.check(t, streamStatus(c.Receive(new(outputResponse))))
	}
	if err := <-stopped; err != nil || time.Since(started) > DrainTimeoutDefault/2 {
		t.Errorf("stopped after %s, %v", time.Since(started), err)
	}
}
