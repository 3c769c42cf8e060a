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
	"path"
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
// appears under its name only when it is complete and on the disk. Several processes may share a store.
type store struct {
	dir string
}

const (
	recordFile     = "record.json"
	filesFolder    = "files"
	asidePrefix    = ".aside-"
	recordBytesMax = 8 << 20
	// asideAge is how old a folder that nobody can be writing any more is.
	asideAge = 24 * time.Hour
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

// folder is where the copy is, below the store's.
func (r record) folder() (string, error) {
	text, err := json.Marshal(r)
	digest := sha256.Sum256(text)
	return filepath.Join(r.Model, r.Version+"-"+hex.EncodeToString(digest[:16])), err
}

// openStore makes the folder if need be, and removes what processes that died have left aside.
func openStore(dir string, now time.Time) (*store, error) {
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
		info, err := entry.Info()
		if err == nil && now.Sub(info.ModTime()) > asideAge {
			err = os.RemoveAll(filepath.Join(dir, entry.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // another process is at it
			return nil, err
		}
	}
	return &store{dir}, nil
}

// find returns the folder of the newest whole copy of a version, or "". Copies that are not what
// their records say are removed; broken says why.
func (s *store) find(model, version, revision string) (dir string, broken []error, err error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, model))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	var newest time.Time
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), version+"-") {
			continue
		}
		name := filepath.Join(model, entry.Name())
		r, err := s.read(name)
		if err == nil && r.Revision != revision {
			continue
		}
		if err == nil {
			err = s.verify(name, r)
		}
		if err != nil {
			broken = append(broken, errors.Join(fmt.Errorf("copy %s: %w", name, err), s.remove(name)))
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return "", broken, err
		}
		if dir == "" || info.ModTime().After(newest) {
			dir, newest = s.files(name), info.ModTime()
		}
	}
	return dir, broken, nil
}

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

// draft is a copy being written aside.
type draft struct {
	store *store
	dir   string
	root  *os.Root // of its files: no name leads out of it
}

// begin makes an empty draft. Whoever begins one discards it, also after keep.
func (s *store) begin() (*draft, error) {
	dir, err := os.MkdirTemp(s.dir, asidePrefix)
	if err != nil {
		return nil, err
	}
	d := &draft{store: s, dir: dir}
	if err = os.Mkdir(filepath.Join(dir, filesFolder), 0o700); err == nil {
		d.root, err = os.OpenRoot(filepath.Join(dir, filesFolder))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return d, nil
}

func (d *draft) discard() error { return errors.Join(d.root.Close(), os.RemoveAll(d.dir)) }

// add makes a new file, has fill write it, and brings it to the disk.
func (d *draft) add(names []string, fill func(*os.File) error) (err error) {
	name := path.Join(names...)
	if err := d.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := fill(file); err != nil {
		return err
	}
	return file.Sync()
}

// keep gives the draft its name, and returns the folder of its files. Where another process has kept
// the same copy meanwhile, that one is returned.
func (d *draft) keep(r record) (string, error) {
	slices.SortFunc(r.Files, func(a, b recordedFile) int { return comparePaths(a.Path, b.Path) })
	name, err := r.folder()
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	if err := writeSynced(filepath.Join(d.dir, recordFile), append(text, '\n')); err != nil {
		return "", err
	}
	if err := syncFolders(d.dir); err != nil {
		return "", err
	}
	model := filepath.Join(d.store.dir, r.Model)
	if err := os.MkdirAll(model, 0o700); err != nil {
		return "", err
	}
	if err := os.Rename(d.dir, filepath.Join(d.store.dir, name)); errors.Is(err, fs.ErrExist) {
		return d.store.files(name), d.store.verify(name, r)
	} else if err != nil {
		return "", err
	}
	return d.store.files(name), errors.Join(syncFolder(model), syncFolder(d.store.dir))
}
