package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"footballprediction/features"
)

// State is what a release knows of football: the states of teams and leagues after the last match,
// and each club's last matches.
type State struct {
	Snapshot features.Snapshot
	Matches  []features.Match // by date and id
}

// A state folder holds these files; the manifest has the SHA-256 of the others.
const (
	manifestFile     = "manifest.json"
	teamsFile        = "teams.json"
	competitionsFile = "competitions.json"
	matchesFile      = "matches.json"
)

type manifest struct {
	SchemaHash string            `json:"feature_schema_hash"`
	AsOf       features.Date     `json:"as_of"`
	SHA256     map[string]string `json:"sha256"`
}

// Save writes the state as the folder dir, whole or not at all. It replaces another state, and
// nothing else: a folder that holds anything but a state's files is left as it is.
func Save(dir string, state State) error {
	if err := save(dir, state); err != nil {
		return fmt.Errorf("save state %q: %w", dir, err)
	}
	return nil
}

func save(dir string, state State) (err error) {
	dir = filepath.Clean(dir)
	if err := replaceable(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	aside, err := os.MkdirTemp(filepath.Dir(dir), ".state-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()

	m := manifest{SchemaHash: state.Snapshot.SchemaHash, AsOf: state.Snapshot.AsOf, SHA256: map[string]string{}}
	next, old := filepath.Join(aside, "next"), filepath.Join(aside, "old")
	if err := os.Mkdir(next, 0o755); err != nil {
		return err
	}
	for _, file := range []struct {
		name    string
		content func() ([]byte, error)
	}{
		{teamsFile, func() ([]byte, error) { return lines(state.Snapshot.Teams) }},
		{competitionsFile, func() ([]byte, error) { return lines(state.Snapshot.Leagues) }},
		{matchesFile, func() ([]byte, error) { return lines(state.Matches) }},
		{manifestFile, func() ([]byte, error) { return json.MarshalIndent(m, "", "  ") }}, // sees the sums of those above
	} {
		text, err := file.content()
		if err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
		m.SHA256[file.name] = sum(text)
		if err := os.WriteFile(filepath.Join(next, file.name), text, 0o644); err != nil {
			return err
		}
	}
	if err := os.Rename(dir, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(next, dir); err != nil {
		return errors.Join(err, os.Rename(old, dir))
	}
	return nil
}

// replaceable returns nil if dir is absent, empty or a state folder.
func replaceable(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		switch entry.Name() {
		case teamsFile, competitionsFile, matchesFile, manifestFile:
		default:
			return fmt.Errorf("expected no folder, an empty one or a state to replace, got one that holds %q", entry.Name())
		}
	}
	return nil
}

// Load reads a state folder. A file that is missing, cut short or changed is named in the error.
func Load(dir string) (State, error) {
	state, err := load(dir)
	if err != nil {
		return State{}, fmt.Errorf("load state %q: %w", dir, err)
	}
	return state, nil
}

func load(dir string) (state State, err error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return state, err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return state, fmt.Errorf("%s: %w", manifestFile, err)
	}
	state.Snapshot.SchemaHash, state.Snapshot.AsOf = m.SchemaHash, m.AsOf
	for name, into := range map[string]any{
		teamsFile:        &state.Snapshot.Teams,
		competitionsFile: &state.Snapshot.Leagues,
		matchesFile:      &state.Matches,
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return state, err
		}
		if got, want := sum(text), m.SHA256[name]; got != want {
			return state, fmt.Errorf("%s: expected SHA-256 %q, got %q", name, want, got)
		}
		if err := json.Unmarshal(text, into); err != nil {
			return state, fmt.Errorf("%s: %w", name, err)
		}
	}
	return state, nil
}

// lines encodes items as a JSON list with one item a line, so that a new release shows as a
// readable difference.
func lines[T any](items []T) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("[")
	for i, item := range items {
		text, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteString(",")
		}
		out.WriteString("\n")
		out.Write(text)
	}
	out.WriteString("\n]\n")
	return out.Bytes(), nil
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}
