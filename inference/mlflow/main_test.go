package mlflow

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"footballprediction/inference"
	"footballprediction/inference/mlflow/mlflowtest"
	"footballprediction/inference/onnx/onnxtest"
)

// tracking is a real MLflow, which all tests share: each has models of its own.
var tracking *mlflowtest.Server

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	if address := os.Getenv(trackingVariable); address != "" {
		tracking = &mlflowtest.Server{URL: address}
		return m.Run()
	}
	var err error
	if tracking, err = mlflowtest.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := tracking.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

// fault answers a request in the place of MLflow, which next is.
type fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// proxy stands before MLflow and misbehaves as the test says.
type proxy struct {
	*httptest.Server
	fault atomic.Pointer[fault]
	asked atomic.Int64 // requests that came
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := unstarted(t)
	p.Start()
	return p
}

// newTLSProxy is newProxy over TLS, as set says.
func newTLSProxy(t *testing.T, set func(*tls.Config)) *proxy {
	t.Helper()
	p := unstarted(t)
	p.TLS = &tls.Config{}
	set(p.TLS)
	p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of handshakes
	p.StartTLS()
	return p
}

func unstarted(t *testing.T) *proxy {
	t.Helper()
	target, err := url.Parse(tracking.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	forward := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	p := &proxy{}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		if f := p.fault.Load(); f != nil {
			(*f)(w, r, forward)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// misbehave has f answer from now on; nil: MLflow does.
func (p *proxy) misbehave(f fault) {
	if f == nil {
		p.fault.Store(nil)
		return
	}
	p.fault.Store(&f)
}

// only limits a fault to requests whose path, or path= of a listing, has the suffix.
func only(suffix string, f fault) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, suffix) || r.URL.Path == artifactsPath && strings.HasSuffix(r.URL.Query().Get("path"), suffix) {
			f(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// says answers JSON.
func says(text string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	}
}

// rewrites passes MLflow's answer on with strings replaced.
func rewrites(pairs ...string) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.WriteHeader(answer.Code)
		_, _ = w.Write([]byte(strings.NewReplacer(pairs...).Replace(answer.Body.String())))
	}
}

// dies closes the connection without a word.
func dies(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// tiny returns the files of a tiny model of models/testdata.
func tiny(t *testing.T, model string) map[string][]byte {
	t.Helper()
	return mlflowtest.Folder(t, filepath.Join(onnxtest.Models(t), model, "1"))
}

// register registers versions of a model, named after the test and deleted with it, and points
// champion at the last.
func register(t *testing.T, versions ...map[string][]byte) (model string) {
	t.Helper()
	model = strings.NewReplacer("/", "-", " ", "_").Replace(t.Name())
	t.Cleanup(func() { tracking.DeleteModel(t, model) })
	for _, files := range versions {
		tracking.Alias(t, model, inference.Champion, tracking.Register(t, model, files))
	}
	return model
}

// newSource returns a Source that has begun, so that List asks the server, with a fallback of folders.
func newSource(t *testing.T, server, dir, fallback string, options Options) *Source {
	t.Helper()
	return newSourceOf(t, at(t, server), dir, fallback, options)
}

func newSourceOf(t *testing.T, server Server, dir, fallback string, options Options) *Source {
	t.Helper()
	options.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	if options.Limits.Retry == 0 {
		options.Limits.Retry = time.Millisecond
	}
	if options.Limits.Recovery == 0 {
		options.Limits.Recovery = time.Millisecond
	}
	s, err := New(server, dir, inference.NewFolderSource(fallback, nil), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if _, err := s.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// at reads a server's address.
func at(t *testing.T, address string) Server {
	t.Helper()
	s, err := ParseServer(address, Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// list returns what the source wants of a model.
func list(t *testing.T, s *Source, model string) inference.Aspired {
	t.Helper()
	all, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, wish := range all {
		if wish.Name == model {
			return wish
		}
	}
	return inference.Aspired{}
}

// holds expects that a folder holds just these files.
func holds(t *testing.T, dir string, want map[string][]byte) {
	t.Helper()
	got := mlflowtest.Folder(t, dir)
	for name, data := range want {
		if string(got[name]) != string(data) {
			t.Errorf("%s: got %d bytes, expected %d", name, len(got[name]), len(data))
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d files, expected %d", len(got), len(want))
	}
}

// inStore lists the copies in a store, and what is left aside.
func inStore(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"*/*-*", asidePrefix + "*"} {
		names, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, names...)
	}
	return found
}

// wants checks an error's text.
func wants(t *testing.T, what string, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got %v\nwant %s", what, err, text)
	}
}
