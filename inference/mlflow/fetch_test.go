package mlflow

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Whatever MLflow, or something in its place, does while files are fetched: the error says so,
// nothing is left on the disk, nobody else is asked, and once MLflow is well the files come.
func TestFetchFaults(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("another server was asked")
	}))
	t.Cleanup(elsewhere.Close)
	head := func(w http.ResponseWriter, status int, headers ...string) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
	}
	answers := func(status int, body string, headers ...string) fault {
		return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			head(w, status, headers...)
			_, _ = w.Write([]byte(body))
		}
	}
	drip := func(every time.Duration) fault {
		return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			head(w, http.StatusOK)
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
				select {
				case <-tick.C:
				case <-r.Context().Done():
					return
				}
			}
		}
	}
	endless := func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		head(w, http.StatusOK, "Content-Type", "application/json")
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 1<<16))
		}
	}
	half := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		head(w, http.StatusOK, "Content-Length", strconv.Itoa(answer.Body.Len()))
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	const model, uri = "/model.onnx", "/get-download-uri"
	named := func(name string) fault {
		return only("/artifacts", rewrites(`"model.onnx"`, name))
	}
	at := func(address string) fault { return only(uri, says(`{"artifact_uri": `+strconv.Quote(address)+`}`)) }
	brief := Limits{Stall: 500 * time.Millisecond}

	tests := []struct {
		name   string
		fault  fault
		limits Limits
		want   string
	}{
		{"dies before it answers", only(uri, dies), Limits{}, "EOF"},
		{"dies before a file", only(model, dies), Limits{}, `file "model.onnx": GET /api/2.0/mlflow-artifacts/artifacts/`},
		{"half a file", only(model, half), Limits{}, "unexpected EOF"},
		{"a file of another length", only(model, answers(200, "too short")), Limits{}, "as listed, got Content-Length 9"},
		{"a longer file without a length", only(model, endless), Limits{}, "bytes, got more"},
		{"a page in place of a file", only(model, answers(200, "<html>", "Content-Type", "text/html; charset=utf-8")), Limits{}, "expected a file, got text/html"},
		{"a page in place of an answer", only(uri, answers(200, "<html>", "Content-Type", "text/html")), Limits{}, "expected JSON, got text/html"},
		{"a page in place of an error", only(uri, answers(403, "<html>", "Content-Type", "text/html")), Limits{}, "403 Forbidden, and text/html in place of MLflow's error"},
		{"an answer without a type", only(uri, answers(200, "", "Content-Type", "")), Limits{}, "expected JSON, got something without a Content-Type"},
		{"an answer cut off", only(uri, says(`{"artifact_uri": `)), Limits{}, "expected MLflow's JSON: unexpected end"},
		{"another type of answer", only(uri, says(`{"artifact_uri": 7}`)), Limits{}, "expected MLflow's JSON: json: cannot unmarshal number"},
		{"an endless answer", only(uri, endless), Limits{}, "expected at most 16777216 bytes of JSON"},
		{"compressed", only(model, answers(200, "gz", "Content-Encoding", "gzip")), Limits{}, `expected no Content-Encoding, got "gzip"`},
		{"no content", only(model, answers(204, "")), Limits{}, "204 No Content"},
		{"500", only(model, answers(500, `{"error_code": "INTERNAL_ERROR", "message": "the disk\nis\u001b[31m full"}`)), Limits{}, "500 Internal Server Error: INTERNAL_ERROR: the disk is [31m full"},
		{"503", only(uri, answers(503, "")), Limits{}, "503 Service Unavailable"},
		{"429", only(uri, answers(429, "", "Retry-After", "0")), Limits{}, "429 Too Many Requests"},
		{"429 for an hour", only(uri, answers(429, "", "Retry-After", "3600")), Limits{}, "429 Too Many Requests"},
		{"404", only(model, answers(404, `{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}`)), Limits{}, "404 Not Found: RESOURCE_DOES_NOT_EXIST: gone"},
		{"never answers", only(model, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }), brief, "no byte came in time"},
		{"stalls within a file", only(model, drip(time.Hour)), brief, "no byte came in time"},
		{"drips", only(model, drip(10*time.Millisecond)), Limits{Fetch: time.Second}, "it took too long altogether"},

		{"redirects elsewhere", only(model, answers(302, "", "Location", elsewhere.URL+"/model.onnx")), Limits{}, "redirected to another server, " + elsewhere.URL + ": refused"},
		{"redirects the API elsewhere", only(uri, answers(307, "", "Location", "https://192.0.2.1/")), Limits{}, "redirected to another server, https://192.0.2.1: refused"},
		{"redirects in a circle", only(model, answers(301, "", "Location", "/api/2.0/mlflow-artifacts/artifacts/model.onnx")), Limits{}, "redirected more than 3 times"},
		{"artifacts on another host", at("mlflow-artifacts://192.0.2.1:5000/0/m"), Limits{}, "they are on another server"},
		{"artifacts on another port", at("mlflow-artifacts://127.0.0.1:1/0/m"), Limits{}, "they are on another server"},
		{"artifacts for somebody else", at("mlflow-artifacts://user@127.0.0.1/0/m"), Limits{}, "they are on another server"},
		{"artifacts in a bucket", at("s3://bucket/0/m"), Limits{}, `got scheme "s3": only what MLflow serves itself is fetched`},
		{"artifacts by HTTP", at(elsewhere.URL), Limits{}, `got scheme "http"`},
		{"artifacts in a file", at("file:///etc"), Limits{}, `got scheme "file"`},
		{"artifacts in a folder", at("/etc"), Limits{}, `got scheme ""`},
		{"no artifacts", at(""), Limits{}, `got scheme ""`},
		{"artifacts above", at("mlflow-artifacts:/0/../../etc"), Limits{}, `expected the name of a file or folder, got ".."`},
		{"artifacts above, escaped", at("mlflow-artifacts:/0/%2e%2e/etc"), Limits{}, `expected the name of a file or folder, got ".."`},
		{"artifacts with a query", at("mlflow-artifacts:/0/m?path=.."), Limits{}, "and no more than that"},
		{"artifacts nowhere", at("mlflow-artifacts:"), Limits{}, "and no more than that"},
		{"artifacts at the root", at("mlflow-artifacts:/"), Limits{}, `expected the name of a file or folder, got ""`},
		{"artifacts that are not there", at("mlflow-artifacts:/0/nothing"), Limits{}, "it has no files"},

		{"a name that leads up", named(`".."`), Limits{}, `expected the name of a file or folder, got ".."`},
		{"a name that leads up and down", named(`"../../model.onnx"`), Limits{}, `expected the name of a file or folder, got "../../model.onnx"`},
		{"an absolute name", named(`"/etc/passwd"`), Limits{}, `expected the name of a file or folder, got "/etc/passwd"`},
		{"a name with a backslash", named(`"..\\model.onnx"`), Limits{}, `expected the name of a file or folder, got "..\\model.onnx"`},
		{"a name with NUL", named(`"model\u0000.onnx"`), Limits{}, `expected the name of a file or folder, got "model .onnx"`},
		{"an empty name", named(`""`), Limits{}, `expected the name of a file or folder, got ""`},
		{"a name too long", named(`"` + strings.Repeat("x", 256) + `"`), Limits{}, "expected the name of a file or folder, got"},
		{"a name twice", named(`"MLmodel"`), Limits{}, `"MLmodel" is listed twice`},
		{"a negative size", only("/artifacts", says(`{"files": [{"path": "model.onnx", "file_size": -1}]}`)), Limits{}, `file_size: expected a number of bytes, got "-1"`},
		{"a size that is none", only("/artifacts", says(`{"files": [{"path": "model.onnx", "file_size": 1e99}]}`)), Limits{}, `file_size: expected a number of bytes, got "1e99"`},
		{"a folder without end", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Path != artifactsPath {
				next.ServeHTTP(w, r)
				return
			}
			says(`{"files": [{"path": "again", "is_dir": true}]}`)(w, r, next)
		}, Limits{}, `"again/again/again/again/again/again/again/again/again": expected folders at most 8 deep`},
		{"too many files", nil, Limits{Files: 5}, "expected at most 5 files and folders, got more"},
		{"too large a file", nil, Limits{FileBytes: 100 << 10}, `expected a file of at most 102400 bytes`},
		{"too large in all", nil, Limits{VersionBytes: 190 << 10}, `and 194560 in all`},
		{"too large a file, of unlisted size", only("/artifacts", says(`{"files": [{"path": "weights"}]}`)), Limits{FileBytes: 100}, "expected at most 100 bytes, got Content-Length 200000"},
		{"a file of unknown size", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			switch {
			case r.URL.Path == artifactsPath:
				says(`{"files": [{"path": "weights"}]}`)(w, r, next)
			case strings.HasSuffix(r.URL.Path, "weights"):
				endless(w, r, next)
			default:
				next.ServeHTTP(w, r)
			}
		}, Limits{}, "its size is neither listed nor in the answer"},
	}
	files := tiny(t, "half_plus_two")
	files["a/b/c.txt"] = []byte("deep")
	files["empty"] = nil
	files["page.html"] = []byte("<html>")
	files["with space, % and ?.txt"] = []byte("odd")
	files["weights"] = make([]byte, 200_000)
	name := register(t, files)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newProxy(t)
			dir := t.TempDir()
			s := newSource(t, p.URL, dir, t.TempDir(), Options{Limits: test.limits})
			list(t, s, name)
			p.misbehave(test.fault)
			_, err := s.Fetch(t.Context(), name, "1")
			wants(t, "fetch", err, test.want)
			if left := stored(t, dir); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			if test.fault == nil || test.limits.FileBytes > 0 {
				return
			}
			p.misbehave(nil)
			// The breaker may have opened and takes a moment.
			if got, err := fetchSoon(t, s, name); err != nil {
				t.Errorf("once it is well: %v", err)
			} else {
				holds(t, got, files)
			}
		})
	}
}

