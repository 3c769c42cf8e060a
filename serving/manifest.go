package serving

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"footballprediction/features"
	"footballprediction/inference"
)

// DefaultModel is the model that answers where a request names none. A folder of that name must be
// a match model.
const DefaultModel = "match-outcome"

// The signature of a match model: rows of features in, probabilities of home win, draw and away win
// and the expected goals of both sides out.
const (
	featuresInput  = "features"
	outcomesOutput = "outcome_probabilities"
	goalsOutput    = "expected_goals"
)

// maxManifestBytes is far more than any manifest needs.
const maxManifestBytes = 16 << 20

// Manifest is what manifest.json says of a match model.
type Manifest struct {
	Model             string             `json:"model"`
	Version           string             `json:"version"`
	FeatureSchemaHash string             `json:"feature_schema_hash"`
	Features          []string           `json:"features"`
	Rho               float64            `json:"rho"` // of Dixon and Coles
	DataCutoff        features.Date      `json:"data_cutoff"`
	Metrics           map[string]float64 `json:"metrics"`
	// FeatureMeans are those of the rows that the model was trained on, by name. They may be left out,
	// and then the model's predictions cannot be explained.
	FeatureMeans map[string]float64 `json:"feature_means"`

	attribution *attribution // nil without FeatureMeans
}

// AdmitMatchModel returns the check, for inference.Options.Admit, that decides whether an opened
// model may serve. A match model (its folder has a manifest.json, or it is named DefaultModel) must
// want exactly the features of one of the schemas, have a match model's signature and golden rows; its metadata is its
// *Manifest. Any other model is admitted without metadata: it is not for this package to judge.
func AdmitMatchModel(schemas ...features.Schema) func(name, version, dir string, model inference.Model) (metadata any, err error) {
	return func(name, _, dir string, model inference.Model) (any, error) {
		manifest, err := readManifest(filepath.Join(dir, "manifest.json"))
		if errors.Is(err, fs.ErrNotExist) && name != DefaultModel {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("manifest.json: %w", err)
		}
		schema, err := manifest.schema(schemas)
		if err == nil {
			err = manifest.check(schema)
		}
		if err != nil {
			return nil, fmt.Errorf("manifest.json: %w", err)
		}
		if err := checkSignature(model, int64(len(schema.Features))); err != nil {
			return nil, err
		}
		if err := checkGoldenOutputs(dir, model.Outputs()); err != nil {
			return nil, fmt.Errorf("golden.json: %w", err)
		}
		if manifest.attribution, err = newAttribution(schema, manifest.FeatureMeans); err != nil {
			return nil, fmt.Errorf("manifest.json: %w", err)
		}
		return manifest, nil
	}
}

// checkGoldenOutputs tells whether there are golden rows, and for all outputs. The Registry has checked
// those that there are; no output of a match model is served unchecked.
func checkGoldenOutputs(dir string, outputs []inference.TensorSpec) error {
	golden, err := inference.ReadGolden(dir)
	if err != nil {
		return err
	}
	for i, spec := range outputs {
		if inference.Find(golden.Outputs, spec.Name, i) == nil {
			return fmt.Errorf("outputs: expected values of %s, which the model gives, got none", spec.Name)
		}
	}
	return nil
}

func readManifest(path string) (*Manifest, error) {
	file, err := inference.OpenFile(os.OpenFile, path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxManifestBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxManifestBytes {
		return nil, fmt.Errorf("expected at most %d bytes, got more", maxManifestBytes)
	}
	var manifest struct {
		Manifest
		Rho *float64 `json:"rho"` // 0 is a value, which none must not be taken for
	}
	if err := json.Unmarshal(text, &manifest); err != nil { // which refuses numbers that are not finite
		return nil, err
	}
	if manifest.Rho == nil {
		return nil, errors.New("rho: expected a number, got none")
	}
	manifest.Manifest.Rho = *manifest.Rho
	return &manifest.Manifest, nil
}

// schema returns the one of the schemas that the model was trained on.
func (m *Manifest) schema(schemas []features.Schema) (features.Schema, error) {
	var hashes []string
	for _, schema := range schemas {
		if schema.Hash == m.FeatureSchemaHash {
			return schema, nil
		}
		hashes = append(hashes, schema.Hash)
	}
	return features.Schema{}, fmt.Errorf("feature_schema_hash: expected %s, got %q", strings.Join(hashes, " or "), m.FeatureSchemaHash)
}

func (m *Manifest) check(schema features.Schema) error {
	if len(m.Features) != len(schema.Features) {
		return fmt.Errorf("features: expected %d, got %d", len(schema.Features), len(m.Features))
	}
	for i, name := range m.Features {
		if want := schema.Features[i].Name; name != want {
			return fmt.Errorf("features: feature %d: expected %q, got %q", i, want, name)
		}
	}
	if m.DataCutoff == 0 {
		return errors.New("data_cutoff: expected a date YYYY-MM-DD, got none")
	}
	return nil
}

// CheckInputs tells whether rows that fit the model's signature are rows of features: these are
// finite.
func (m *Manifest) CheckInputs(inputs []inference.Tensor) error {
	for i := range inputs {
		in := &inputs[i]
		for j, v := range inference.ElementsOf[float32](in.Data) {
			if v-v != 0 { // NaN for NaN and for both infinities
				return &inference.TensorError{What: "input", Name: in.Name, Err: fmt.Errorf("%w: expected finite features, got %v at row %d for %s",
					inference.ErrTensorValue, v, j/len(m.Features), m.Features[j%len(m.Features)])}
			}
		}
	}
	return nil
}

func checkSignature(model inference.Model, width int64) error {
	inputs, outputs := model.Inputs(), model.Outputs()
	if len(inputs) != 1 {
		return fmt.Errorf("inputs: expected only %s, got %v", featuresInput, inputs)
	}
	if err := checkSpec("input", inputs, inference.TensorSpec{Name: featuresInput, Type: inference.FP32, Shape: []int64{-1, width}}); err != nil {
		return err
	}
	for _, want := range []inference.TensorSpec{
		{Name: outcomesOutput, Type: inference.FP32, Shape: []int64{-1, 3}},
		{Name: goalsOutput, Type: inference.FP32, Shape: []int64{-1, 2}},
	} {
		if err := checkSpec("output", outputs, want); err != nil {
			return err
		}
	}
	return nil
}

func checkSpec(what string, specs []inference.TensorSpec, want inference.TensorSpec) error {
	for _, got := range specs {
		if got.Name != want.Name {
			continue
		}
		if got.Type != want.Type || !slices.Equal(got.Shape, want.Shape) {
			return fmt.Errorf("%s: expected %s, got %s", what, want, got)
		}
		return nil
	}
	return fmt.Errorf("%s: expected %s, got %v", what, want, specs)
}
