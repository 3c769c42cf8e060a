// Package web holds the page that asks for predictions in a browser. It is made from the TypeScript
// beside it by `make generate` and committed under dist, so that the program builds without Node.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed dist
var dist embed.FS

// policy lets the page load what is served beside it, and nothing else.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// types are the media types of what a build makes.
var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// Handler answers GET and HEAD of / with the page and of /assets/ with what the page loads.
func Handler() (http.Handler, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("open the page: %w", err)
	}
	return newSite(files)
}

// A site is a built page by the paths that it is served at; it does not change.
type site map[string]*file

// A file is served as it is, or compressed to who takes that.
type file struct {
	contentType  string
	cacheControl string
	plain        representation
	gzipped      representation
}

// A representation is the bytes of a file and their entity tag.
type representation struct {
	body []byte
	etag string
}

func newSite(files fs.FS) (site, error) {
	s := make(site)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		contentType, known := types[path.Ext(name)]
		if !known {
			return fmt.Errorf("%q: no media type is known", name)
		}
		compressed, err := compress(body)
		if err != nil {
			return fmt.Errorf("compress %q: %w", name, err)
		}
		f := &file{contentType: contentType, cacheControl: "no-cache", plain: represent(body), gzipped: represent(compressed)}
		if strings.HasPrefix(name, "assets/") { // their names change with their content
			f.cacheControl = "public, max-age=31536000, immutable"
		}
		s["/"+strings.TrimSuffix(name, "index.html")] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	if s["/"] == nil {
		return nil, fmt.Errorf("read the page: %w: index.html", fs.ErrNotExist)
	}
	return s, nil
}

func represent(body []byte) representation {
	sum := sha256.Sum256(body)
	return representation{body: body, etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
}

func compress(body []byte) ([]byte, error) {
	var compressed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(body); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return compressed.Bytes(), nil
}

// ServeHTTP implements http.Handler.
func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := s[r.URL.Path]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	header, representation := w.Header(), f.plain
	if takesGzip(r.Header.Values("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		representation = f.gzipped
	}
	header.Set("Content-Type", f.contentType)
	header.Set("Cache-Control", f.cacheControl)
	header.Set("Content-Security-Policy", policy)
	header.Set("ETag", representation.etag)
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Vary", "Accept-Encoding")
	header.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(representation.body))
}

// takesGzip reports whether an Accept-Encoding header names gzip, and not with a quality of 0.
func takesGzip(values []string) bool {
	for coding := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, quality, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			quality = strings.TrimSpace(quality)
			return !strings.HasPrefix(quality, "q=0") || strings.Trim(quality[len("q=0"):], ".0") != ""
		}
	}
	return false
}
