package serving

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"footballprediction/inference"
)

func TestAdmitMatchModel(t *testing.T) {
	good := manifest(testSchema.Hash)
	tests := []struct {
		name     string
		model    string // name
		manifest string
		golden   string // empty: as it should be
		change   func(*fakeModel)
		want     string // part of the error; empty: admitted
	}{
		{name: "match model", model: DefaultModel, manifest: good},
		{name: "match model by another name", model: "challenger", manifest: good},
		{name: "another model", model: "iris"},
		{name: "match model without manifest", model: DefaultModel, want: "manifest.json: open"},
		{name: "no golden rows", model: DefaultModel, manifest: good, want: "golden.json: open"},
		{name: "golden rows for one output", model: DefaultModel, manifest: good, golden: strings.Split(golden, `,
	{"name":"expected_goals"`)[0] + "]}", want: "golden.json: outputs: expected values of expected_goals, which the model gives, got none"},
		{name: "golden rows within anything", model: DefaultModel, manifest: good, golden: strings.Replace(golden, "1e-5", "1e9", 1),
			want: "golden.json: read golden.json: tolerance: expected at most 0.01, got 1e+09"},
		{name: "no JSON", model: "challenger", manifest: "{", want: "manifest.json: unexpected end of JSON"},
		{name: "another schema", model: DefaultModel, manifest: manifest("1234"), want: `feature_schema_hash: expected ` + testSchema.Hash + `, got "1234"`},
		{name: "permuted features", model: DefaultModel, manifest: strings.Replace(good, `["home_strength","away_strength"]`, `["away_strength","home_strength"]`, 1),
			want: "manifest.json: features: feature 0: expected \"home_strength\", got \"away_strength\""},
		{name: "a feature less", model: DefaultModel, manifest: strings.Replace(good, `,"away_strength"`, ``, 1), want: "features: expected 2, got 1"},
		{name: "no cut-off", model: DefaultModel, manifest: strings.Replace(good, "data_cutoff", "cutoff", 1), want: "data_cutoff: expected a date"},
		{name: "cut-off is no date", model: DefaultModel, manifest: strings.Replace(good, `"2025-05-25"`, `"May"`, 1), want: "May"},
		{name: "no rho", model: DefaultModel, manifest: strings.Replace(good, `"rho":-0.05,`, ``, 1), want: "manifest.json: rho: expected a number, got none"},
		{name: "rho is null", model: DefaultModel, manifest: strings.Replace(good, "-0.05", "null", 1), want: "manifest.json: rho: expected a number, got none"},
		{name: "rho is not finite", model: DefaultModel, manifest: strings.Replace(good, "-0.05", "1e999", 1), want: "manifest.json: json: cannot unmarshal number 1e999"},
		{name: "rho is text", model: DefaultModel, manifest: strings.Replace(good, "-0.05", `"-0.05"`, 1), want: "manifest.json: json: cannot unmarshal string"},
		{name: "too long", model: DefaultModel, manifest: good + strings.Repeat(" ", maxManifestBytes), want: "expected at most"},
		{name: "another input", model: DefaultModel, manifest: good, change: func(m *fakeModel) { m.inputs[0].Name = "x" },
			want: "input: expected features FP32 [-1,2], got [x FP32 [-1,2]]"},
		{name: "two inputs", model: DefaultModel, manifest: good, change: func(m *fakeModel) { m.inputs = append(m.inputs, m.inputs[0]) }, want: "inputs: expected"},
		{name: "input too wide", model: DefaultModel, manifest: good, change: func(m *fakeModel) { m.inputs[0].Shape = []int64{-1, 3} },
			want: "expected features FP32 [-1,2], got features FP32 [-1,3]"},
		{name: "fixed rows", model: DefaultModel, manifest: good, change: func(m *fakeModel) { m.inputs[0].Shape = []int64{1, 2} }, want: "got features FP32 [1,2]"},
		{name: "no expected goals", model: DefaultModel, manifest: good, change: func(m *fakeModel) { m.outputs = m.outputs[:1] }, want: "output: expected expected_goals FP32 [-1,2]"},
		{name: "probabilities of another type", model: DefaultModel, manifest: good, change: func(m *fakeModel) { m.outputs[0].Type = inference.FP64 },
			want: "expected outcome_probabilities FP32 [-1,3], got outcome_probabilities FP64 [-1,3]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if test.name != "no golden rows" {
				if err := os.WriteFile(filepath.Join(dir, "golden.json"), []byte(cmp.Or(test.golden, golden)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if test.manifest != "" {
				if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(test.manifest), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			model := matchModel()
			if test.change != nil {
				test.change(model)
			}
			metadata, err := AdmitMatchModel(testSchema)(test.model, "1", dir, model)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m, ok := metadata.(*Manifest)
			if ok != (test.manifest != "") || ok && (m.Rho != -.05 || m.Metrics["log_loss"] != .975) {
				t.Errorf("got metadata %v", metadata)
			}
		})
	}
}

// To read a pipe would wait for its writer, for good.
func TestAdmitManifestInAPipe(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "manifest.json")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := AdmitMatchModel(testSchema)("iris", "1", dir, matchModel())
	if want := "manifest.json: open " + path + ": expected a regular file, got a named pipe"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestManifestCheckInputs(t *testing.T) {
	m := &Manifest{Features: []string{"home_strength", "away_strength"}}
	values := []float32{1, -2, 0, 4, 5, 6}
	inputs := []inference.Tensor{{Name: "features", Type: inference.FP32, Shape: []int64{3, 2}, Data: inference.BytesOf(values)}}
	if err := m.CheckInputs(inputs); err != nil {
		t.Error(err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		values[3] = float32(bad)
		want := fmt.Sprintf(`input "features": tensor value: expected finite features, got %v at row 1 for away_strength`, bad)
		if err := m.CheckInputs(inputs); !errors.Is(err, inference.ErrTensorValue) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
