package mlflow

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footballprediction/inference"
)

// A version is fetched once, also by the next process; a copy that is not what was fetched is not used.
func TestCopies(t *testing.T) {
	files := tiny(t, "half_plus_two")
	files["sub/data.bin"] = []byte("data")
	name := register(t, files)
	p := newProxy(t)
	dir := t.TempDir()
	s := newSource(t, p.URL, dir, t.TempDir(), Options{})
	list(t, s, name)
	copied, err := s.Fetch(t.Context(), name, "1")
	if err != nil {
		t.Fatal(err)
	}
	holds(t, copied, files)
	again := func() (copied string, asked int64) {
		t.Helper()
		s := newSource(t, p.URL, dir, t.TempDir(), Options{})
		list(t, s, name)
		before := p.asked.Load()
		got, err := s.Fetch(t.Context(), name, "1")
		if err != nil {
			t.Fatal(err)
		}
		holds(t, got, files)
		return got, p.asked.Load() - before
	}
	if got, asked := again(); got != copied || asked != 0 {
		t.Errorf("the next process: got %s, asked %d times", got, asked)
	}

	record := filepath.Join(copied, "..", recordFile)
	tests := map[string]func() error{
		"a file cut off":      func() error { return os.Truncate(filepath.Join(copied, "model.onnx"), 10) },
		"a file changed":      func() error { return change(filepath.Join(copied, "sub", "data.bin")) },
		"a file missing":      func() error { return os.Remove(filepath.Join(copied, "MLmodel")) },
		"a file more":         func() error { return os.WriteFile(filepath.Join(copied, "more"), nil, 0o600) },
		"a folder missing":    func() error { return os.RemoveAll(filepath.Join(copied, "sub")) },
		"all missing":         func() error { return os.RemoveAll(copied) },
		"record missing":      func() error { return os.Remove(record) },
		"record cut off":      func() error { return os.Truncate(record, 10) },
		"record changed":      func() error { return change(record) },
		"record endless":      func() error { return os.Truncate(record, recordBytesMax+1) },
		"a link to a file":    func() error { return replaceByLink(t, filepath.Join(copied, "model.onnx")) },
		"a link to a folder":  func() error { return replaceByLink(t, filepath.Join(copied, "sub")) },
		"a link to a version": func() error { return replaceByLink(t, copied) },
		"a link to no file":   func() error { return os.Symlink("/none", filepath.Join(copied, "link")) },
	}
	for what, spoil := range tests {
		t.Run(what, func(t *testing.T) {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			if got, asked := again(); got != copied || asked == 0 {
				t.Errorf("got %s, asked %d times", got, asked)
			}
			if left := inStore(t, dir); len(left) != 1 {
				t.Errorf("stored: %q", left)
			}
		})
	}
}

// change flips a bit of a file.
func change(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 1
	return os.WriteFile(path, data, 0o600)
}

// replaceByLink puts a link to the same content in place of a file or folder.
func replaceByLink(t *testing.T, path string) error {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(path, elsewhere); err != nil {
		return err
	}
	return os.Symlink(elsewhere, path)
}

// A version that is asked for again has failed to load: it is fetched again, more and more seldom.
func TestFetchAgain(t *testing.T) {
	files := tiny(t, "half_plus_two")
	delete(files, "model.onnx")
	name := register(t, files)
	p := newProxy(t)
	now := time.Date(2026, 12, 5, 15, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	s := newSource(t, p.URL, dir, t.TempDir(), Options{Now: func() time.Time { return now }})
	list(t, s, name)
	fetch := func(after time.Duration, asks bool) string {
		t.Helper()
		now = now.Add(after)
		before := p.asked.Load()
		dir, err := s.Fetch(t.Context(), name, "1")
		if err != nil {
			t.Fatal(err)
		}
		if asked := p.asked.Load() > before; asked != asks {
			t.Errorf("asked: %v, expected %v", asked, asks)
		}
		return dir
	}
	first := fetch(0, true)
	fetch(59*time.Second, false)
	if got := fetch(time.Second, true); got != first {
		t.Errorf("the same files: got %s, want %s", got, first)
	}
	fetch(119*time.Second, false)

	// They are completed meanwhile, as a proxy shows it here.
	whole := tiny(t, "half_plus_two")
	completed := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		switch {
		case r.URL.Path == artifactsPath:
			rewrites(`"files": [`, `"files": [{"path": "model.onnx", "file_size": `+fmt.Sprint(len(whole["model.onnx"]))+`},`)(w, r, next)
		case strings.HasSuffix(r.URL.Path, "model.onnx"):
			_, _ = w.Write(whole["model.onnx"])
		default:
			next.ServeHTTP(w, r)
		}
	}
	p.misbehave(completed)
	second := fetch(time.Second, true)
	if second == first {
		t.Error("other files in the same folder")
	}
	holds(t, second, whole)
	holds(t, first, files)
	fetch(239*time.Second, false)
	p.misbehave(dies)
	if got := fetch(time.Second, true); got != second {
		t.Errorf("MLflow is down: got %s", got)
	}
	fetch(479*time.Second, false)
	p.misbehave(completed)
	for range 10 {
		fetch(time.Hour, true)
	}
	fetch(59*time.Minute, false)

	// The next process takes the newer copy.
	p.misbehave(nil)
	s = newSource(t, p.URL, dir, t.TempDir(), Options{})
	list(t, s, name)
	if got := fetch(0, false); got != second {
		t.Errorf("the next process: got %s, want %s", got, second)
	}
}

