package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"footballprediction/inference/batch"
)

// configSizeMax bounds config.json, which holds a dozen of settings.
const configSizeMax = 1 << 20

// Config is what config.json in a model's folder, beside MLmodel, says about how that model is run. The
// file is a JSON object of any of the keys named below; what it leaves out, or all of it where there is
// none, is as a zero field says. A key that is not known, given twice or out of its range refuses the
// model.
type Config struct {
	// Sessions ("sessions", 1 to 256) is how many runs proceed at once; 0 means as many as there are
	// cores for their threads.
	Sessions int
	// Threads ("threads", 1 to 256, with all sessions) is how many threads one run uses; 0 means 1, which is best for all
	// models but large ones: requests are what runs side by side.
	Threads int
	// MaxBatchRows ("max_batch_rows", 1 to 65536) is the most rows of several requests that run
	// together; 0 means batch.MaxRowsDefault.
	MaxBatchRows int
	// MaxQueueDelay ("max_queue_delay_microseconds", 0 to 1000000) is how long a request waits for
	// others although a session is free.
	MaxQueueDelay time.Duration
	// MaxQueueItems and MaxQueueRows ("max_queue_items", "max_queue_rows", 1 to 16777216) are the most
	// requests, and rows of requests, that may wait; 0 means the defaults of package batch.
	MaxQueueItems, MaxQueueRows int
	// PriorityLevels ("priority_levels", 1 to 64) is how many levels of priority there are, 1 the
	// highest; 0 means one. DefaultPriority ("default_priority_level", 1 to priority_levels) is that of
	// requests that name none; 0 means the lowest.
	PriorityLevels, DefaultPriority int
	// WarmUpRows ("warm_up_rows", a list of up to 64 numbers, each 1 to 65536) are the numbers of rows
	// that each session is run with before it serves; nil means those that requests may come
	// to share, in few steps, as far as they are worth it. A model whose inputs do not count rows is
	// run as it is.
	WarmUpRows []int64
	// GraphOptimization ("graph_optimization_level": "disable", "basic", "extended" or "all") is how
	// far the graph is rewritten when it is opened; empty means "all".
	GraphOptimization string
	// Provider ("execution_provider", such as "cuda"; what there is depends on the library that runs
	// models) is what computes; empty means "cpu". ProviderOptions ("execution_provider_options", an
	// object of strings) is handed to it as it is.
	Provider        string
	ProviderOptions map[string]string
	// Deterministic ("deterministic", true or false) has the same request get the same answer to the
	// last bit, whatever else is asked for meanwhile: each request is run alone, on one thread, on the
	// CPU. It costs what batches and threads gain. Without it answers to a row agree to 1e-6 of their
	// size: a sum may be taken in another order in a batch of another size, and no further. Rows of one
	// request are still run together, so asking for them in other groups may change last bits.
	Deterministic bool
}

// graphOptimizations are what Config.GraphOptimization can be.
var graphOptimizations = []string{"disable", "basic", "extended", "all"}

// ReadConfig reads config.json in dir. Where there is none, it returns the zero Config.
func ReadConfig(dir string) (Config, error) {
	file, err := OpenFile(os.OpenFile, filepath.Join(dir, "config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, nil
	}
	if err != nil {
		return Config{}, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, configSizeMax+1))
	if err == nil && len(text) > configSizeMax {
		err = fmt.Errorf("expected at most %d bytes", configSizeMax)
	}
	var c Config
	if err == nil {
		c, err = parseConfig(text)
	}
	if err != nil {
		return Config{}, fmt.Errorf("read config.json: %w", err)
	}
	return c, nil
}

func parseConfig(text []byte) (Config, error) {
	var c Config
	settings := c.settings()
	if err := checkJSON(text); err != nil {
		return c, err
	}
	err := members(text, func(key string, value json.RawMessage) error {
		read := settings[key]
		if read == nil {
			return unknownKey(key, slices.Sorted(maps.Keys(settings)))
		}
		if expected := read(value); expected != "" {
			return fmt.Errorf("%s: expected %s, got %s", key, expected, clip(string(value)))
		}
		return nil
	})
	if err != nil {
		return Config{}, err
	}
	return c, c.check()
}

// computingMax bounds the threads of a model's sessions taken together: many more than there are
// processors make nothing faster, and a system has only so many.
const computingMax = 256

