package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// modelStatistics is what the server says of a model over REST, as far as perf_analyzer reports it.
type modelStatistics struct {
	Inferences float64 `json:"inference_count"`
	Executions float64 `json:"execution_count"`
	Totals     struct {
		Success statisticDuration `json:"success"`
		Queue   statisticDuration `json:"queue"`
		Input   statisticDuration `json:"compute_input"`
		Infer   statisticDuration `json:"compute_infer"`
		Output  statisticDuration `json:"compute_output"`
	} `json:"inference_stats"`
}

type statisticDuration struct {
	Count float64 `json:"count"`
	NS    float64 `json:"ns"`
}

// A recorder passes HTTP on to a server, and keeps what perf_analyzer asks for before and after each
// of its windows: the statistics, and how many inferences have passed.
type recorder struct {
	mu       sync.Mutex
	answered float64
	seen     []snapshot
}

type snapshot struct {
	modelStatistics
	answered float64
}

func (rec *recorder) record(response *http.Response) error {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	switch path := response.Request.URL.Path; {
	case strings.HasSuffix(path, "/infer") && response.StatusCode == http.StatusOK:
		rec.answered++
	case strings.HasSuffix(path, "/stats"):
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		response.Body = io.NopCloser(bytes.NewReader(body))
		var answer struct {
			Models []modelStatistics `json:"model_stats"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		rec.seen = append(rec.seen, snapshot{answer.Models[0], rec.answered})
	}
	return nil
}

// perfAnalyzer measures toil with Triton's perf_analyzer, as PyPI has it, and returns its report.
func perfAnalyzer(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	input := filepath.Join(dir, "input.json")
	if err := os.WriteFile(input, []byte(`{"data": [{"id": [7], "rounds": [200]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tool := filepath.Join(repository, ".tmp", "perf_analyzer", "perf_analyzer")
	cmd := exec.CommandContext(t.Context(), tool, append([]string{
		"-m", "toil", "--input-data", input, "--shape", "id:1", "--shape", "rounds:1", "--concurrency-range", "4",
		"--measurement-mode", "count_windows", "--measurement-request-count", "200", "--stability-percentage", "99",
	}, args...)...)
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Fatalf("%s: %v: run `make setup`", tool, err)
	}
	return string(output)
}

// reported returns the number in a report that follows some words.
func reported(t *testing.T, report, words string) float64 {
	t.Helper()
	found := regexp.MustCompile(words + `:? ([0-9.]+)`).FindStringSubmatch(report)
	if found == nil {
		t.Fatalf("no %q in the report", words)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// agree expects two numbers to be within 2% of one another, or as near as microseconds are rounded.
func agree(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > max(.02*want, 1) {
		t.Errorf("%s: perf_analyzer reports %v, the server %v", what, got, want)
	}
}

// What perf_analyzer reports of a server is what the server's statistics say, and what has passed
// between them.
func TestPerfAnalyzer(t *testing.T) {
	s := startWithTinyModels(t, "toil")
	rec := new(recorder)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: strings.TrimPrefix(s.http, "http://")})
	proxy.ModifyResponse = rec.record
	between := httptest.NewServer(proxy)
	t.Cleanup(between.Close)
	report := perfAnalyzer(t, "-i", "http", "-u", strings.TrimPrefix(between.URL, "http://"))

	// It asks before the first window and after each, and reports the last three together.
	const windows = 3
	if len(rec.seen) <= windows {
		t.Fatalf("%d questions for statistics, want one more than %d windows", len(rec.seen), windows)
	}
	first, last := rec.seen[len(rec.seen)-1-windows], rec.seen[len(rec.seen)-1]
	before, after := first.Totals, last.Totals
	n := after.Success.Count - before.Success.Count
	mean := func(before, after statisticDuration) float64 { return (after.NS - before.NS) / n / 1000 } // µs
	agree(t, "requests", reported(t, report, "Request count"), n)
	agree(t, "answers that passed", last.answered-first.answered, n)
	agree(t, "inferences", reported(t, report, "Inference count"), last.Inferences-first.Inferences)
	agree(t, "executions", reported(t, report, "Execution count"), last.Executions-first.Executions)
	agree(t, "successes", reported(t, report, "Successful request count"), n)
	agree(t, "mean time", reported(t, report, "Avg request latency"), mean(before.Success, after.Success))
	agree(t, "queue", reported(t, report, "queue"), mean(before.Queue, after.Queue))
	agree(t, "compute input", reported(t, report, "compute input"), mean(before.Input, after.Input))
	agree(t, "compute", reported(t, report, "compute infer"), mean(before.Infer, after.Infer))
	agree(t, "compute output", reported(t, report, "compute output"), mean(before.Output, after.Output))
}

// Over gRPC, in calls and on streams, as many are answered as the server says.
func TestPerfAnalyzerOverGRPC(t *testing.T) {
	s := startWithTinyModels(t, "toil")
	for name, args := range map[string][]string{"calls": nil, "streams": {"--streaming", "--async"}} {
		t.Run(name, func(t *testing.T) {
			report := perfAnalyzer(t, append([]string{"-i", "grpc", "-u", s.grpc}, args...)...)
			n := reported(t, report, "Successful request count")
			agree(t, "requests", reported(t, report, "Request count"), n)
			agree(t, "inferences", reported(t, report, "Inference count"), n)
			if client, server := reported(t, report, "Avg latency"), reported(t, report, "Avg request latency"); server < 1 || server > client {
				t.Errorf("%v µs in the server, %v µs seen from outside", server, client)
			}
		})
	}
}