// Processes that share a store fetch at the same time and get the same copy.
func TestSharedStore(t *testing.T) {
	files := tiny(t, "half_plus_two")
	name := register(t, files)
	dir := t.TempDir()
	var all sync.WaitGroup
	got := make([]string, 4)
	for i := range got {
		s := newSource(t, tracking.URL, dir, t.TempDir(), Options{})
		all.Go(func() {
			_, err := s.List(t.Context())
			if err == nil {
				got[i], err = s.Fetch(t.Context(), name, "1")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, dir := range got {
		if dir != got[0] {
			t.Errorf("got %q", got)
		}
	}
	holds(t, got[0], files)
	if left := inStore(t, dir); len(left) != 1 {
		t.Errorf("stored: %q", left)
	}
}

// What a process that died has left aside goes at the next start; what one that lives writes stays.
func TestAside(t *testing.T) {
	dir := t.TempDir()
	dead, old, young := filepath.Join(dir, asidePrefix+"dead"), filepath.Join(dir, asidePrefix+"old"), filepath.Join(dir, asidePrefix+"young")
	if err := os.MkdirAll(filepath.Join(dead, "files"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := time.Now().Add(-asideAge - time.Second)
	if err := os.Chtimes(old, before, before); err != nil {
		t.Fatal(err)
	}
	living, err := newSource(t, tracking.URL, dir, t.TempDir(), Options{}).store.begin()
	if err != nil {
		t.Fatal(err)
	}
	newSource(t, tracking.URL, dir, t.TempDir(), Options{})
	want := []string{filepath.Base(living.dir), filepath.Base(young)}
	slices.Sort(want)
	if left := inStore(t, dir); !slices.Equal(left, want) {
		t.Errorf("left: %q, want %q", left, want)
	}
	if err := living.discard(); err != nil {
		t.Error(err)
	}
}

// MLflow is down at a start: what it said in an earlier run goes on, from the copies.
func TestRestartWithoutMLflow(t *testing.T) {
	files := tiny(t, "half_plus_two")
	name := register(t, files, files)
	tracking.Alias(t, name, "challenger", "1")
	p := newProxy(t)
	dir, fallback := t.TempDir(), folder(t, name+"/9", "released/1")
	now := time.Date(2026, 12, 5, 15, 0, 0, 0, time.UTC)
	options := Options{Now: func() time.Time { return now }}
	s := newSource(t, p.URL, dir, fallback, options)
	want := list(t, s, name)
	for _, version := range want.Versions {
		if _, err := s.Fetch(t.Context(), name, version); err != nil {
			t.Fatal(err)
		}
	}
	// What is not clear is not kept.
	p.misbehave(only("/registered-models/search", rewrites(`"2"`, `"3"`)))
	if wish := list(t, s, name); wish.Err == nil {
		t.Error("an alias for a version that is missing is no error")
	}

	now = now.Add(time.Hour)
	p.misbehave(dies)
	s = newSource(t, p.URL, dir, fallback, options)
	wish := list(t, s, name)
	if brief(wish) != brief(want) || wish.Revisions["2"] != want.Revisions["2"] {
		t.Errorf("got %s, want %s", brief(wish), brief(want))
	}
	wants(t, "why", wish.Err, "has not answered since the start at 2026-12-05T16:00:00Z: ")
	wants(t, "why", wish.Err, "; it goes on as MLflow said at 2026-12-05T15:00:00Z")
	copied, err := s.Fetch(t.Context(), name, "2")
	if err != nil {
		t.Fatal(err)
	}
	holds(t, copied, files)
	wants(t, "a model of the fallback", list(t, s, "released").Err, "; the version that came with the program serves")

	// Of another server nothing is known.
	s = newSource(t, "http://127.0.0.1:1", dir, fallback, options)
	if wish := list(t, s, name); brief(wish) != "[9] map[] -> 9" {
		t.Errorf("another server: got %s", brief(wish))
	}
	// Nor is anything where the file is broken.
	for _, text := range []string{"", "{", `{"models": [{"name": "../x"}]}`, `{"models": [{"name": "m", "aliases": {"champion": "1"}}]}`,
		`{"models": [{"name": "m", "aliases": {"champion": "1"}, "revisions": {"../1": "x", "1": "x"}}]}`, `{"models": [{"name": "m", "aliases": {"champion": "1", "1": "1"}, "revisions": {"1": "x"}}]}`} {
		if err := os.WriteFile(filepath.Join(dir, savedFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := s.store.load(p.URL)
		wants(t, text, err, savedFile)
		s := newSource(t, p.URL, dir, fallback, options)
		if wish := list(t, s, name); brief(wish) != "[9] map[] -> 9" {
			t.Errorf("%s: got %s", text, brief(wish))
		}
	}
	// And MLflow's next answer mends it.
	p.misbehave(nil)
	s = newSource(t, p.URL, dir, fallback, options)
	if wish := list(t, s, name); wish.Err != nil || brief(wish) != brief(want) {
		t.Errorf("got %s %v", brief(wish), wish.Err)
	}
	if last, err := s.store.load(p.URL); err != nil || len(last.Models) == 0 || last.Models[0].Aliases[inference.Champion] == "" {
		t.Errorf("kept: %+v, %v", last, err)
	}
}
