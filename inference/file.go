package inference

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// OpenFile opens a file of a model's folder for reading, with os.OpenFile or the like of an os.Root.
// Anything but a regular file is refused: a pipe would block whoever reads it, for good.
func OpenFile(open func(name string, flag int, perm fs.FileMode) (*os.File, error), name string) (*os.File, error) {
	// Without O_NONBLOCK, opening a pipe waits for its writer.
	file, err := open(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = checkRegular(name, info)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// lockPatience is how long another process may hold a folder's lock, which it does while it writes a file.
const lockPatience = 5 * time.Second

// lockFolder takes a folder's lock for one process at a time, until the file is closed.
func lockFolder(dir string) (*os.File, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(lockPatience); ; {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return folder, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return nil, errors.Join(&fs.PathError{Op: "lock", Path: dir, Err: err}, folder.Close())
		case time.Now().After(deadline):
			return nil, errors.Join(&fs.PathError{Op: "lock", Path: dir, Err: errors.New("another process holds it")}, folder.Close())
		}
		<-time.After(time.Millisecond)
	}
}

// checkRegular refuses what is no regular file.
func checkRegular(name string, info fs.FileInfo) error {
	what := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	default:
		what = mode.Type().String()
	}
	return &fs.PathError{Op: "open", Path: name, Err: errors.New("expected a regular file, got " + what)}
}
