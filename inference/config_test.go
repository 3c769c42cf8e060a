package inference

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"footballprediction/inference/batch"
)

const configText = `{
	"sessions": 3, "threads": 2, "max_batch_rows": 256, "max_queue_delay_microseconds": 150,
	"max_queue_items": 10, "max_queue_rows": 1000, "priority_levels": 4, "default_priority_level": 2,
	"warm_up_rows": [1, 8, 256], "graph_optimization_level": "extended",
	"execution_provider": "cuda", "execution_provider_options": {"device_id": "1"}, "deterministic": false
}`

func TestConfig(t *testing.T) {
	whole := Config{
		Sessions: 3, Threads: 2, MaxBatchRows: 256, MaxQueueDelay: 150 * time.Microsecond,
		MaxQueueItems: 10, MaxQueueRows: 1000, PriorityLevels: 4, DefaultPriority: 2,
		WarmUpRows: []int64{1, 8, 256}, GraphOptimization: "extended",
		Provider: "cuda", ProviderOptions: map[string]string{"device_id": "1"},
	}
	for text, want := range map[string]Config{
		configText: whole,
		`{}`:       {},
		` { "deterministic" : true , "threads":1,"max_queue_delay_microseconds":0 }` + "\n": {Deterministic: true, Threads: 1},
		`{"execution_provider": "cpu"}`: {Provider: "cpu"},
	} {
		if got, err := parseConfig([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	if got, want := whole.batching(), (batch.Options{
		MaxRows: 256, Delay: 150 * time.Microsecond, QueueItems: 10, QueueRows: 1000, PriorityLevels: 4, DefaultPriority: 2,
	}); !reflect.DeepEqual(got, want) {
		t.Errorf("batching: got %+v", got)
	}
	alone := Config{Deterministic: true}
	if !alone.batching().Alone {
		t.Error("deterministic requests are not alone")
	}
	if got, err := ReadConfig(t.TempDir()); err != nil || !reflect.DeepEqual(got, Config{}) {
		t.Errorf("no file: got %+v, %v", got, err)
	}
}

func TestConfigRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                                       "it is empty: expected a JSON object, {} at least",
		" \n\t":                                  "it is empty: expected a JSON object, {} at least",
		`[]`:                                     "expected an object, got []",
		`null`:                                   "expected an object, got null",
		`{`:                                      "line 1, column 2: unexpected end of JSON input",
		"{\"a\":\t":                              "line 1, column 7: unexpected end of JSON input",
		"{\n\t\"threads\": 1,\n":                 "line 3, column 1: unexpected end of JSON input",
		`{"threads": "1`:                         "line 1, column 15: unexpected end of JSON input",
		`{} {}`:                                  "line 1, column 4: invalid character '{' after top-level value",
		"{\n  \"threads\" 1}":                    "line 2, column 13: invalid character '1' after object key",
		"{\n  \"threads\": 1,\n  // sessions\n}": "line 3, column 3: invalid character '/' looking for beginning of object key string",
		"{\n  \"threads\": 1,\n}":                "line 3, column 1: invalid character '}' looking for beginning of object key string",
		"{'threads': 1}":                         `line 1, column 2: invalid character '\'' looking for beginning of object key string`,
		"\ufeff{}":                               "line 1, column 1: invalid character 'ï' looking for beginning of value",
		"{\"execution_provider\":\n \"ü\xff\"}":  "line 2, column 4: expected UTF-8",
		strings.Repeat("[", 20_000):              "exceeded max depth",
		`{"Sessions": 1}`: `unknown key "Sessions": expected some of default_priority_level, deterministic, execution_provider, ` +
			`execution_provider_options, graph_optimization_level, max_batch_rows, max_queue_delay_microseconds, max_queue_items, ` +
			`max_queue_rows, priority_levels, sessions, threads, warm_up_rows; did you mean sessions?`,
		`{"max_batch_size": 8}`:  `did you mean max_batch_rows?`,
		`{"priority-levels": 8}`: `did you mean priority_levels?`,
		`{"instance_group": 8}`:  `sessions, threads, warm_up_rows`,
		`{"": 8}`:                `sessions, threads, warm_up_rows`,
		`{"sessions": 1, "threads": 1, "sessions": 1}`: `sessions: it is given twice`,
		`{"sessions": 0}`:                                    `sessions: expected a whole number from 1 to 256, got 0`,
		`{"sessions": 257}`:                                  `sessions: expected a whole number from 1 to 256, got 257`,
		`{"sessions": -1}`:                                   `sessions: expected a whole number from 1 to 256, got -1`,
		`{"sessions": 2.0}`:                                  `sessions: expected a whole number from 1 to 256, got 2.0`,
		`{"sessions": 1e1}`:                                  `sessions: expected a whole number from 1 to 256, got 1e1`,
		`{"sessions": "2"}`:                                  `sessions: expected a whole number from 1 to 256, got "2"`,
		`{"sessions": null}`:                                 `sessions: expected a whole number from 1 to 256, got null`,
		`{"threads": 99999999999999999999}`:                  `threads: expected a whole number from 1 to 256, got 99999999999999999999`,
		`{"max_batch_rows": 0}`:                              `max_batch_rows: expected a whole number from 1 to 65536, got 0`,
		`{"max_queue_delay_microseconds": 1000001}`:          `max_queue_delay_microseconds: expected a whole number from 0 to 1000000, got 1000001`,
		`{"max_queue_items": 0}`:                             `max_queue_items: expected a whole number from 1 to 16777216, got 0`,
		`{"max_queue_rows": 16777217}`:                       `max_queue_rows: expected a whole number from 1 to 16777216, got 16777217`,
		`{"priority_levels": 65}`:                            `priority_levels: expected a whole number from 1 to 64, got 65`,
		`{"sessions": 64, "threads": 5}`:                     `threads: expected at most 4, as there are 64 sessions and may be 256 threads in all, got 5`,
		`{"default_priority_level": 2}`:                      `default_priority_level: expected at most the 1 of priority_levels, got 2`,
		`{"priority_levels": 3, "default_priority_level":4}`: `default_priority_level: expected at most the 3 of priority_levels, got 4`,
		`{"warm_up_rows": []}`:                               `warm_up_rows: expected a list of 1 to 64 whole numbers from 1 to 65536, got []`,
		`{"warm_up_rows": [1, 0]}`:                           `warm_up_rows: expected a list of 1 to 64 whole numbers from 1 to 65536, got [1, 0]`,
		`{"warm_up_rows": 8}`:                                `warm_up_rows: expected a list of 1 to 64 whole numbers from 1 to 65536, got 8`,
		`{"warm_up_rows": [` + strings.Repeat("1,", 64) + `1]}`: `warm_up_rows: expected a list of 1 to 64 whole numbers from 1 to 65536, got [` +
			strings.Repeat("1,", 49) + `1…`,
		`{"graph_optimization_level": "most"}`:                             `graph_optimization_level: expected one of disable, basic, extended, all, got "most"`,
		`{"graph_optimization_level": null}`:                               `graph_optimization_level: expected one of disable, basic, extended, all, got null`,
		`{"execution_provider": ""}`:                                       `execution_provider: expected a name, got ""`,
		`{"execution_provider": 1}`:                                        `execution_provider: expected a name, got 1`,
		`{"execution_provider": "cuda", "execution_provider_options": []}`: `execution_provider_options: expected an object of strings, each given once, got []`,
		`{"execution_provider_options": {"a": 1}}`:                         `execution_provider_options: expected an object of strings, each given once, got {"a": 1}`,
		`{"execution_provider_options": {"a": null}}`:                      `execution_provider_options: expected an object of strings, each given once, got {"a": null}`,
		`{"execution_provider_options": {"a": "1", "a": "2"}}`:             `execution_provider_options: expected an object of strings, each given once, got {"a": "1", "a": "2"}`,
		`{"execution_provider_options": {"a": "1"}}`:                       `execution_provider_options: expected none, as the execution_provider is cpu, which has none`,
		`{"deterministic": 1}`:                                             `deterministic: expected true or false, got 1`,
		`{"deterministic": true, "threads": 2}`:                            `threads: expected 1, as deterministic is true, got 2`,
		`{"deterministic": true, "max_queue_delay_microseconds": 9}`:       `max_queue_delay_microseconds: expected 0, as deterministic is true and nothing is waited for, got 9`,
		`{"deterministic": true, "execution_provider": "cuda"}`:            `execution_provider: expected cpu, as deterministic is true, got cuda`,
	} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "config.json"), text)
		if _, err := ReadConfig(dir); err == nil || !strings.HasPrefix(err.Error(), "read config.json: ") || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
	large, pipe := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(large, "config.json"), strings.Repeat(" ", configSizeMax+1))
	if _, err := ReadConfig(large); err == nil || err.Error() != "read config.json: expected at most 1048576 bytes" {
		t.Errorf("large: got %v", err)
	}
	if err := syscall.Mkfifo(filepath.Join(pipe, "config.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConfig(pipe); err == nil || !strings.Contains(err.Error(), "expected a regular file, got a named pipe") {
		t.Errorf("pipe: got %v", err)
	}
}

