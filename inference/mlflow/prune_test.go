package mlflow

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"footballprediction/inference"
)

// weighing returns the files of a tiny model with that many bytes more, of their own each time.
func weighing(t *testing.T, version, bytes int) map[string][]byte {
	t.Helper()
	files := tiny(t, "half_plus_two")
	files["weights"] = append(noise(bytes), byte(version))
	return files
}

// A hundred swaps leave no more copies than have room, no more open files, and always those that an
// alias, the version before or a route may ask for next.
func TestStoreIsBounded(t *testing.T) {
	const room = 450_000 // for four versions
	dir := t.TempDir()
	name := register(t, weighing(t, 1, 100_000))
	tracking.Alias(t, name, "kept", "1")
	s := newSource(t, tracking.URL, dir, t.TempDir(), Options{Limits: Limits{StoreBytes: room}})
	r := newRegistry(t, s)
	poll(t, r)
	open := 0
	for i := 2; i <= 20; i++ {
		tracking.Alias(t, name, inference.Champion, tracking.Register(t, name, weighing(t, i, 100_000)))
		pollUntil(t, r, name, fmt.Sprint(i))
		poll(t, r)
		bytes, err := sizeOf(dir)
		if err != nil || bytes > room+10_000 { // and what MLflow said
			t.Errorf("version %d: the store takes %d bytes (%v)", i, bytes, err)
		}
		for _, version := range []int{1, i, i - 1} {
			if !slices.ContainsFunc(inStore(t, dir), func(c string) bool { return strings.HasPrefix(c, fmt.Sprintf("%s/%d-", name, version)) }) {
				t.Errorf("version %d: there is no copy of version %d: %q", i, version, inStore(t, dir))
			}
		}
		now, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		if i == 5 {
			open = len(now)
		} else if i > 5 && len(now) > open+5 {
			t.Fatalf("version %d: %d files are open, were %d", i, len(now), open)
		}
	}
}

// What has no room is refused, what serves goes on, and what is not needed any more makes room.
func TestStoreIsFull(t *testing.T) {
	dir := t.TempDir()
	name := register(t, weighing(t, 1, 100_000))
	s := newSource(t, tracking.URL, dir, t.TempDir(), Options{Limits: Limits{StoreBytes: 250_000}})
	r := newRegistry(t, s)
	poll(t, r)
	for i := 2; i <= 3; i++ {
		tracking.Alias(t, name, inference.Champion, tracking.Register(t, name, weighing(t, i, 100_000)))
		poll(t, r)
	}
	if got := reason(t, r, name, "3"); !strings.HasPrefix(got, "FAILED fetch: expected room for 10") || !strings.Contains(got, "of 250000: all that is there is in use or wanted") {
		t.Errorf("got %s", got)
	}
	serves(t, "beside it", r, name, "2", half6)
	tracking.Alias(t, name, inference.Previous, "3") // so version 1 is nobody's
	poll(t, r)
	pollUntil(t, r, name, "3")
	serves(t, "in the end", r, name, "3", half6)
}

func TestMakeRoom(t *testing.T) {
	now := time.Date(2026, 12, 5, 15, 0, 0, 0, time.UTC)
	tests := []struct {
		name   string
		copies int64 // as large as those that are there, where five have room
		wanted string
		held   string
		left   string
		full   bool
	}{
		{"room enough", 2, "", "", "123", false},
		{"none left", 3, "", "", "23", false},
		{"much", 4, "", "", "3", false},
		{"all", 5, "", "", "", false},
		{"what is wanted stays", 3, "1", "", "13", false},
		{"what is in use stays", 3, "", "1", "13", false},
		{"too much", 4, "1", "2", "12", true},
		{"whatever can be had", -1, "2", "", "2", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := openStore(t.TempDir(), 0, now)
			if err != nil {
				t.Fatal(err)
			}
			var size int64
			for i := range 3 {
				c := putCopy(t, s, fmt.Sprint(i+1))
				if size, err = sizeOf(filepath.Dir(c.dir)); err != nil {
					t.Fatal(err)
				}
				used := now.Add(time.Duration(i) * time.Hour)
				if err := os.Chtimes(filepath.Dir(c.dir), used, used); err != nil {
					t.Fatal(err)
				}
				if test.held != c.Version {
					if err := c.release(); err != nil {
						t.Fatal(err)
					}
				} else {
					t.Cleanup(func() { _ = c.release() })
				}
			}
			s.bytes = 5 * size
			_, err = s.makeRoom(test.copies*size, func(r record) bool { return r.Version == test.wanted })
			if refused := new(refusedError); errors.As(err, &refused) != test.full || !test.full && err != nil {
				t.Errorf("got %v", err)
			}
			var left strings.Builder
			for _, name := range inStore(t, s.dir) {
				left.WriteString(strings.Split(filepath.Base(name), "-")[0])
			}
			if left.String() != test.left {
				t.Errorf("left %s, want %s", left.String(), test.left)
			}
		})
	}
}

// putCopy keeps a copy of a version.
func putCopy(t *testing.T, s *store, version string) *copied {
	t.Helper()
	d, err := s.begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.discard(); err != nil {
			t.Error(err)
		}
	}()
	if err := d.add([]string{"f"}, func(file *os.File) error { _, err := file.Write([]byte("f")); return err }); err != nil {
		t.Fatal(err)
	}
	c, err := d.keep(record{Model: "m", Version: version, Files: []recordedFile{{Path: "f", Size: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A folder's lock keeps out who would remove it, from this process or another, until it is given back.
func TestLockFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a")
	if _, err := lockFolder(dir, lockShared); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none there: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	first, err := lockFolder(dir, lockShared)
	if err != nil {
		t.Fatal(err)
	}
	second, err := lockFolder(dir, lockShared)
	if err != nil {
		t.Fatal(err)
	}
	for _, lock := range []*os.File{first, second} {
		if _, err := lockFolder(dir, lockExclusive); !errors.Is(err, errBusy) {
			t.Errorf("in use: %v", err)
		}
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
	}
	alone, err := lockFolder(dir, lockExclusive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockFolder(dir, lockShared); !errors.Is(err, errBusy) {
		t.Errorf("being removed: %v", err)
	}
	if err := alone.Close(); err != nil {
		t.Error(err)
	}
}
