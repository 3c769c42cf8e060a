package serving

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// withHeader is a client whose requests have one header more.
type withHeader struct {
	*http.Client
	name, value string
}

func (c withHeader) Do(request *http.Request) (*http.Response, error) {
	request.Header.Set(c.name, c.value)
	return c.Client.Do(request)
}

// What Connect would refuse without details is refused with them, by every protocol's own headers.
func TestHeadersOfTheProtocols(t *testing.T) {
	w := newWorld()
	s := w.serve(t, ServerOptions{Procedures: streams()})
	unknown := wrong{code: codes.Unimplemented, reason: "ENCODING_UNKNOWN", message: `expected gzip or identity, got "br"`}
	invalid := wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID"}
	get := []connect.ClientOption{connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects)}
	for _, test := range []struct {
		options     []connect.ClientOption
		name, value string
		want        wrong
	}{
		{nil, "Content-Encoding", "br", unknown},
		{[]connect.ClientOption{connect.WithGRPC()}, "Grpc-Encoding", "br", unknown},
		{[]connect.ClientOption{connect.WithGRPCWeb()}, "Grpc-Encoding", "br", unknown},
		{nil, "Connect-Timeout-Ms", "soon", invalid},
		{nil, "Connect-Timeout-Ms", "-1", invalid},
		{nil, "Connect-Timeout-Ms", "12345678901", invalid},
		{get, "Connect-Timeout-Ms", "1.5", invalid},
		{[]connect.ClientOption{connect.WithGRPC()}, "Grpc-Timeout", "5", invalid},
		{[]connect.ClientOption{connect.WithGRPC()}, "Grpc-Timeout", "S", invalid},
		{[]connect.ClientOption{connect.WithGRPC()}, "Grpc-Timeout", "123456789S", invalid},
		{[]connect.ClientOption{connect.WithGRPCWeb()}, "Grpc-Timeout", "1X", invalid},
	} {
		client := connect.NewClient[pb.PredictRequest, pb.PredictResponse](withHeader{s.http2, test.name, test.value}, "http://"+s.http+predictPath, test.options...)
		_, err := client.CallUnary(t.Context(), connect.NewRequest(pairing("Arsenal", "Chelsea")))
		t.Log(test.name, test.value)
		test.want.check(t, statusOf(err))
	}
	stream := connect.NewClient[outputRequest, outputResponse](withHeader{s.http1, "Connect-Content-Encoding", "br"}, "http://"+s.http+countPath)
	answers, err := stream.CallServerStream(t.Context(), connect.NewRequest(new(outputRequest)))
	if err != nil {
		t.Fatal(err)
	}
	for answers.Receive() {
		t.Error("got an answer")
	}
	unknown.check(t, statusOf(answers.Err()))
	// They are logged and counted like any call.
	if n := strings.Count(w.logged(), `"reason":"ENCODING_UNKNOWN"`); n != 4 {
		t.Errorf("%d log lines, want 4", n)
	}
}

// What those headers may say is answered.
func TestTimeoutHeaders(t *testing.T) {
	for _, test := range []struct {
		names wireNames
		value string
		good  bool
	}{
		{connectUnary, "", true}, {connectUnary, "0", true}, {connectStream, "9999999999", true}, {connectUnary, "+5", false},
		{grpcAny, "", true}, {grpcAny, "0n", true}, {grpcAny, "99999999H", true}, {grpcAny, "5SS", false}, {grpcAny, " 5S", false},
	} {
		if err := test.names.checkTimeout(test.value); (err == nil) != test.good {
			t.Errorf("%s %q: got %v", test.names.timeout, test.value, err)
		}
	}
}

// What is called gzip and is none is refused alike over every transport.
func TestCorruptGzip(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{Procedures: streams()})
	var packed bytes.Buffer
	z := newGzip()
	z.Reset(&packed)
	if _, err := z.Write(bytes.Repeat([]byte("Arsenal"), 100)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	cut := packed.Bytes()[:packed.Len()/2]
	changed := slices.Clone(packed.Bytes())
	changed[len(changed)-8] ^= 1 // its checksum
	want := wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", message: "message: expected gzip, got what cannot be read as it"}
	for _, broken := range []brokenGzipWriter{{bytes: []byte("no gzip at all")}, {bytes: cut}, {bytes: changed}} {
		for name, protocol := range map[string]connect.ClientOption{"connect": nil, "grpc": connect.WithGRPC(), "grpcweb": connect.WithGRPCWeb()} {
			newBroken := func() connect.Compressor { return &brokenGzipWriter{bytes: broken.bytes} }
			options := []connect.ClientOption{connect.WithAcceptCompression("gzip", newGunzip, newBroken), connect.WithSendCompression("gzip")}
			if protocol != nil {
				options = append(options, protocol)
			}
			client := connect.NewClient[pb.PredictRequest, pb.PredictResponse](s.http2, "http://"+s.http+predictPath, options...)
			_, err := client.CallUnary(t.Context(), connect.NewRequest(pairing("Arsenal", "Chelsea")))
			t.Log(name)
			want.check(t, statusOf(err))
		}
		//nolint:staticcheck // The way that replaces it is global to the process.
		native, err := grpc.NewClient(s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithCompressor(broken))
		if err != nil {
			t.Fatal(err)
		}
		t.Log("grpc native")
		for _, path := range []string{predictPath, countPath, echoPath} {
			stream, err := native.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, path)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(stream.SendMsg(pairing("Arsenal", "Chelsea")), stream.CloseSend()); err != nil {
				t.Fatal(err)
			}
			want.check(t, streamStatus(stream.RecvMsg(new(pb.PredictResponse))))
		}
		if err := native.Close(); err != nil {
			t.Error(err)
		}
	}
}

