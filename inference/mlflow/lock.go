package mlflow

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

const (
	lockShared    = syscall.LOCK_SH // of those who write or use what is in a folder
	lockExclusive = syscall.LOCK_EX // of who removes it
)

// errBusy says that another holds a folder's lock.
var errBusy = errors.New("it is in use")

// lockFolder takes a folder's lock without waiting: errBusy. The system gives it back when the file is
// closed, however the process ends, and keeps it where the folder gets another name. A folder that was
// moved away meanwhile is fs.ErrNotExist.
func lockFolder(dir string, how int) (*os.File, error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := lockFile(file, dir, how); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func lockFile(file *os.File, dir string, how int) error {
	err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errBusy
	}
	if err != nil {
		return &fs.PathError{Op: "lock", Path: dir, Err: err}
	}
	locked, err := file.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !os.SameFile(locked, there) {
		return &fs.PathError{Op: "lock", Path: dir, Err: fs.ErrNotExist}
	}
	return nil
}
