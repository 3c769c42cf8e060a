package serving

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
)

const predictPath = pb.PredictionService_Predict_FullMethodName

// raw is a codec of both kinds of client that sends bytes as they are and drops the answer.
type raw struct{ name string }

func (r raw) Name() string { return r.name }
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}
func (raw) Unmarshal(mem.BufferSlice, any) error { return nil }

type rawConnect struct{ raw }

func (r rawConnect) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

// Unmarshal reads what gRPC's trailers hold.
func (r rawConnect) Unmarshal(data []byte, v any) error {
	if status, ok := v.(proto.Message); ok {
		return proto.Unmarshal(data, status)
	}
	return nil
}

// sendBytes sends a message of these bytes over every transport.
func sendBytes(t *testing.T, s *site, body []byte, compressed bool) map[string]*spb.Status {
	t.Helper()
	got := make(map[string]*spb.Status)
	var reply []byte
	options := []grpc.CallOption{grpc.ForceCodecV2(raw{"proto"}), grpc.MaxCallSendMsgSize(64 << 20)}
	if compressed {
		options = append(options, grpc.UseCompressor("gzip"))
	}
	err := s.native.Invoke(t.Context(), predictPath, &body, &reply, options...)
	got["grpc native"] = status.Convert(err).Proto()
	for name, protocol := range map[string]connect.ClientOption{"connect": nil, "grpc": connect.WithGRPC(), "grpcweb": connect.WithGRPCWeb()} {
		options := []connect.ClientOption{connect.WithCodec(rawConnect{raw{"proto"}})}
		if protocol != nil {
			options = append(options, protocol)
		}
		if compressed {
			options = append(options, connect.WithSendGzip())
		}
		client := connect.NewClient[[]byte, []byte](s.http2, "http://"+s.http+predictPath, options...)
		_, err := client.CallUnary(t.Context(), connect.NewRequest(&body))
		if err == nil {
			t.Fatalf("%s: got an answer", name)
		}
		got[name] = statusOf(err)
	}
	return got
}

func TestMessageTooLarge(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	tooLarge := wrong{code: codes.ResourceExhausted, reason: "MESSAGE_TOO_LARGE", message: "message: expected at most 4194304 bytes, got "}
	request := pairing(strings.Repeat("x", MaxMessageBytes), "Chelsea")
	for _, c := range predictors(t, s) {
		if c.name == "connect get" {
			continue // no URL is that long
		}
		_, st := c.call(t.Context(), request)
		t.Log(c.name)
		tooLarge.check(t, st)
	}
	// A body whose length nobody says beforehand.
	body, err := protojson.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{predictPath, "/predictions/match"} {
		response, err := s.http1.Post("http://"+s.http+path, "application/json", io.MultiReader(bytes.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		if err != nil || response.Body.Close() != nil || response.StatusCode != http.StatusTooManyRequests || !bytes.Contains(got, []byte("at most 4194304 bytes")) {
			t.Errorf("%s: got %s %s %v", path, response.Status, got, err)
		}
	}
}

// A little that grows to a lot is refused where it passes the limit.
func TestDecompressionIsBounded(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	for name, st := range sendBytes(t, s, make([]byte, 15<<20), true) {
		t.Log(name)
		wrong{code: codes.ResourceExhausted, reason: "MESSAGE_TOO_LARGE"}.check(t, st)
	}

	var bomb bytes.Buffer
	z, err := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	for range 32 {
		if _, err := z.Write(make([]byte, 4<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	bounded := &boundedGzip{limit: MaxMessageBytes}
	bounded.Reset(&bomb)
	if n, err := io.Copy(io.Discard, bounded); n != MaxMessageBytes+1 || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestMalformedMessages(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	malformed := wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", message: "expected a footballprediction.v1.PredictRequest"}
	notUTF8 := []byte{0x0a, 0x01, 0xff} // match_id
	for _, body := range [][]byte{{0xff, 0xff, 0xff}, notUTF8} {
		for name, st := range sendBytes(t, s, body, false) {
			t.Log(name)
			malformed.check(t, st)
		}
	}
	for _, body := range []string{"", "{", `{"model": 5}`, `{"pairing": []}`, "[]", "null", `{"markets":["MARKET_MOON"]}`} {
		header := http.Header{"Content-Type": {"application/json"}}
		code, got := s.fetch(t.Context(), t, s.http, "POST", predictPath, body, header)
		if code != http.StatusBadRequest || !bytes.Contains(got, []byte("invalid_argument")) || !bytes.Contains(got, []byte("FIELD_INVALID")) {
			t.Errorf("connect %q: got %d %s", body, code, got)
		}
		code, got = s.fetch(t.Context(), t, s.http, "POST", "/predictions/match", body, header)
		st := new(spb.Status)
		if err := protojson.Unmarshal(got, st); err != nil || code != http.StatusBadRequest {
			t.Errorf("rest %q: got %d %s", body, code, got)
			continue
		}
		if body == "{" || body == `{"model": 5}` {
			malformed.check(t, st)
		}
	}
	// Unknown JSON fields are ignored, and a message of no bytes is an empty one.
	response := new(pb.PredictResponse)
	if _, st := s.rest(t.Context(), t, "POST", "/predictions/match", `{"tomorrow":1,"pairing":{"homeTeam":"Arsenal","awayTeam":"Chelsea"}}`, response); st != nil {
		t.Error(st)
	}
	for name, st := range sendBytes(t, s, nil, false) {
		t.Log(name)
		wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"target"}}.check(t, st)
	}
}

// Bytes that are no message of gRPC at all leave the server well.
func TestBrokenFrames(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	for _, body := range [][]byte{{}, {0}, {0, 0, 0, 0, 9, 1}, append(binary.BigEndian.AppendUint32([]byte{0}, 1<<31), 1, 2, 3), {7, 0, 0, 0, 0}} {
		for _, contentType := range []string{"application/grpc", "application/grpc-web+proto", "application/grpc+json"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.http+predictPath, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", contentType)
			response, err := s.http2.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				t.Error(err)
			}
			if err := response.Body.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, c := range predictors(t, s) {
		if _, st := c.call(context.Background(), pairing("Arsenal", "Chelsea")); st != nil {
			t.Errorf("%s: afterwards: %s", c.name, st)
		}
	}
}

// Who sends all before reading anything gets the answer, too, not a reset connection.
func TestMessageTooLargeIsAnsweredToWhoSendsFirst(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	body := bytes.Repeat([]byte("x"), 3*MaxMessageBytes)
	for _, path := range []string{predictPath, "/predictions/match"} {
		conn, err := net.Dial("tcp", s.http)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, len(body))
		if _, err := conn.Write(append([]byte(head), body...)); err != nil {
			t.Errorf("%s: send: %v", path, err)
			continue
		}
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.HasPrefix(got, []byte("HTTP/1.1 429 ")) || !bytes.Contains(got, []byte("at most 4194304 bytes")) {
			t.Errorf("%s: got %s %v", path, got, err)
		}
	}
}
