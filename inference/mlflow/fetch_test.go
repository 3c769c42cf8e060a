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

// answers sends one answer.
func answers(status int, body string, headers ...string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// drips sends a byte every so often.
func drips(every time.Duration) fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
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

// endless sends what begins as JSON and does not end.
func endless(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	for r.Context().Err() == nil {
		_, _ = w.Write([]byte(strings.Repeat(" ", 1<<16)))
	}
}

// half sends the first half of MLflow's answer.
func half(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
	w.Header().Set("Content-Length", strconv.Itoa(answer.Body.Len()))
	_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// hangs never answers.
func hangs(_ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }

// The paths of two requests, in the end.
const modelFile, downloadURI = "/model.onnx", "/get-download-uri"

// Whatever MLflow, or something in its place, does while files are fetched: the error says so, nothing
// is left on the disk, and once MLflow is well the files come.
func TestFetchFaults(t *testing.T) {
	brief := Limits{Stall: time.Second}
	tests := []struct {
		name   string
		fault  fault
		limits Limits
		want   string
	}{
		{"dies before it answers", only(downloadURI, dies), Limits{}, "EOF"},
		{"dies before a file", only(modelFile, dies), Limits{}, `file "model.onnx": GET /api/2.0/mlflow-artifacts/artifacts/`},
		{"half a file", only(modelFile, half), Limits{}, "unexpected EOF"},
		{"a file of another length", only(modelFile, answers(200, "too short")), Limits{}, "as listed, got Content-Length 9"},
		{"a longer file without a length", only(modelFile, endless), Limits{}, "bytes, got more"},
		{"a page in place of a file", only(modelFile, answers(200, "<html>", "Content-Type", "text/html; charset=utf-8")), Limits{}, "expected a file, got text/html"},
		{"a page in place of an answer", only(downloadURI, answers(200, "<html>", "Content-Type", "text/html")), Limits{}, "expected JSON, got text/html"},
		{"a page in place of an error", only(downloadURI, answers(403, "<html>", "Content-Type", "text/html")), Limits{}, "403 Forbidden, and text/html in place of MLflow's error"},
		{"an answer without a type", only(downloadURI, answers(200, "", "Content-Type", "")), Limits{}, "expected JSON, got something without a Content-Type"},
		{"an answer cut off", only(downloadURI, says(`{"artifact_uri": `)), Limits{}, "expected MLflow's JSON: unexpected end"},
		{"another type of answer", only(downloadURI, says(`{"artifact_uri": 7}`)), Limits{}, "expected MLflow's JSON: json: cannot unmarshal number"},
		{"an endless answer", only(downloadURI, endless), Limits{}, "expected at most 16777216 bytes of JSON"},
		{"compressed", only(modelFile, answers(200, "gz", "Content-Encoding", "gzip")), Limits{}, `expected no Content-Encoding, got "gzip"`},
		{"no content", only(modelFile, answers(204, "")), Limits{}, "204 No Content"},
		{"500", only(modelFile, answers(500, `{"error_code": "INTERNAL_ERROR", "message": "the disk\nis\u001b[31m full"}`)), Limits{}, "500 Internal Server Error: INTERNAL_ERROR: the disk is [31m full"},
		{"503", only(downloadURI, answers(503, "")), Limits{}, "503 Service Unavailable"},
		{"429", only(downloadURI, answers(429, "", "Retry-After", "0")), Limits{}, "429 Too Many Requests"},
		{"429 for an hour", only(downloadURI, answers(429, "", "Retry-After", "3600")), Limits{Rest: time.Millisecond}, "429 Too Many Requests"},
		{"404", only(modelFile, answers(404, `{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}`)), Limits{}, "404 Not Found: RESOURCE_DOES_NOT_EXIST: gone"},
		{"never answers", only(modelFile, hangs), brief, "no byte came in time"},
		{"stalls within a file", only(modelFile, drips(time.Hour)), brief, "no byte came in time"},
		{"drips", only(modelFile, drips(10*time.Millisecond)), Limits{Fetch: time.Second}, "it took too long altogether"},
	}
	files := tiny(t, "half_plus_two")
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
			if left := inStore(t, dir); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			p.misbehave(nil)
			if got, err := fetchSoon(t, s, name); err != nil {
				t.Errorf("once it is well: %v", err)
			} else {
				holds(t, got, files)
			}
		})
	}
}

