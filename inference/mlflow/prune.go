package mlflow

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// stored is a copy, or what is aside, as it lies on the disk.
type stored struct {
	name  string // below the store's folder
	bytes int64
	used  time.Time
	aside bool
}

// list returns all that the store holds, what was used longest ago first.
func (s *store) list() ([]stored, error) {
	var all []stored
	for _, pattern := range []string{"*/*-*", asidePrefix + "*"} {
		names, err := fs.Glob(os.DirFS(s.dir), pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			one := stored{name: name, aside: filepath.Dir(name) == "."}
			if !one.aside && filepath.Dir(name)[0] == '.' {
				continue // of one that is aside
			}
			info, err := os.Stat(filepath.Join(s.dir, name))
			if err == nil {
				one.used = info.ModTime()
				one.bytes, err = sizeOf(filepath.Join(s.dir, name))
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue // it has gone meanwhile
			}
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b stored) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.name, b.name)) })
	return all, nil
}

// sizeOf sums the sizes of all files at or below a path.
func sizeOf(path string) (bytes int64, err error) {
	err = filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	return bytes, err
}

// makeRoom removes copies until so many bytes more have room, those first that were used longest ago,
// and none that wanted names or that any process uses. It returns how much room there is, or an error
// where that is not enough. A negative number stands for as many bytes as can be had.
func (s *store) makeRoom(bytes int64, wanted func(record) bool) (room int64, err error) {
	all, err := s.list()
	if err != nil {
		return 0, err
	}
	room = s.bytes
	for _, one := range all {
		room -= one.bytes
	}
	need := bytes
	if need < 0 {
		need = math.MaxInt64
	}
	for _, one := range all {
		if room >= need {
			break
		}
		if one.aside {
			continue
		}
		removed, err := s.prune(one.name, wanted)
		if err != nil {
			return 0, err
		}
		if removed {
			room += one.bytes
		}
	}
	if room < bytes {
		return 0, &refusedError{fmt.Errorf("expected room for %d bytes among the copies of models, got %d of %d: all that is there is in use or wanted", bytes, max(room, 0), s.bytes)}
	}
	return room, nil
}

// prune removes a copy unless somebody needs it.
func (s *store) prune(name string, wanted func(record) bool) (removed bool, err error) {
	if r, err := s.read(name); err == nil && wanted(r) {
		return false, nil
	}
	lock, err := lockFolder(filepath.Join(s.dir, name), lockExclusive)
	switch {
	case errors.Is(err, errBusy):
		return false, nil
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	}
	return true, errors.Join(s.remove(name), lock.Close())
}
