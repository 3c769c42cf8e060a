package inference

import (
	"path/filepath"
	"strings"
)

// hidden is an error whose text leaves something out.
type hidden struct {
	error
	text string
}

func (e *hidden) Error() string { return e.text }
func (e *hidden) Unwrap() error { return e.error }

// Hide returns err with a text in which something is replaced that not all who read it need to know.
func Hide(err error, replacer *strings.Replacer) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if shown := replacer.Replace(text); shown != text {
		return &hidden{err, shown}
	}
	return err
}

// HideFolder returns err with a text that names what is in a folder, but not where the folder is: why a
// version cannot be loaded is told to callers.
func HideFolder(err error, dir string) error {
	if err == nil || dir == "" {
		return err
	}
	dir = filepath.Clean(dir)
	pairs := []string{dir + "/", "", dir, filepath.Base(dir)}
	if real, failed := filepath.EvalSymlinks(dir); failed == nil && real != dir {
		pairs = append(pairs, real+"/", "", real, filepath.Base(dir))
	}
	return Hide(err, strings.NewReplacer(pairs...))
}
