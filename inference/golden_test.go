package inference

import (
	"errors"
	"io/fs"
	"math"
	"path/filepath"
	"strings"
	"testing"
)

const goldenText = `{"tolerance": 1e-5,
	"inputs": [{"name": "x", "datatype": "FP32", "shape": [3, 1], "data": [0, 1.5, -2]}],
	"outputs": [{"name": "y", "datatype": "FP32", "shape": [3, 1], "data": [1, 2.5, -1]}]}`

func TestGolden(t *testing.T) {
	tests := map[string]struct {
		old, replacement string
		want             string // of the error, "" for none
	}{
		"met":                     {"", "", ""},
		"met within tolerance":    {"2.5", "2.50002", ""},
		"beyond tolerance":        {"2.5", "2.5001", `golden rows: output "y": element 1: expected 2.5001 within 1e-05, got 2.5`},
		"small beyond tolerance":  {"-1]", "-1.00002]", `element 2: expected -1.00002 within 1e-05, got -1`},
		"other shape":             {`"shape": [3, 1], "data": [1,`, `"shape": [1, 3], "data": [1,`, `golden rows: output "y": expected FP32 [1,3], got FP32 [3,1]`},
		"other type":              {`"FP32", "shape": [3, 1], "data": [1,`, `"FP64", "shape": [3, 1], "data": [1,`, `expected FP64 [3,1], got FP32 [3,1]`},
		"fewer rows":              {`[3, 1], "data": [1, 2.5, -1]`, `[2, 1], "data": [1, 2.5]`, `expected FP32 [2,1], got FP32 [3,1]`},
		"unknown output":          {`"y"`, `"z"`, `golden rows: output "z": the model has none of that name`},
		"unknown input":           {`"x"`, `"z"`, `golden rows: input "z": tensor unknown`},
		"no tolerance":            {`"tolerance": 1e-5,`, "", `read golden.json: tolerance: expected a number of at least 0`},
		"negative tolerance":      {"1e-5", "-1", `read golden.json: tolerance: expected a number of at least 0`},
		"largest tolerance":       {"1e-5", "1e-2", ""},
		"absurd tolerance":        {"1e-5", "0.011", `read golden.json: tolerance: expected at most 0.01, got 0.011`},
		"no rows":                 {`[3, 1], "data": [0, 1.5, -2]`, `[0, 1], "data": []`, `read golden.json: input "x": data: expected at least one value, got none`},
		"no outputs":              {`"outputs"`, `"results"`, `read golden.json: outputs: expected at least one`},
		"unknown type":            {`"FP32"`, `"FP8"`, `read golden.json: input "x": datatype: unknown datatype "FP8"`},
		"too few values":          {"-2]", "-2, 7]", `read golden.json: input "x": data: expected as many values as shape [3,1] has, got 4`},
		"2 GiB claimed":           {"[3, 1]", "[536870912, 1]", `data: expected as many values as shape [536870912,1] has, got 3`},
		"negative shape":          {"[3, 1]", "[-3, -1]", `data: expected as many values as shape [-3,-1] has, got 3`},
		"no number":               {"1.5", `"1.5"`, `read golden.json: input "x": data[1]: expected FP32`},
		"number too large":        {"1.5", `1e39`, `read golden.json: input "x": data[1]: expected FP32`},
		"truncated":               {"-1]}]}", "-1", "read golden.json: unexpected EOF"},
		"something after the end": {"-1]}]}", "-1]}]} {}", "read golden.json: expected nothing after the first value"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "golden.json"), strings.Replace(goldenText, test.old, test.replacement, 1))
			golden, err := ReadGolden(dir)
			if err == nil {
				err = golden.Check(t.Context(), &puppet{plus: 1})
			}
			if err == nil && test.want != "" || err != nil && (test.want == "" || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
	if _, err := ReadGolden(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

func TestGoldenReadsEveryType(t *testing.T) {
	for _, test := range []struct{ dataType, text, other, want, refused string }{
		{"BOOL", `[true, false]`, `[true, 1]`, "element 1: expected true, got false", `2`},
		{"INT8", `[-128, 127]`, `[-128, -1]`, "element 1: expected -1, got 127", `128`},
		{"INT16", `[-32768, 32767]`, `[-32768, 7]`, "element 1: expected 7, got 32767", `-32769`},
		{"INT32", `[-2147483648, 0]`, `[-2147483647, 0]`, "element 0: expected -2147483647, got -2147483648", `1.5`},
		{"INT64", `[9223372036854775807, -9223372036854775808]`, `[9223372036854775806, 1]`,
			"element 0: expected 9223372036854775806, got 9223372036854775807", `9223372036854775808`},
		{"UINT8", `[0, 255]`, `[0, 254]`, "element 1: expected 254, got 255", `256`},
		{"UINT16", `[0, 65535]`, `[1, 0]`, "element 0: expected 1, got 0", `-1`},
		{"UINT32", `[0, 4294967295]`, `[0, 4294967294]`, "element 1: expected 4294967294, got 4294967295", `4294967296`},
		{"UINT64", `[0, 18446744073709551615]`, `[0, 1]`, "element 1: expected 1, got 18446744073709551615", `"1"`},
		{"FP16", `[0.5, -65504]`, `[0.6, 0]`, "element 0: expected 0.60009766 within 1e-05, got 0.5", `65520`},
		{"BF16", `[0.5, -3e38]`, `[0.6, 0]`, "element 0: expected 0.6015625 within 1e-05, got 0.5", `1e39`},
		{"FP32", `[0.5, -3e38]`, `[0.5, 3e38]`, "element 1: expected 3e+38 within 1e-05, got -3e+38", `null`},
		{"FP64", `[1e300, -0.1]`, `[1e300, -0.2]`, "element 1: expected -0.2 within 1e-05, got -0.1", `1e309`},
		{"BYTES", `["", "Ünal\u0000"]`, `["", "Unal"]`, `element 1: expected "Unal", got "Ünal\x00"`, `7`},
	} {
		parse := func(data string) (*Golden, error) {
			return parseGolden(strings.NewReader(`{"tolerance": 1e-5, "outputs": [{"name": "y", "datatype": "` +
				test.dataType + `", "shape": [2, 1], "data": ` + data + `}]}`))
		}
		got, err := parse(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.dataType, err)
			continue
		}
		if err := compare(&got.Outputs[0], &got.Outputs[0], 0); err != nil {
			t.Errorf("%s: not equal to itself: %v", test.dataType, err)
		}
		other, err := parse(test.other)
		if err != nil {
			t.Errorf("%s: %v", test.dataType, err)
			continue
		}
		if err := compare(&got.Outputs[0], &other.Outputs[0], 1e-5); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.dataType, err, test.want)
		}
		if _, err := parse("[" + test.refused + ", 0]"); err == nil || !strings.Contains(err.Error(), `output "y": data[0]: expected `+test.dataType) {
			t.Errorf("%s: %s: got %v", test.dataType, test.refused, err)
		}
	}
}

// Golden rows refuse NaN and infinity also where the file would let them pass.
func TestGoldenRefusesWhatIsNotFinite(t *testing.T) {
	golden, err := parseGolden(strings.NewReader(goldenText))
	if err != nil {
		t.Fatal(err)
	}
	golden.Tolerance = math.Inf(1)
	for _, plus := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		err := golden.Check(t.Context(), &puppet{plus: float32(plus)})
		if err == nil || err.Error() != `golden rows: output "y": element 0 is not finite` {
			t.Errorf("%v: got %v", plus, err)
		}
	}
}

// The versions that a registry loads meet their golden rows.
func TestPollChecksGoldenRows(t *testing.T) {
	s := newStage(t)
	for _, version := range []string{"1", "2"} {
		s.put(t, "m", version, "good")
		writeFile(t, filepath.Join(s.dir, "m", version, "golden.json"), goldenText)
	}
	r := newRegistry(t, s, Options{})
	poll(t, r)
	if got, want := states(r, "m"), "1:AVAILABLE 2:FAILED -> 1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := r.Status().Models[0].Versions[1].Reason, `golden rows: output "y": element 0: expected 1 within 1e-05, got 2`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
