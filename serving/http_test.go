package serving

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// The page answers where it is, and nothing else does; without one, nothing does at all.
func TestPage(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page of "+r.URL.Path) })
	for _, test := range []struct {
		name         string
		page         http.Handler
		method, path string
		code         int
		want         string
	}{
		{"page", page, "GET", "/", 200, "page of /"},
		{"its assets", page, "GET", "/assets/index-1.js", 200, "page of /assets/index-1.js"},
		{"its head", page, "HEAD", "/", 200, ""},
		{"elsewhere", page, "GET", "/index.html", 404, "PATH_UNKNOWN"},
		{"posted to", page, "POST", "/", 405, "METHOD_NOT_ALLOWED"},
		{"none", nil, "GET", "/", 404, "PATH_UNKNOWN"},
		{"no assets", nil, "GET", "/assets/index-1.js", 404, "PATH_UNKNOWN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newWorld().serve(t, ServerOptions{Page: test.page})
			code, body := s.fetch(t.Context(), t, s.http, test.method, test.path, "", http.Header{})
			if code != test.code || !strings.Contains(string(body), test.want) {
				t.Errorf("got %d %s, want %d %s", code, body, test.code, test.want)
			}
		})
	}
}

// Pages of any origin may call what reads: browsers ask first, and then need these headers.
func TestAnyOrigin(t *testing.T) {
	const origin = "http://elsewhere.example"
	s := newWorld().serve(t, ServerOptions{})
	call := func(method, path, body string, header http.Header) (status int, got http.Header) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.http+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header
		response, err := s.http1.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header
	}

	for _, asked := range []string{
		"connect-protocol-version,connect-timeout-ms,content-type",
		"content-type,grpc-timeout,x-grpc-web,x-user-agent",
	} {
		status, got := call("OPTIONS", predictPath, "", http.Header{
			"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {asked},
		})
		if status != http.StatusNoContent || got.Get("Access-Control-Allow-Origin") != "*" ||
			got.Get("Access-Control-Allow-Methods") != "POST" || got.Get("Access-Control-Allow-Headers") != asked ||
			got.Get("Access-Control-Max-Age") != "7200" || got.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("may %s be sent: got %d %v", asked, status, got)
		}
	}
	for _, content := range []string{"application/json", "application/grpc-web+proto"} {
		header := http.Header{"Content-Type": {content}}
		if _, got := call("POST", predictPath, "{}", header.Clone()); got.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s, no browser: got %v", content, got)
		}
		header.Set("Origin", origin)
		_, got := call("POST", predictPath, "{}", header)
		if got.Get("Access-Control-Allow-Origin") != "*" || got.Get("Access-Control-Allow-Credentials") != "" ||
			got.Get("Access-Control-Expose-Headers") != "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin" {
			t.Errorf("%s: got %v", content, got)
		}
	}
}

// What does more than read is for pages of our own.
func TestOwnOrigin(t *testing.T) {
	load := Unary(pb.ModelService_GetModel_FullMethodName, Operator, func(context.Context, *pb.GetModelRequest) (*pb.GetModelResponse, error) {
		return new(pb.GetModelResponse), nil
	})
	handler := newHTTP(&policy{}, []Procedure{load}, nil, new(ServerOptions))
	request := httptest.NewRequest("OPTIONS", load.name, nil)
	request.Header = http.Header{"Origin": {"http://elsewhere.example"}, "Access-Control-Request-Method": {"POST"}}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	if recorder.Code != http.StatusMethodNotAllowed || recorder.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("got %d %v, want %d", recorder.Code, recorder.Header(), http.StatusMethodNotAllowed)
	}
}