// brokenGzipWriter compresses everything to the same bytes, for both kinds of client.
type brokenGzipWriter struct {
	bytes []byte
	to    io.Writer
}

func newGunzip() connect.Decompressor {
	return connectGzip{&boundedGzip{limit: MaxMessageBytes}, &policy{}}
}

func (b *brokenGzipWriter) Reset(w io.Writer)             { b.to = w }
func (b *brokenGzipWriter) Write(p []byte) (int, error)   { return len(p), nil }
func (b *brokenGzipWriter) Close() error                  { _, err := b.to.Write(b.bytes); return err }
func (b brokenGzipWriter) Type() string                   { return "gzip" }
func (b brokenGzipWriter) Do(w io.Writer, p []byte) error { _, err := w.Write(b.bytes); return err }

// Of messages there has to be one where the procedure takes one.
func TestMessageCount(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{Procedures: streams()})
	for _, path := range []string{predictPath, countPath} {
		for _, n := range []int{0, 2} {
			stream, err := s.native.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, path)
			if err != nil {
				t.Fatal(err)
			}
			for range n {
				if err := stream.SendMsg(new(pb.PredictRequest)); err != nil {
					t.Fatal(err)
				}
			}
			if err := stream.CloseSend(); err != nil {
				t.Fatal(err)
			}
			wrong{code: codes.Unimplemented, reason: "MESSAGE_COUNT", message: "expected one"}.check(t, streamStatus(stream.RecvMsg(new(pb.PredictResponse))))
		}
	}
}

// A GET is a Connect call only with what the protocol puts into a query.
func TestConnectGET(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	message := url.QueryEscape(`{"pairing":{"homeTeam":"Arsenal","awayTeam":"Chelsea"}}`)
	for _, test := range []struct {
		query  string
		status int
		want   string
	}{
		{"connect=v1&encoding=json&message=" + message, http.StatusOK, "matchResult"},
		{"connect=v1&encoding=proto&base64=1&message=" + strings.Repeat("!", 8), http.StatusBadRequest, "URL-safe base64"},
		{"connect=v1&encoding=json&compression=br&message=" + message, http.StatusNotImplemented, "ENCODING_UNKNOWN"},
		{"connect=v1&encoding=json&compression=gzip&message=" + message, http.StatusBadRequest, "expected gzip"},
		{"connect=v1&encoding=json&message={}&message={}", http.StatusBadRequest, "several times"},
		{"connect=v1&encoding=json&message={}&timeout=5", http.StatusBadRequest, "there is no such parameter"},
		{"connect=v1&encoding=json&message=%zz", http.StatusBadRequest, "name=value pairs"},
		{"connect=v1&encoding=json&message={}" + strings.Repeat("&a", 20000), http.StatusBadRequest, "at most 16 parameters"},
	} {
		code, got := s.fetch(t.Context(), t, s.http, http.MethodGet, predictPath+"?"+test.query, "", http.Header{})
		if code != test.status || !strings.Contains(string(got), test.want) || code != http.StatusOK && !strings.Contains(string(got), "google.rpc.ErrorInfo") {
			t.Errorf("%.100s: got %d %s, want %d %s", test.query, code, got, test.status, test.want)
		}
	}
}

// Whoever calls an RPC that there is not is told in its own protocol.
func TestUnknownProcedure(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	for _, c := range callers[pb.PredictRequest, pb.PredictResponse](s, "/footballprediction.v1.PredictionService/Guess", false) {
		_, st := c.call(t.Context(), pairing("Arsenal", "Chelsea"))
		t.Log(c.name)
		if c.name == "grpc native" { // grpc-go's own answer
			wrong{code: codes.Unimplemented}.check(t, st)
			continue
		}
		wrong{code: codes.Unimplemented, reason: "PROCEDURE_UNKNOWN"}.check(t, st)
	}
}

// A server without details has none in any error.
func TestBareErrors(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{BareErrors: true, MaxMessageBytes: 1000})
	for _, request := range []*pb.PredictRequest{pairing("Arsenal", "Nobody"), pairing("Arsenal", strings.Repeat("x", 1000))} {
		for _, c := range callers[pb.PredictRequest, pb.PredictResponse](s, predictPath, true) {
			if _, st := c.call(t.Context(), request); st == nil || len(st.GetDetails()) > 0 {
				t.Errorf("%s: got %s", c.name, st)
			}
		}
	}
}
