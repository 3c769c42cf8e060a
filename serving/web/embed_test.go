package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func get(handler http.Handler, path string, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest("GET", path, nil)
	request.Header = header
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func read(t *testing.T, r io.Reader) string {
	t.Helper()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// The page that is built in, and all that it loads, is there; together it is small.
func TestHandler(t *testing.T) {
	handler, err := Handler()
	if err != nil {
		t.Fatal(err)
	}
	page := get(handler, "/", http.Header{})
	if page.Code != http.StatusOK || page.Header().Get("Cache-Control") != "no-cache" ||
		!strings.HasPrefix(page.Header().Get("Content-Security-Policy"), "default-src 'self';") ||
		page.Header().Get("Content-Type") != "text/html; charset=utf-8" || page.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %d %v", page.Code, page.Header())
	}
	markup := read(t, page.Body)
	assets := regexp.MustCompile(`"\./(assets/[^"]+)"`).FindAllStringSubmatch(markup, -1)
	if len(assets) < 3 { // script, style, icon
		t.Errorf("the page loads %v", assets)
	}
	if found := regexp.MustCompile(`(src|href)="(https?:)?//`).FindString(markup); found != "" {
		t.Errorf("the page goes elsewhere: %s", found)
	}
	size := len(handler.(site)["/"].gzipped.body)
	for _, asset := range assets {
		got := get(handler, "/"+asset[1], http.Header{"Accept-Encoding": {"br, gzip"}})
		if got.Code != http.StatusOK || got.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" ||
			got.Header().Get("Content-Encoding") != "gzip" || got.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: got %d %v", asset[1], got.Code, got.Header())
		}
		size += len(read(t, got.Body))
	}
	t.Logf("%d bytes, compressed", size)
	if size > 60_000 {
		t.Errorf("the page has %d bytes, compressed; at most 60,000 are allowed", size)
	}
}

func TestRepresentations(t *testing.T) {
	text := strings.Repeat("what will happen in this match? ", 100)
	s, err := newSite(fstest.MapFS{
		"index.html":   {Data: []byte(text)},
		"assets/a.css": {Data: []byte("a{}")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		accept  string
		gzipped bool
	}{
		{"", false}, {"br", false}, {"gzip", true}, {"br, GZIP;q=0.5", true}, {"gzip;q=0", false}, {"gzip; q=0.000, br", false}, {"x-gzip", false},
	} {
		response := get(s, "/", http.Header{"Accept-Encoding": {test.accept}})
		body := io.Reader(response.Body)
		if (response.Header().Get("Content-Encoding") == "gzip") != test.gzipped {
			t.Fatalf("%q: got %v", test.accept, response.Header())
		}
		if test.gzipped {
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		if got := read(t, body); got != text {
			t.Errorf("%q: got %q", test.accept, got)
		}
		again := get(s, "/", http.Header{"Accept-Encoding": {test.accept}, "If-None-Match": {response.Header().Get("ETag")}})
		if again.Code != http.StatusNotModified {
			t.Errorf("%q again: got %d", test.accept, again.Code)
		}
	}
	for _, path := range []string{"/index.html", "/assets/", "/assets/b.css", "/assets/../index.html"} {
		if got := get(s, path, http.Header{}); got.Code != http.StatusNotFound {
			t.Errorf("%s: got %d", path, got.Code)
		}
	}
}

func TestBadBuilds(t *testing.T) {
	for name, test := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"no page":      {fstest.MapFS{"assets/a.css": {}}, "index.html"},
		"unknown type": {fstest.MapFS{"index.html": {}, "assets/a.exe": {}}, `"assets/a.exe": no media type is known`},
	} {
		if _, err := newSite(test.files); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}
