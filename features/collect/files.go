package collect

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// isJSON tells the files of openfootball from the others.
func isJSON(path string) bool { return strings.EqualFold(filepath.Ext(path), ".json") }

// list returns the files that are named by paths or lie in folders named by them, each once.
func list(paths []string) ([]string, error) {
	var files []string
	seen := map[string]bool{}
	add := func(path string) error {
		whole, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if !seen[whole] {
			seen[whole] = true
			files = append(files, path)
		}
		return nil
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("match history: %w", err)
		}
		if !info.IsDir() {
			if err := add(path); err != nil {
				return nil, fmt.Errorf("match history %q: %w", path, err)
			}
			continue
		}
		folder, err := filepath.EvalSymlinks(path) // a walk does not enter a link
		if err != nil {
			return nil, fmt.Errorf("match history: %w", err)
		}
		err = filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() || !strings.EqualFold(filepath.Ext(file), ".csv") && !isJSON(file) {
				return nil
			}
			return add(file)
		})
		if err != nil {
			return nil, fmt.Errorf("match history %q: %w", path, err)
		}
	}
	return files, nil
}
