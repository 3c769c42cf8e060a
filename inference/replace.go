package inference

import (
	"errors"
	"os"
	"path/filepath"
)

// ReplaceFile writes a file such that its path names either the old content or the new, also after a
// crash. Names of temporary files beside it begin with a dot.
func ReplaceFile(path string, text []byte) error {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, ".aside-")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	folder, err := os.Open(dir) // the new name reaches the disk too
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