// fetchSoon fetches version 1 as soon as the breaker lets it.
func fetchSoon(t *testing.T, s *Source, model string) (dir string, err error) {
	t.Helper()
	for range 100 {
		if dir, err = s.Fetch(t.Context(), model, "1"); err == nil || !strings.Contains(err.Error(), "breaker") {
			break
		}
		<-time.After(5 * time.Millisecond)
	}
	return dir, err
}

// A request that fails is made again, and a file is begun anew.
func TestFetchTriesAgain(t *testing.T) {
	name := register(t, tiny(t, "half_plus_two"))
	p := newProxy(t)
	s := newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{})
	list(t, s, name)
	var mu sync.Mutex
	seen := map[string]int{}
	p.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		seen[r.URL.String()]++
		times := seen[r.URL.String()]
		mu.Unlock()
		switch times {
		case 1:
			w.Header().Set("Content-Length", "1000")
			_, _ = fmt.Fprint(w, "the beginning of")
			panic(http.ErrAbortHandler)
		case 2:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			next.ServeHTTP(w, r)
		}
	})
	dir, err := s.Fetch(t.Context(), name, "1")
	if err != nil {
		t.Fatal(err)
	}
	holds(t, dir, tiny(t, "half_plus_two"))
}

// A server that asks to be left alone for long is.
func TestRetryAfter(t *testing.T) {
	name := register(t, tiny(t, "half_plus_two"))
	p := newProxy(t)
	s := newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{})
	list(t, s, name)
	p.misbehave(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", "6")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	before := p.asked.Load()
	_, err := s.Fetch(t.Context(), name, "1")
	wants(t, "fetch", err, "429")
	if n := p.asked.Load() - before; n != 1 {
		t.Errorf("asked %d times, expected once", n)
	}
}