// Whatever is accepted is within bounds, so that a batcher takes it.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(configText))
	f.Add([]byte(`{"deterministic": true}`))
	f.Add([]byte(`{"sessions": 1, "sessions": 2}`))
	f.Add([]byte(`{"warm_up_rows": [[1]], "execution_provider_options": {"a": {}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig(text)
		if err != nil {
			return
		}
		if _, err := batch.New[int](1, func([]int) error { return nil }, c.batching()); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		for _, n := range append([]int64{int64(c.Sessions), int64(c.Threads)}, c.WarmUpRows...) {
			if n < 0 || n > 1<<16 {
				t.Errorf("%s: got %+v", text, c)
			}
		}
	})
}

func TestRegistryReadsConfig(t *testing.T) {
	s := newStage(t)
	for version, text := range map[string]string{"1": `{"sessions": 7}`, "2": `{"sessions": 0}`} {
		s.put(t, "m", version, "good")
		writeFile(t, filepath.Join(s.dir, "m", version, "config.json"), text)
	}
	r := newRegistry(t, s, Options{})
	poll(t, r)
	if got, want := states(r, "m"), "1:AVAILABLE 2:FAILED -> 1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := r.Status().Models[0].Versions[1].Reason, `read config.json: sessions: expected a whole number from 1 to 256, got 0`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	h, err := r.Acquire("m", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if got := h.Config(); got.Sessions != 7 {
		t.Errorf("got %+v", got)
	}
	// What is wrong is looked at again once it has been mended.
	writeFile(t, filepath.Join(s.dir, "m", "2", "config.json"), `{"sessions": 10}`)
	poll(t, r)
	if got, want := states(r, "m"), "1:AVAILABLE 2:AVAILABLE -> 2"; got != want {
		t.Errorf("mended: got %s, want %s", got, want)
	}
}

// counted remembers the rows that it is run with.
type counted struct {
	fixed
	rows []int64
}

func (c *counted) Concurrency() int { return 1 }
func (c *counted) Run(ctx context.Context, inputs, outputs []Tensor) error {
	c.rows = append(c.rows, inputs[0].Shape[0])
	return c.fixed.Run(ctx, inputs, outputs)
}

func TestWarmAsConfigured(t *testing.T) {
	for _, test := range []struct {
		sizes []int64
		most  int64
		want  []int64
	}{
		{nil, 128, []int64{1, 4, 16, 64, 128, 1}},
		{nil, 1, []int64{1, 1}},
		{[]int64{5, 3000}, 128, []int64{5, 3000, 1}},
	} {
		m := new(counted)
		if err := warm(t.Context(), m, nil, test.sizes, test.most, func() time.Time { return time.Time{} }); err != nil || !slices.Equal(m.rows, test.want) {
			t.Errorf("%v: got %v, %v", test.sizes, m.rows, err)
		}
	}
}
