package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseCPU(t *testing.T) {
	got, err := parseCPU("123 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0")
	if err != nil || got != 3*time.Second {
		t.Errorf("expected 3s, got %v (%v)", got, err)
	}
	for _, bad := range []string{"", "123 (a) S 1 2", "123 (a) S 1 2 3 4 5 6 7 8 9 10 x 50 0"} {
		if _, err := parseCPU(bad); err == nil {
			t.Errorf("%q: expected an error", bad)
		}
	}
}

func TestParseMemory(t *testing.T) {
	got, err := parseMemory("heap profile: 1\n# Alloc = 3\n# TotalAlloc = 4096\n# Mallocs = 17\n# Frees = 2\n")
	if err != nil || got != (memory{17, 4096}) {
		t.Errorf("expected 17 objects of 4096 bytes, got %+v (%v)", got, err)
	}
	for _, bad := range []string{"", "# Mallocs = 17\n", "# Mallocs = 99999999999999999999\n# TotalAlloc = 1\n"} {
		if _, err := parseMemory(bad); err == nil {
			t.Errorf("%q: expected an error", bad)
		}
	}
}

const h2loadReport = `finished in 961.82ms, 31190.84 req/s, 10.04MB/s
requests: 30000 total, 30000 started, 30000 done, 30000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 30000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 9.66MB (10128704) total, 58.78KB (60192) headers (space savings 94.72%), 8.77MB (9060000) data
`

func TestParseH2load(t *testing.T) {
	got, err := parseH2load(h2loadReport, 30_000)
	if want := (saturated{seconds: .96182, bytes: 297}); err != nil || got != want {
		t.Errorf("expected %+v, got %+v (%v)", want, got, err)
	}
	for what, bad := range map[string]string{
		"nothing":       "",
		"failures":      strings.Replace(h2loadReport, "30000 succeeded, 0 failed", "29999 succeeded, 1 failed", 1),
		"no time":       strings.Replace(h2loadReport, "finished in", "finished", 1),
		"unlikely time": strings.Replace(h2loadReport, "961.82ms", "9.6.1ms", 1),
	} {
		if _, err := parseH2load(bad, 30_000); err == nil {
			t.Errorf("%s: expected an error", what)
		}
	}
}
