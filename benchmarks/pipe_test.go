package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/benchmarks/echo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serveEcho serves an echo of Predict in memory.
func serveEcho(t *testing.T, answer []byte) *bufconn.Listener {
	t.Helper()
	server, err := echo.New(pb.PredictionService_Predict_FullMethodName[1:], answer)
	if err != nil {
		t.Fatal(err)
	}
	listener := bufconn.Listen(pipeBuffer)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener
}

var answer = &pb.PredictResponse{Prediction: &pb.Prediction{PredictionId: "one", MatchResult: &pb.MatchResult{HomeProbability: .5}}}

func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	encoded, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestPipe(t *testing.T) {
	want := encode(t, answer)
	listener := serveEcho(t, want)
	request := encode(t, pairing("Arsenal", "Chelsea"))
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request))), request...)
	p, err := dialPipe(t.Context(), listener, pb.PredictionService_Predict_FullMethodName[1:], frame, float64(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.conn.Close()
	for range 100 {
		if err := p.call(pipeStreams); err != nil {
			t.Fatal(err)
		}
		if got, want := int(p.arrived), pipeStreams*(5+len(want)); got != want {
			t.Fatalf("expected %d bytes of answers, got %d", want, got)
		}
	}
}

// What is answered by an error is no answer.
func TestPipeSeesErrors(t *testing.T) {
	listener := serveEcho(t, encode(t, answer))
	if _, err := dialPipe(t.Context(), listener, "footballprediction.v1.PredictionService/Predict", []byte{0, 0, 0, 0, 1, 0xff}, 5); err == nil {
		t.Error("a message that cannot be decoded: expected an error")
	}
	if _, err := dialPipe(t.Context(), listener, "footballprediction.v1.PredictionService/Nothing", make([]byte, 5), 5); err == nil {
		t.Error("a method that is not there: expected an error")
	}
}

// The echo gives back what it was told, byte for byte, once the request can be decoded.
func TestEcho(t *testing.T) {
	listener := serveEcho(t, encode(t, answer))
	conn, err := grpc.NewClient("passthrough:echo", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(listenerDialer(listener)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := pb.NewPredictionServiceClient(conn).Predict(t.Context(), pairing("Arsenal", "Chelsea"))
	if err != nil || !bytes.Equal(encode(t, got), encode(t, answer)) {
		t.Errorf("expected %v, got %v (%v)", answer, got, err)
	}
	if _, err := pb.NewPredictionServiceClient(conn).BatchPredict(t.Context(), &pb.BatchPredictRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("another procedure: expected UNIMPLEMENTED, got %v", err)
	}
	for what, c := range map[string]struct {
		procedure string
		answer    []byte
	}{
		"no such procedure": {"footballprediction.v1.PredictionService/Nothing", nil},
		"a message":         {"footballprediction.v1.PredictRequest", nil},
		"no message":        {"footballprediction.v1.PredictionService/Predict", []byte{0xff}},
	} {
		if _, err := echo.New(c.procedure, c.answer); err == nil {
			t.Errorf("%s: expected an error", what)
		}
	}
}

func listenerDialer(l *bufconn.Listener) func(ctx context.Context, address string) (conn net.Conn, err error) {
	return func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }
}
