package serving

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A request whose body does not come is told so after a while, and not that it were wrong.
func TestBodiesThatDoNotCome(t *testing.T) {
	options := ServerOptions{Webhooks: []Webhook{{Path: "/webhooks/test", Accept: func(http.Header, []byte) error { return nil }}}}
	for _, test := range []struct {
		name, path, content string
		http2               bool
		status              int
		want                string // part of the answer, or of its header Grpc-Status
	}{
		{"REST", "/predictions/match", "application/json", false, 504, `"code":4`},
		{"REST over HTTP/2", "/predictions/match", "application/json", true, 504, `"code":4`},
		{"Connect, JSON", predictPath, "application/json", false, 504, `"code":"deadline_exceeded"`},
		{"Connect", predictPath, "application/proto", true, 504, `"code":"deadline_exceeded"`},
		{"gRPC-Web", predictPath, "application/grpc-web", false, 200, "[4]"},
		{"webhook", "/webhooks/test", "application/json", false, 504, `"code":4`},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service, logger := newWorld().service(t)
				server := NewServer(service, logger, options)
				conns := make(pipes)
				served := make(chan error, 1)
				go func() { served <- server.http.Serve(conns) }()
				transport := &http.Transport{DialContext: conns.dial, Protocols: new(http.Protocols)}
				transport.Protocols.SetHTTP1(!test.http2)
				transport.Protocols.SetUnencryptedHTTP2(test.http2)

				body, never := io.Pipe()
				go func() { _, _ = io.WriteString(never, "{") }()
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://server"+test.path, body)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Content-Type", test.content)
				began := time.Now()
				response, err := transport.RoundTrip(request)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(response.Body)
				if err != nil {
					t.Error(err)
				}
				if text := strings.ReplaceAll(string(got), `": `, `":`) + fmt.Sprint(response.Header["Grpc-Status"]); response.StatusCode != test.status || !strings.Contains(text, test.want) {
					t.Errorf("got %d %s", response.StatusCode, text)
				}
				if took := time.Since(began); took != bodyTimeout {
					t.Errorf("it took %s", took)
				}
				_ = response.Body.Close()
				_ = never.Close()
				transport.CloseIdleConnections()
				server.grpc.Stop()
				if err := server.http.Close(); err != nil {
					t.Error(err)
				}
				if err := <-served; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// pipes is a listener in memory.
type pipes chan net.Conn

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.IPAddr{} }
