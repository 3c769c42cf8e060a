package mlflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	artifactsPath = "/api/2.0/mlflow-artifacts/artifacts"
	nameBytesMax  = 255 // of a file, as file systems have it
)

// artifact is one file of a version.
type artifact struct {
	path []string // below the version's folder
	size int64    // as listed; -1: not listed
}

// artifactRoot returns the folder, below the server's artifact proxy, that a version's URI names. The
// URI is what whoever registered the version wrote: it may name no other server, and no path that
// leads anywhere but down.
func artifactRoot(server Server, uri string) ([]string, error) {
	refuse := func(format string, args ...any) ([]string, error) {
		return nil, &refusedError{fmt.Errorf("artifacts at %q: "+format, append([]any{showURI(uri)}, args...)...)}
	}
	u, err := url.Parse(uri)
	if err != nil {
		return refuse("expected mlflow-artifacts:/path")
	}
	if u.Scheme != "mlflow-artifacts" {
		return refuse("expected mlflow-artifacts:/path, got scheme %q: only what MLflow serves itself is fetched (mlflow server --serve-artifacts)", u.Scheme)
	}
	if u.Host != "" && !sameHost(u, &server.url) || u.User != nil {
		return refuse("they are on another server than %s: refused", server.url.Host)
	}
	if u.Opaque != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
		return refuse("expected mlflow-artifacts:/path, and no more than that")
	}
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	for _, segment := range segments {
		if err := checkName(segment); err != nil {
			return refuse("%w", err)
		}
	}
	return segments, nil
}

// showURI leaves out what may be a key: the user, and the query.
func showURI(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "…"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return clip(u.String())
}

func sameHost(artifacts, server *url.URL) bool {
	port := func(u *url.URL) string {
		switch {
		case u.Port() != "":
			return u.Port()
		case server.Scheme == "https":
			return "443"
		}
		return "80"
	}
	return strings.EqualFold(artifacts.Hostname(), server.Hostname()) && port(artifacts) == port(server)
}

// checkName refuses what is no plain name of a file or folder.
func checkName(name string) error {
	switch {
	case name == "", name == ".", name == "..", len(name) > nameBytesMax, !utf8.ValidString(name),
		strings.ContainsAny(name, `/\`), strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("expected the name of a file or folder, got %q", clip(name))
	}
	return nil
}

// walk lists all files below root, within the limits, in the order of their paths.
func (c *client) walk(ctx context.Context, root []string) ([]artifact, error) {
	var files []artifact
	entries, total := 0, int64(0)
	folders := [][]string{nil} // still to be listed, below root
	for len(folders) > 0 {
		folder := folders[0]
		folders = folders[1:]
		listed, err := c.listFolder(ctx, root, folder)
		if err != nil {
			return nil, err
		}
		if entries += len(listed); entries > c.limits.Files {
			return nil, &refusedError{fmt.Errorf("expected at most %d files and folders, got more", c.limits.Files)}
		}
		for _, entry := range listed {
			at := append(slices.Clone(folder), entry.Path)
			if entry.IsDir {
				if len(at) > c.limits.Depth {
					return nil, &refusedError{fmt.Errorf("%q: expected folders at most %d deep", clip(path.Join(at...)), c.limits.Depth)}
				}
				folders = append(folders, at)
				continue
			}
			size, err := entry.size()
			if err != nil {
				return nil, &refusedError{fmt.Errorf("%q: %w", clip(path.Join(at...)), err)}
			}
			total += max(size, 0)
			if size > c.limits.FileBytes || total > c.limits.VersionBytes {
				return nil, &refusedError{fmt.Errorf("%q: expected a file of at most %d bytes and %d in all, got %d and %d so far",
					clip(path.Join(at...)), c.limits.FileBytes, c.limits.VersionBytes, size, total)}
			}
			files = append(files, artifact{at, size})
		}
	}
	slices.SortFunc(files, func(a, b artifact) int { return slices.Compare(a.path, b.path) })
	return files, nil
}

// listedFile is an entry of a folder as MLflow lists it.
type listedFile struct {
	Path     string      `json:"path"` // its name
	IsDir    bool        `json:"is_dir"`
	FileSize json.Number `json:"file_size"` // missing for an empty file
}

func (f listedFile) size() (int64, error) {
	if f.FileSize == "" {
		return -1, nil
	}
	size, err := f.FileSize.Int64()
	if err != nil || size < 0 {
		return 0, fmt.Errorf("file_size: expected a number of bytes, got %q", clip(f.FileSize.String()))
	}
	return size, nil
}

func (c *client) listFolder(ctx context.Context, root, folder []string) ([]listedFile, error) {
	answer, err := getJSON[struct {
		Files []listedFile `json:"files"`
	}](ctx, c, artifactsPath, url.Values{"path": {path.Join(slices.Concat(root, folder)...)}})
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, file := range answer.Files {
		if err := checkName(file.Path); err != nil {
			return nil, &refusedError{fmt.Errorf("folder %q: %w", clip(path.Join(folder...)), err)}
		}
		if names[file.Path] {
			return nil, &refusedError{fmt.Errorf("folder %q: %q is listed twice", clip(path.Join(folder...)), clip(file.Path))}
		}
		names[file.Path] = true
	}
	return answer.Files, nil
}

// download writes a file to an empty one on disk and returns its size and hash. At most budget bytes are taken.
func (c *client) download(ctx context.Context, root []string, file artifact, budget int64, to *os.File) (recordedFile, error) {
	name := path.Join(file.path...)
	got := recordedFile{Path: name}
	at := c.at(artifactsPath, slices.Concat(root, file.path), nil)
	err := c.get(ctx, at, func(response *http.Response, body io.Reader) error {
		// Pages that tell of errors are sent with success by more than one proxy.
		if t := kind(response); t == "text/html" && !strings.HasSuffix(name, ".html") && !strings.HasSuffix(name, ".htm") {
			return &unavailableError{error: fmt.Errorf("expected a file, got %s", t)}
		}
		size := file.size
		switch {
		case size < 0:
			size = response.ContentLength
		case response.ContentLength >= 0 && response.ContentLength != size:
			return &unavailableError{error: fmt.Errorf("expected %d bytes as listed, got Content-Length %d", size, response.ContentLength)}
		}
		if size < 0 {
			return &refusedError{errors.New("its size is neither listed nor in the answer")}
		}
		if size > budget {
			return &refusedError{fmt.Errorf("expected at most %d bytes, got Content-Length %d", budget, size)}
		}
		if _, err := to.Seek(0, io.SeekStart); err != nil { // an attempt before may have written
			return err
		}
		if err := to.Truncate(0); err != nil {
			return err
		}
		hash := sha256.New()
		n, err := io.Copy(io.MultiWriter(to, hash), io.LimitReader(body, size+1))
		if err != nil {
			return err
		}
		if n != size {
			return &unavailableError{error: fmt.Errorf("expected %d bytes, got %s", size, amount(n, size))}
		}
		got.Size, got.SHA256 = n, hex.EncodeToString(hash.Sum(nil))
		return nil
	})
	return got, err
}

func amount(got, want int64) string {
	if got > want {
		return "more"
	}
	return fmt.Sprint(got)
}
