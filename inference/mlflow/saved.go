package mlflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"footballprediction/inference"
)

const (
	savedFile     = "said.json"
	savedBytesMax = 64 << 20
)

// saved is what MLflow said last, for a start at which it does not answer. Of a model whose aliases
// were not all clear, it is what was said before.
type saved struct {
	Server string       `json:"server"`
	At     time.Time    `json:"at"`
	Models []savedModel `json:"models"` // by name
}

type savedModel struct {
	Name      string            `json:"name"`
	Aliases   map[string]string `json:"aliases"`
	Revisions map[string]string `json:"revisions"` // of each version
	// Metrics of the versions that have some.
	Metrics map[string]map[string]float64 `json:"metrics,omitempty"`
}

func (m savedModel) wish() inference.Aspired {
	return inference.Aspired{
		Name: m.Name, Aliases: m.Aliases, Revisions: m.Revisions, Metrics: m.Metrics, Serving: m.Aliases[inference.Champion],
		Versions: slices.SortedFunc(maps.Keys(m.Revisions), inference.CompareVersions),
	}
}

// check tells whether a model is one that could have been saved.
func (m savedModel) check() error {
	if !inference.IsModelName(m.Name) || m.Aliases[inference.Champion] == "" {
		return fmt.Errorf("%q: expected a model with a champion", clip(m.Name))
	}
	for version, revision := range m.Revisions {
		if !inference.IsVersion(version) || revision == "" {
			return fmt.Errorf("%s: version %q: expected a number and its revision", m.Name, clip(version))
		}
	}
	for alias, version := range m.Aliases {
		if inference.IsVersion(alias) || m.Revisions[version] == "" {
			return fmt.Errorf("%s: alias %q: expected a name of one of the versions", m.Name, clip(alias))
		}
	}
	return nil
}

// load reads what this server said in an earlier run; nothing, if it never did.
func (s *store) load(server string) (saved, error) {
	none := saved{Server: server}
	text, err := readFile(filepath.Join(s.dir, savedFile), savedBytesMax)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	var last saved
	if err := json.Unmarshal(text, &last); err != nil {
		return none, fmt.Errorf("%s: %w", savedFile, err)
	}
	for _, m := range last.Models {
		if err := m.check(); err != nil {
			return none, fmt.Errorf("%s: %w", savedFile, err)
		}
	}
	if last.Server != server {
		return none, nil
	}
	return last, nil
}

// save keeps what MLflow said, if it is news. Requires s.mu be held.
func (s *Source) save() error {
	before := map[string]savedModel{}
	for _, m := range s.saved.Models {
		before[m.Name] = m
	}
	next := saved{Server: s.saved.Server, At: s.saved.At}
	for _, name := range slices.Sorted(maps.Keys(s.said)) {
		wish := s.said[name]
		if wish.Err == nil {
			next.Models = append(next.Models, savedModel{name, wish.Aliases, wish.Revisions, wish.Metrics})
		} else if m, ok := before[name]; ok {
			next.Models = append(next.Models, m)
		}
	}
	was, err := json.MarshalIndent(s.saved, "", "  ")
	if err != nil {
		return err
	}
	is, err := json.MarshalIndent(next, "", "  ")
	if err != nil || bytes.Equal(is, was) {
		return err
	}
	next.At = s.options.Now()
	if err := s.store.saveAs(next); err != nil {
		return err
	}
	s.saved = next
	return nil
}

// saveAs replaces what load reads.
func (s *store) saveAs(next saved) error {
	text, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	return inference.ReplaceFile(filepath.Join(s.dir, savedFile), append(text, '\n'))
}
