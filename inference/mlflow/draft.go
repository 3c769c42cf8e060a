package mlflow

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// draft is a copy being written aside.
type draft struct {
	store *store
	dir   string
	root  *os.Root // of its files: no name leads out of it
	lock  *os.File // which tells it from what a process that died has left
}

// begin makes an empty draft. Whoever begins one discards it, also after keep.
func (s *store) begin() (*draft, error) {
	for {
		dir, err := os.MkdirTemp(s.dir, asidePrefix)
		if err != nil {
			return nil, err
		}
		lock, err := lockFolder(dir, lockShared)
		if errors.Is(err, errBusy) || errors.Is(err, fs.ErrNotExist) {
			continue // another process that starts has taken it for a leftover
		}
		d := &draft{store: s, dir: dir, lock: lock}
		if err == nil {
			err = os.Mkdir(filepath.Join(dir, filesFolder), 0o700)
		}
		if err == nil {
			d.root, err = os.OpenRoot(filepath.Join(dir, filesFolder))
		}
		if err != nil {
			return nil, errors.Join(err, d.discard())
		}
		return d, nil
	}
}

// discard removes what has not been kept.
func (d *draft) discard() error {
	var err error
	if d.root != nil {
		err = d.root.Close()
	}
	err = errors.Join(err, os.RemoveAll(d.dir))
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}

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

// keep gives the draft its name and returns the copy. Where another process has kept the same copy
// meanwhile, that one is returned.
func (d *draft) keep(r record) (*copied, error) {
	slices.SortFunc(r.Files, func(a, b recordedFile) int { return comparePaths(a.Path, b.Path) })
	name, err := r.folder()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := writeSynced(filepath.Join(d.dir, recordFile), append(text, '\n')); err != nil {
		return nil, err
	}
	if err := syncFolders(d.dir); err != nil {
		return nil, err
	}
	model := filepath.Join(d.store.dir, r.Model)
	if err := os.MkdirAll(model, 0o700); err != nil {
		return nil, err
	}
	at := filepath.Join(d.store.dir, name)
	if err := os.Rename(d.dir, at); errors.Is(err, fs.ErrExist) {
		return d.store.take(name, r.Revision)
	} else if err != nil {
		return nil, err
	}
	if err := errors.Join(syncFolder(model), syncFolder(d.store.dir)); err != nil {
		return nil, err
	}
	kept := &copied{r, d.store.files(name), d.lock}
	d.lock = nil
	return kept, nil
}
