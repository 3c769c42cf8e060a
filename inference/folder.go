package inference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ReservedName is a folder among the models' that is none: it holds team states.
const ReservedName = "state"

// aliasesSizeMax bounds aliases.json, a line or two.
const aliasesSizeMax = 1 << 20

// FolderSource is a Source over a folder of model folders, dir/<name>/<version>/. Versions are
// positive numbers; all are wanted. The highest serves, unless dir/<name>/aliases.json, such as
// {"champion": "2"}, says otherwise. A folder without any version is no model. Folders of other names are
// passed over, of which the log tells once, but for hidden and temporary ones and ReservedName.
//
// Whoever puts a version there does best to write it aside, under a name that begins with a dot, and
// then to rename it.
type FolderSource struct {
	dir    string
	logger *slog.Logger

	mu     sync.Mutex        // guards passed
	passed map[string]string // what tell was told last
}

// NewFolderSource returns a Source over dir. A nil logger means that nobody is told of what is passed over.
func NewFolderSource(dir string, logger *slog.Logger) *FolderSource {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &FolderSource{dir: dir, logger: logger}
}

// List implements Source. It fails where dir cannot be read; what is wrong with one model is in
// Aspired.Err: an aliases.json that cannot be read, an alias for a version that is not there.
func (s *FolderSource) List(ctx context.Context) ([]Aspired, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, HideFolder(err, s.dir)
	}
	var all []Aspired
	passed := map[string]string{"": passedOver(s.dir, entries, IsModelName)}
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !IsModelName(entry.Name()) {
			continue
		}
		wish, others, err := s.list(entry.Name())
		passed[entry.Name()] = others
		if err != nil {
			wish.Err = fmt.Errorf("model %q: %w", entry.Name(), HideFolder(err, s.dir))
		}
		if err != nil || len(wish.Versions) > 0 {
			all = append(all, wish)
		}
	}
	s.tell(ctx, passed)
	return all, nil
}

// passedOver lists the folders that are no models, or no versions, though they seem to be meant as such.
func passedOver(dir string, entries []fs.DirEntry, isName func(string) bool) string {
	var folders []string
	for _, entry := range entries {
		name := entry.Name()
		if isName(name) || name == ReservedName || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".tmp") {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.IsDir() { // a link that leads nowhere is no folder
			folders = append(folders, name)
		}
	}
	if folders == nil {
		return ""
	}
	return anyOf(slices.Values(folders))
}

// tell logs which folders are passed over, by model or "" for models themselves, unless it has.
func (s *FolderSource) tell(ctx context.Context, passed map[string]string) {
	s.mu.Lock()
	last := s.passed
	s.passed = passed
	s.mu.Unlock()
	for _, model := range slices.Sorted(maps.Keys(passed)) {
		expected := "versions, which are numbers such as 2"
		if model == "" {
			expected = "names of letters, digits, dots, dashes and underscores, beginning with a letter or digit"
		}
		if folders := passed[model]; folders != "" && folders != last[model] {
			s.logger.WarnContext(ctx, "folders are passed over for their names", slog.String("model", model),
				slog.String("folders", folders), slog.String("expected", expected))
		}
	}
}

// Fetch implements Source.
func (s *FolderSource) Fetch(_ context.Context, name, version string) (string, error) {
	if !IsModelName(name) {
		return "", fmt.Errorf("%w: %q is no model's name", ErrModelUnknown, name)
	}
	if !IsVersion(version) {
		return "", fmt.Errorf("%w: %q is no version", ErrVersionUnknown, version)
	}
	dir := filepath.Join(s.dir, name, version)
	info, err := os.Stat(dir)
	if err != nil {
		return "", HideFolder(err, s.dir)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s/%s is not a folder", name, version)
	}
	return dir, nil
}

// SetAlias implements Aliaser: it replaces aliases.json.
func (s *FolderSource) SetAlias(_ context.Context, model, alias, version string) error {
	if !IsModelName(model) {
		return fmt.Errorf("%w: %q is no model's name", ErrModelUnknown, model)
	}
	path := filepath.Join(s.dir, model, "aliases.json")
	aliases, err := readAliases(path)
	if err != nil {
		return fmt.Errorf("aliases.json: %w", HideFolder(err, s.dir))
	}
	if aliases == nil {
		aliases = map[string]string{}
	}
	aliases[alias] = version
	text, err := json.MarshalIndent(aliases, "", "  ")
	if err != nil {
		return err
	}
	return HideFolder(ReplaceFile(path, append(text, '\n')), s.dir)
}

// list reads one model's folder, and which folders in it are passed over. What it returns beside an error
// is what is known all the same.
func (s *FolderSource) list(name string) (wish Aspired, passed string, err error) {
	wish.Name = name
	dir := filepath.Join(s.dir, name)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() { // links to folders are fine
		return wish, "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return wish, "", err
	}
	passed = passedOver(dir, entries, IsVersion)
	for _, entry := range entries {
		if !IsVersion(entry.Name()) {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, entry.Name())); err != nil {
			return wish, passed, err
		} else if info.IsDir() {
			wish.Versions = append(wish.Versions, entry.Name())
		}
	}
	slices.SortFunc(wish.Versions, CompareVersions)
	wish.Aliases, err = readAliases(filepath.Join(dir, "aliases.json"))
	if err != nil {
		return wish, passed, fmt.Errorf("aliases.json: %w", err)
	}
	if len(wish.Versions) > 0 {
		wish.Serving = wish.Versions[len(wish.Versions)-1]
	}
	if champion := wish.Aliases[Champion]; champion != "" {
		wish.Serving = champion
	}
	for _, alias := range slices.Sorted(maps.Keys(wish.Aliases)) {
		if version := wish.Aliases[alias]; !slices.Contains(wish.Versions, version) {
			return wish, passed, fmt.Errorf("aliases.json: alias %q: there is no version %q; expected %s",
				alias, clip(version), anyOf(slices.Values(wish.Versions)))
		}
	}
	return wish, passed, nil
}

// readAliases returns no aliases where there is no file.
func readAliases(path string) (map[string]string, error) {
	file, err := OpenFile(os.OpenFile, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	decoder := json.NewDecoder(io.LimitReader(file, aliasesSizeMax))
	var aliases map[string]string
	if err := decoder.Decode(&aliases); err != nil {
		return nil, fmt.Errorf("expected an object such as {\"champion\": \"2\"}: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("expected nothing after the object")
	}
	for alias, version := range aliases {
		if alias == "" || IsVersion(alias) {
			return nil, fmt.Errorf("alias %q: expected a name that is no version", clip(alias))
		}
		if !IsVersion(version) {
			return nil, fmt.Errorf("alias %q: expected a version such as \"2\", got %q", clip(alias), clip(version))
		}
	}
	return aliases, nil
}

// IsModelName tells whether a model can be of that name, which may become a folder's: letters, digits,
// dots, dashes and underscores, beginning with a letter or digit, and not ending as temporary files do.
func IsModelName(name string) bool {
	if name == "" || name == ReservedName || strings.HasSuffix(name, ".tmp") {
		return false
	}
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '-' || c == '_'):
		default:
			return false
		}
	}
	return true
}

// IsVersion tells whether name is a positive number, written as numbers are.
func IsVersion(name string) bool {
	n, err := strconv.ParseUint(name, 10, 63)
	return err == nil && n > 0 && name[0] != '0' && name[0] != '+'
}