// check tells whether the settings go together.
func (c *Config) check() error {
	switch {
	case c.DefaultPriority > max(c.PriorityLevels, 1):
		return fmt.Errorf("default_priority_level: expected at most the %d of priority_levels, got %d", max(c.PriorityLevels, 1), c.DefaultPriority)
	case c.Sessions*c.Threads > computingMax:
		return fmt.Errorf("threads: expected at most %d, as there are %d sessions and may be %d threads in all, got %d", computingMax/c.Sessions, c.Sessions, computingMax, c.Threads)
	case len(c.ProviderOptions) > 0 && (c.Provider == "" || c.Provider == "cpu"):
		return errors.New("execution_provider_options: expected none, as the execution_provider is cpu, which has none")
	case c.Deterministic && c.Threads > 1:
		return fmt.Errorf("threads: expected 1, as deterministic is true, got %d", c.Threads)
	case c.Deterministic && c.MaxQueueDelay > 0:
		return fmt.Errorf("max_queue_delay_microseconds: expected 0, as deterministic is true and nothing is waited for, got %d", c.MaxQueueDelay.Microseconds())
	case c.Deterministic && c.Provider != "" && c.Provider != "cpu":
		return fmt.Errorf("execution_provider: expected cpu, as deterministic is true, got %s", c.Provider)
	}
	return nil
}

// batching returns what a batcher is told of it.
func (c *Config) batching() batch.Options {
	return batch.Options{
		MaxRows: c.MaxBatchRows, Alone: c.Deterministic, Delay: c.MaxQueueDelay,
		QueueItems: c.MaxQueueItems, QueueRows: c.MaxQueueRows,
		PriorityLevels: c.PriorityLevels, DefaultPriority: c.DefaultPriority,
	}
}

// setting reads the value of one key, and returns "" or what was expected of it.
type setting func(json.RawMessage) (expected string)

// settings returns the keys that there are, each of which sets its field of c.
func (c *Config) settings() map[string]setting {
	const rowsMax, queueMax = 1 << 16, 1 << 24
	return map[string]setting{
		"sessions":       whole(1, computingMax, &c.Sessions),
		"threads":        whole(1, computingMax, &c.Threads),
		"max_batch_rows": whole(1, rowsMax, &c.MaxBatchRows),
		"max_queue_delay_microseconds": func(value json.RawMessage) string {
			var microseconds int
			expected := whole(0, 1_000_000, &microseconds)(value)
			c.MaxQueueDelay = time.Duration(microseconds) * time.Microsecond
			return expected
		},
		"max_queue_items":            whole(1, queueMax, &c.MaxQueueItems),
		"max_queue_rows":             whole(1, queueMax, &c.MaxQueueRows),
		"priority_levels":            whole(1, batch.PriorityLevelsMax, &c.PriorityLevels),
		"default_priority_level":     whole(1, batch.PriorityLevelsMax, &c.DefaultPriority),
		"warm_up_rows":               wholes(64, 1, rowsMax, &c.WarmUpRows),
		"graph_optimization_level":   oneOf(graphOptimizations, &c.GraphOptimization),
		"execution_provider":         word(&c.Provider),
		"execution_provider_options": texts(&c.ProviderOptions),
		"deterministic": func(value json.RawMessage) string {
			c.Deterministic = string(value) == "true"
			if !c.Deterministic && string(value) != "false" {
				return "true or false"
			}
			return ""
		},
	}
}

func whole(least, most int64, to *int) setting {
	return func(value json.RawMessage) string {
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < least || n > most {
			return fmt.Sprintf("a whole number from %d to %d", least, most)
		}
		*to = int(n)
		return ""
	}
}

func wholes(count int, least, most int64, to *[]int64) setting {
	return func(value json.RawMessage) string {
		var all []json.RawMessage
		if json.Unmarshal(value, &all) == nil && 0 < len(all) && len(all) <= count {
			*to = nil
			for _, one := range all {
				var n int
				if whole(least, most, &n)(one) != "" {
					break
				}
				*to = append(*to, int64(n))
			}
			if len(*to) == len(all) {
				return ""
			}
		}
		return fmt.Sprintf("a list of 1 to %d whole numbers from %d to %d", count, least, most)
	}
}

func oneOf(words []string, to *string) setting {
	return func(value json.RawMessage) string {
		if json.Unmarshal(value, to) != nil || !slices.Contains(words, *to) {
			return "one of " + strings.Join(words, ", ")
		}
		return ""
	}
}

func word(to *string) setting {
	return func(value json.RawMessage) string {
		if json.Unmarshal(value, to) != nil || *to == "" {
			return "a name"
		}
		return ""
	}
}

func texts(to *map[string]string) setting {
	return func(value json.RawMessage) string {
		*to = map[string]string{}
		err := members(value, func(key string, value json.RawMessage) error {
			var text *string // null is none
			if err := json.Unmarshal(value, &text); err != nil || text == nil {
				return errors.New("expected a string")
			}
			(*to)[key] = *text
			return nil
		})
		if err != nil {
			return "an object of strings, each given once"
		}
		return ""
	}
}
