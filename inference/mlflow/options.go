package mlflow

import (
	"fmt"
	"log/slog"
	"time"
)

// Options of a Source.
type Options struct {
	// Limits bound what a server can cost.
	Limits Limits
	// Routed, if not nil, returns versions of a model that are to be served beside those that aliases
	// name.
	Routed func(model string) []string
	// Logger is told of what is refused and given up; nil means that nobody is.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Limits bound what a server, or whoever answers in its place, can cost. A zero field means its default.
type Limits struct {
	// Files is how many files and folders a version may have, and Depth how deep they may nest:
	// 1000 and 8.
	Files, Depth int
	// FileBytes is the size of a version's largest file, and VersionBytes of all its files: 2 and 4 GiB.
	FileBytes, VersionBytes int64
	// StoreBytes is how much all copies on disk may take together; those that are in use or wanted are
	// never removed to stay below it: 16 GiB.
	StoreBytes int64
	// Stall is how long a request may wait for its next byte: 5 s.
	Stall time.Duration
	// List and Fetch are how long a List and the fetching of one version may take: 10 s and 5 min.
	List, Fetch time.Duration
	// Retry is the delay before a request that failed is made again, doubled for the next: 200 ms,
	// give or take half.
	Retry time.Duration
	// Recovery is how long nothing is asked of a server that has failed several times in a row: 5 s.
	Recovery time.Duration
	// Rest is the longest that a server which asks to be left alone (Retry-After) is: 1 min.
	Rest time.Duration
	// Refetch is how long a version that failed to load is left alone before its files are fetched
	// again, doubled each time up to an hour: 1 min.
	Refetch time.Duration
}

func (l *Limits) complete() error {
	for _, field := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"Stall", &l.Stall, 5 * time.Second},
		{"List", &l.List, 10 * time.Second},
		{"Fetch", &l.Fetch, 5 * time.Minute},
		{"Retry", &l.Retry, 200 * time.Millisecond},
		{"Recovery", &l.Recovery, 5 * time.Second},
		{"Rest", &l.Rest, time.Minute},
		{"Refetch", &l.Refetch, time.Minute},
	} {
		if err := complete(field.name, field.value, field.def); err != nil {
			return err
		}
	}
	for _, field := range []struct {
		name  string
		value *int64
		def   int64
	}{
		{"FileBytes", &l.FileBytes, 2 << 30},
		{"VersionBytes", &l.VersionBytes, 4 << 30},
		{"StoreBytes", &l.StoreBytes, 16 << 30},
	} {
		if err := complete(field.name, field.value, field.def); err != nil {
			return err
		}
	}
	if err := complete("Files", &l.Files, 1000); err != nil {
		return err
	}
	return complete("Depth", &l.Depth, 8)
}

func complete[T int | int64 | time.Duration](name string, value *T, def T) error {
	if *value < 0 {
		return fmt.Errorf("mlflow: Limits.%s: expected 0 or more, got %v", name, *value)
	}
	if *value == 0 {
		*value = def
	}
	return nil
}
