package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/api/gen/footballprediction/v1/footballpredictionv1connect"
)

// Operators wait for a server as long as what they ask of it may take, and no longer.
func TestOperationsEnd(t *testing.T) {
	promote := func(ctx context.Context, o *operation) error {
		_, err := o.client.PromoteModel(ctx, &pb.PromoteModelRequest{Name: "m", Version: "2", Actor: "anna"})
		return err
	}
	watch := func(ctx context.Context, o *operation) error { return o.watch(ctx) }
	for _, test := range []struct {
		name    string
		timeout time.Duration
		ask     func(context.Context, *operation) error
		answer  time.Duration // when the server does
		err     string
	}{
		{"a promotion that takes its time", decisionTimeout, promote, decisionTimeout - time.Second, ""},
		{"a promotion that does not end", decisionTimeout, promote, decisionTimeout + time.Second, "timeout awaiting response headers"},
		{"a watch that does not begin", answerTimeout, watch, answerTimeout + time.Second, "timeout awaiting response headers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var served sync.WaitGroup
				defer served.Wait()
				transport := operatorTransport(test.timeout)
				transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
					here, there := net.Pipe()
					served.Go(func() { answerLate(there, test.answer) })
					return here, nil
				}
				defer transport.CloseIdleConnections()
				o := &operation{client: footballpredictionv1connect.NewModelServiceClient(&http.Client{Transport: transport}, "http://operators"), out: io.Discard}
				began := time.Now()
				err := test.ask(t.Context(), o)
				if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %q", err, test.err)
				}
				if took := time.Since(began); took != min(test.timeout, test.answer) {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// answerLate answers one request with an empty message.
func answerLate(conn net.Conn, after time.Duration) {
	defer conn.Close()
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return // whoever asked has left
	}
	_, _ = io.Copy(io.Discard, request.Body)
	<-time.After(after)
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/proto\r\nContent-Length: 0\r\n\r\n")
}
