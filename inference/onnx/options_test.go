package onnx

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"footballprediction/inference"
	"footballprediction/inference/onnx/onnxtest"
)

// configured opens half_plus_two with a config.json.
func configured(t *testing.T, text string) (*Model, error) {
	t.Helper()
	opener, err := New(onnxtest.Library(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, signed)
	write(t, filepath.Join(dir, "config.json"), text)
	m, err := opener.Open(t.Context(), dir)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m.(*Model), nil
}

func TestOpenAsConfigured(t *testing.T) {
	cores := runtime.GOMAXPROCS(0)
	for text, sessions := range map[string]int{
		`{}`:                                  cores,
		`{"sessions": 3}`:                     3,
		`{"threads": 2}`:                      max(1, cores/2),
		`{"threads": 256}`:                    1,
		`{"threads": 2, "sessions": 2}`:       2,
		`{"deterministic": true}`:             cores,
		`{"execution_provider": "cpu"}`:       cores,
		`{"max_batch_rows": 7}`:               cores,
		`{"graph_optimization_level": "all"}`: cores, `{"graph_optimization_level": "extended"}`: cores,
		`{"graph_optimization_level": "basic"}`: cores, `{"graph_optimization_level": "disable"}`: cores,
	} {
		m, err := configured(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if m.Concurrency() != sessions {
			t.Errorf("%s: got %d sessions, expected %d", text, m.Concurrency(), sessions)
		}
		outputs := wanted("y")
		for range m.Concurrency() {
			if err := m.Run(t.Context(), []inference.Tensor{fp32("x", []int64{2, 1}, 1, 2)}, outputs); err != nil {
				t.Fatal(err)
			}
			equal[float32](t, outputs[0], []int64{2, 1}, 2.5, 3)
		}
	}
}

func TestOpenRefusesConfig(t *testing.T) {
	for text, want := range map[string]string{
		`{"session": 1}`:                     `open model: read config.json: unknown key "session": expected some of `,
		`{"execution_provider": "abacus"}`:   `open model: config.json: execution_provider: expected one of coreml, cpu, cuda, openvino, qnn, tensorrt, webgpu, xnnpack, got "abacus"`,
		`{"execution_provider": "cuda"}`:     `open model: config.json: execution_provider: this ONNX Runtime cannot compute with "cuda": `,
		`{"execution_provider": "tensorrt"}`: `this ONNX Runtime cannot compute with "tensorrt": `,
		`{"execution_provider": "coreml"}`:   `this ONNX Runtime cannot compute with "coreml": `,
		`{"execution_provider": "openvino", "execution_provider_options": {"device_type": "CPU"}}`: `this ONNX Runtime cannot compute with "openvino": `,
		`{"execution_provider": "qnn"}`:     `this ONNX Runtime cannot compute with "qnn": `,
		`{"execution_provider": "xnnpack"}`: `this ONNX Runtime cannot compute with "xnnpack": `,
	} {
		if _, err := configured(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		} else {
			t.Log(err)
		}
	}
}