// What nobody should follow is not: nothing is left on the disk, and no other server is asked.
func TestFetchRefuses(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("another server was asked")
	}))
	t.Cleanup(elsewhere.Close)
	named := func(name string) fault { return only("/artifacts", rewrites(`"model.onnx"`, name)) }
	listed := func(files string) fault { return only("/artifacts", says(`{"files": [`+files+`]}`)) }
	at := func(address string) fault {
		return only(downloadURI, says(`{"artifact_uri": `+strconv.Quote(address)+`}`))
	}
	tests := []struct {
		name   string
		fault  fault
		limits Limits
		want   string
	}{
		{"redirects elsewhere", only(modelFile, answers(302, "", "Location", elsewhere.URL+"/model.onnx")), Limits{}, "redirected to another server, " + elsewhere.URL + ": refused"},
		{"redirects the API elsewhere", only(downloadURI, answers(307, "", "Location", "https://192.0.2.1/")), Limits{}, "redirected to another server, https://192.0.2.1: refused"},
		{"redirects in a circle", only(modelFile, answers(301, "", "Location", "/api/2.0/mlflow-artifacts/artifacts/model.onnx")), Limits{}, "redirected more than 3 times"},
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
		{"a negative size", listed(`{"path": "model.onnx", "file_size": -1}`), Limits{}, `file_size: expected a number of bytes, got "-1"`},
		{"a size that is none", listed(`{"path": "model.onnx", "file_size": 1e99}`), Limits{}, `file_size: expected a number of bytes, got "1e99"`},
		{"a folder without end", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Path != artifactsPath {
				next.ServeHTTP(w, r)
				return
			}
			says(`{"files": [{"path": "again", "is_dir": true}]}`)(w, r, next)
		}, Limits{}, `"again/again/again/again/again/again/again/again/again": expected folders at most 8 deep`},
		{"too many files", nil, Limits{Files: 3}, "expected at most 3 files and folders, got more"},
		{"too large a file", nil, Limits{FileBytes: 100 << 10}, `expected a file of at most 102400 bytes`},
		{"too large in all", nil, Limits{VersionBytes: 190 << 10}, `and 194560 in all`},
		{"too large a file, of unlisted size", listed(`{"path": "weights"}`), Limits{FileBytes: 100}, "expected at most 100 bytes, got Content-Length 200000"},
		{"a file of unknown size", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			switch {
			case r.URL.Path == artifactsPath:
				listed(`{"path": "weights"}`)(w, r, next)
			case strings.HasSuffix(r.URL.Path, "weights"):
				endless(w, r, next)
			default:
				next.ServeHTTP(w, r)
			}
		}, Limits{}, "its size is neither listed nor in the answer"},
	}
	files := tiny(t, "half_plus_two")
	files["weights"] = make([]byte, 200_000)
	name := register(t, files)
	p := newProxy(t)
	dir := t.TempDir()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p.misbehave(nil)
			s := newSource(t, p.URL, dir, t.TempDir(), Options{Limits: test.limits})
			list(t, s, name)
			p.misbehave(test.fault)
			_, err := s.Fetch(t.Context(), name, "1")
			wants(t, "fetch", err, test.want)
			if left := inStore(t, dir); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// Files are fetched whatever their names, in folders, and empty ones too.
func TestFetchFolders(t *testing.T) {
	files := tiny(t, "half_plus_two")
	files["a/b/c.txt"] = []byte("deep")
	files["a.txt"] = []byte("beside")
	files["empty"] = nil
	files["page.html"] = []byte("<html>")
	files["with space, % and ?.txt"] = []byte("odd")
	name := register(t, files)
	s := newSource(t, tracking.URL, t.TempDir(), t.TempDir(), Options{})
	list(t, s, name)
	dir, err := s.Fetch(t.Context(), name, "1")
	if err != nil {
		t.Fatal(err)
	}
	holds(t, dir, files)
	s = newSource(t, tracking.URL, s.store.dir, t.TempDir(), Options{})
	list(t, s, name)
	if again, err := s.Fetch(t.Context(), name, "1"); again != dir {
		t.Errorf("the next process: got %s, %v", again, err)
	}
}

// fetchSoon fetches version 1 as soon as the breaker lets it.
func fetchSoon(t *testing.T, s *Source, model string) (dir string, err error) {
	t.Helper()
	for range 100 {
		if dir, err = s.Fetch(t.Context(), model, "1"); err == nil {
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

// A server that asks to be left alone for long is, by whatever asks.
func TestRetryAfter(t *testing.T) {
	name := register(t, tiny(t, "half_plus_two"))
	tests := []struct {
		name, header string
		limits       Limits
		alone        bool
	}{
		{"seconds", "3600", Limits{}, true},
		{"a moment", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), Limits{}, true},
		{"longer than anybody should be", "3600", Limits{Rest: time.Millisecond}, false},
		{"not long", "0", Limits{}, false},
		{"a moment that has passed", "Mon, 02 Jan 2006 15:04:05 GMT", Limits{}, false},
		{"no time at all", "soon", Limits{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newProxy(t)
			s := newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{Limits: test.limits})
			list(t, s, name)
			p.misbehave(answers(429, "", "Retry-After", test.header))
			before := p.asked.Load()
			_, err := s.Fetch(t.Context(), name, "1")
			wants(t, "fetch", err, "429")
			<-time.After(2 * time.Millisecond)
			_, err = s.Fetch(t.Context(), name, "1")
			wants(t, "and again", err, "429")
			if n := p.asked.Load() - before; (n == 1) != test.alone {
				t.Errorf("asked %d times", n)
			}
		})
	}
}
