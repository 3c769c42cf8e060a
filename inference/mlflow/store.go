package mlflow

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// store keeps copies of versions on disk:
//
//	dir/<model>/<version>-<digest>/record.json    what the copy is, and the hash of each file
//	dir/<model>/<version>-<digest>/files/         the version's folder
//	dir/.aside-*                                  a copy being written, or one being removed
//
// The digest is the record's, so a copy never changes: another content is another folder. A copy
// appears under its name only when it is complete and on the disk. Several processes may share a
// store: whoever uses a copy, or writes one aside, holds its lock.
type store struct {
	dir   string
	bytes int64 // the most that copies may take
}

const (
	recordFile     = "record.json"
	filesFolder    = "files"
	asidePrefix    = ".aside-"
	recordBytesMax = 8 << 20
	// asideAge is how old a file is, of a line or two, that nobody can be writing any more.
	asideAge = time.Minute
)

// record says what a copy holds.
type record struct {
	Model    string         `json:"model"`
	Version  string         `json:"version"`
	Revision string         `json:"revision"`
	Files    []recordedFile `json:"files"` // in the order of their paths
}

// recordedFile is one file of a copy.
type recordedFile struct {
	Path   string `json:"path"` // with slashes
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// digest is the SHA-256 of all that the record says, and so of the hashes of all files.
func (r record) digest() (string, error) {
	text, err := json.Marshal(r)
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:]), err
}

// folder is where the copy is, below the store's.
func (r record) folder() (string, error) {
	digest, err := r.digest()
	return filepath.Join(r.Model, r.Version+"-"+digest[:32]), err
}

// copied is a copy that stays as long as it is held: no process removes it meanwhile.
type copied struct {
	record
	dir  string // the version's folder
	lock *os.File
}

func (c *copied) release() error { return c.lock.Close() }

// openStore makes the folder if need be, and removes what processes that died have left aside.
func openStore(dir string, bytes int64, now time.Time) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), asidePrefix) {
			continue
		}
		if err := removeAside(dir, entry, now); err != nil && !errors.Is(err, fs.ErrNotExist) { // another process is at it
			return nil, err
		}
	}
	return &store{dir, bytes}, nil
}

func removeAside(dir string, entry fs.DirEntry, now time.Time) error {
	path := filepath.Join(dir, entry.Name())
	if !entry.IsDir() {
		info, err := entry.Info()
		if err != nil || now.Sub(info.ModTime()) < asideAge {
			return err
		}
		return os.Remove(path)
	}
	lock, err := lockFolder(path, lockExclusive)
	if errors.Is(err, errBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(path), lock.Close())
}

// find returns the whole copy of a version that was used last, or nil. Copies that are not what their
// records say are removed; broken says why.
func (s *store) find(model, version, revision string, now time.Time) (found *copied, broken []error, err error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, model))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var newest time.Time
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), version+"-") {
			continue
		}
		name := filepath.Join(model, entry.Name())
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && found != nil && !info.ModTime().After(newest) {
			continue
		}
		if err != nil {
			return found, broken, err
		}
		c, err := s.take(name, revision)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errBusy): // it is being removed
		case err != nil:
			broken = append(broken, errors.Join(fmt.Errorf("copy %s: %w", name, err), s.remove(name)))
		case c != nil:
			if found != nil {
				err = found.release()
			}
			if found, newest = c, info.ModTime(); err != nil {
				return found, broken, err
			}
		}
	}
	if found != nil { // so that those that were used longest ago go first
		err = os.Chtimes(filepath.Dir(found.dir), now, now)
	}
	return found, broken, err
}

// take takes hold of a copy and verifies it. A copy of another revision is nil.
func (s *store) take(name, revision string) (c *copied, err error) {
	lock, err := lockFolder(filepath.Join(s.dir, name), lockShared)
	if err != nil {
		return nil, err
	}
	defer func() {
		if c == nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	r, err := s.read(name)
	if err == nil && r.Revision != revision {
		return nil, nil
	}
	if err == nil {
		err = s.verify(name, r)
	}
	if err != nil {
		return nil, &brokenError{err}
	}
	return &copied{r, s.files(name), lock}, nil
}

// brokenError says why a copy is not what its record says: of what is missing in it, too, errors.Is
// does not hold for fs.ErrNotExist.
type brokenError struct{ cause error }

func (e *brokenError) Error() string { return e.cause.Error() }

func (s *store) files(name string) string { return filepath.Join(s.dir, name, filesFolder) }

// read returns a copy's record.
func (s *store) read(name string) (record, error) {
	var r record
	text, err := readFile(filepath.Join(s.dir, name, recordFile), recordBytesMax)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w", recordFile, err)
	}
	if folder, err := r.folder(); err != nil || folder != name {
		return r, fmt.Errorf("%s: it is not this copy's", recordFile)
	}
	return r, nil
}

// verify compares every file of a copy with its record.
func (s *store) verify(name string, r record) error {
	all, err := os.OpenRoot(s.dir)
	if err != nil {
		return err
	}
	defer all.Close()
	root, err := all.OpenRoot(filepath.Join(name, filesFolder)) // which no link leads out of
	if err != nil {
		return err
	}
	defer root.Close()
	seen := 0
	err = fs.WalkDir(root.FS(), ".", func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		i, known := slices.BinarySearchFunc(r.Files, at, func(f recordedFile, at string) int { return comparePaths(f.Path, at) })
		if !known || !entry.Type().IsRegular() { // links, above all
			return fmt.Errorf("%q does not belong there", at)
		}
		seen++
		return r.Files[i].verify(root)
	})
	if err == nil && seen != len(r.Files) {
		err = fmt.Errorf("expected %d files, got %d", len(r.Files), seen)
	}
	return err
}

// comparePaths orders paths by their names, as a walk does.
func comparePaths(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

func (f recordedFile) verify(root *os.Root) error {
	file, err := root.Open(f.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, file)
	if err != nil {
		return err
	}
	if n != f.Size || hex.EncodeToString(hash.Sum(nil)) != f.SHA256 {
		return fmt.Errorf("%q is not the file that was fetched", f.Path)
	}
	return nil
}

// remove takes a copy away, at once under its name.
func (s *store) remove(name string) error {
	aside, err := os.MkdirTemp(s.dir, asidePrefix)
	if err != nil {
		return err
	}
	err = os.Rename(filepath.Join(s.dir, name), filepath.Join(aside, "removed"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // another process has removed it
	}
	return errors.Join(err, os.RemoveAll(aside))
}
