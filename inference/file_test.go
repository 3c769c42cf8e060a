package inference

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func pipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	pipe(t, filepath.Join(dir, "pipe"))
	writeFile(t, filepath.Join(dir, "file"), "text")
	for link, target := range map[string]string{"link to file": "file", "link to pipe": "pipe"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]string{
		"file": "", "link to file": "",
		"pipe":         "open pipe: expected a regular file, got a named pipe",
		"link to pipe": "open link to pipe: expected a regular file, got a named pipe",
		".":            "open .: expected a regular file, got a folder",
	} {
		file, err := OpenFile(root.OpenFile, name)
		if err == nil {
			err = file.Close()
		}
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	if _, err := OpenFile(os.OpenFile, os.DevNull); err == nil || !strings.HasSuffix(err.Error(), "got a device") {
		t.Errorf("device: got %v", err)
	}
}

// A version with a pipe or socket anywhere in its folder fails and says so, keeps nobody waiting,
// and is tried again once that is gone.
func TestVersionWithWhatIsNoFile(t *testing.T) {
	for _, name := range []string{"golden.json", "manifest.json", "MLmodel", "model.onnx.data"} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.put(t, "m", "1", "good")
			path := filepath.Join(s.dir, "m", "1", name)
			pipe(t, path)
			r := newRegistry(t, s, Options{})
			poll(t, r)
			want := `model not ready: "m" version 1 has failed: open ` + name + `: expected a regular file, got a named pipe`
			if got := answer(t, r, "m", ""); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			poll(t, r)
			if got, want := answer(t, r, "m", ""), "m/1=11"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
	t.Run("socket", func(t *testing.T) {
		s := newStage(t)
		s.put(t, "m", "1", "good")
		t.Chdir(filepath.Join(s.dir, "m", "1")) // a socket's path must be short
		listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", "socket")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		r := newRegistry(t, s, Options{})
		poll(t, r)
		if got := answer(t, r, "m", ""); !strings.HasSuffix(got, "expected a regular file, got a socket") {
			t.Errorf("got %s", got)
		}
	})
}

func TestAliasesInAPipe(t *testing.T) {
	dir := models(t, "m/1/")
	pipe(t, filepath.Join(dir, "m", "aliases.json"))
	wishes, err := NewFolderSource(dir, nil).List(t.Context())
	if err != nil || len(wishes) != 1 {
		t.Fatal(wishes, err)
	}
	if err := wishes[0].Err; err == nil || !strings.Contains(err.Error(), "aliases.json: expected a regular file, got a named pipe") {
		t.Errorf("got %v", err)
	}
}

// A version's folder may be a link; what it links to is looked at like any other.
func TestLinkedVersionIsTriedAgainWhenItsFilesChange(t *testing.T) {
	s, elsewhere := newStage(t), newStage(t)
	elsewhere.put(t, "m", "1", "bad")
	elsewhere.put(t, "m", "2", "good")
	if err := os.Mkdir(filepath.Join(s.dir, "m"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(s.dir, "m", "1")
	if err := os.Symlink(filepath.Join(elsewhere.dir, "m", "1"), link); err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t, s, Options{})
	for range 2 {
		poll(t, r)
	}
	if len(s.opened) != 1 {
		t.Errorf("opened %d times, want once", len(s.opened))
	}
	elsewhere.put(t, "m", "1", "good again")
	poll(t, r)
	if got, want := answer(t, r, "m", ""), "m/1=11"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A load that heeds no context keeps neither Run nor Close beyond their contexts.
func TestRunAndCloseWhileALoadIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.put(t, "m", "1", "good")
		stuck := make(chan struct{})
		s.onOpen = func(context.Context, string) error { <-stuck; return nil }
		r := newRegistry(t, s, Options{Interval: time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error)
		go func() { stopped <- r.Run(ctx) }()
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if got, want := states(r, "m"), "1:LOADING -> "; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if err := r.Close(ctx); !errors.Is(err, context.Canceled) || err.Error() != "close models: wait for a load: context canceled" {
			t.Errorf("got %v", err)
		}
		close(stuck)
	})
}
