package main

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// A state is simulated: the table for a person, and what the server would answer, which is the same to
// the byte however many processors there are.
func TestSimulate(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	runOK(t, "features", "export", "--data", writeHistory(t), "--state", state)
	simulate := func(environment []string, args ...string) string {
		r := runWith(t, environment, append([]string{"simulate", "E0", "--state", state, "--seasons", "3000"}, args...)...)
		if r.status != 0 {
			t.Fatalf("%v: status %d\n%s", args, r.status, r.stderr)
		}
		return r.stdout
	}
	table := simulate(nil, "--seed", "5")
	for _, want := range []string{"0 matches played, 90 to come, 3000 seasons with seed 5", "E0 Town A", "down", "Beware", "no fixture list is known"} {
		if !strings.Contains(table, want) {
			t.Errorf("want %q in\n%s", want, table)
		}
	}
	answer := simulate(nil, "--seed", "5", "--json")
	if again := simulate([]string{"GOMAXPROCS=1"}, "--seed", "5", "--json"); again != answer {
		t.Error("one processor: another answer")
	}
	if again := simulate([]string{"GOMAXPROCS=7"}, "--seed", "5", "--json"); again != answer {
		t.Error("seven processors: another answer")
	}
	if other := simulate(nil, "--seed", "6", "--json"); other == answer {
		t.Error("another seed: the same answer")
	}
	var response pb.SimulateSeasonResponse
	if err := protojson.Unmarshal([]byte(answer), &response); err != nil {
		t.Fatal(err)
	}
	var titles, relegations float64
	for _, team := range response.Teams {
		titles += team.TitleProbability
		relegations += team.RelegationProbability
	}
	if len(response.Teams) != 10 || math.Abs(titles-1) > 1e-9 || math.Abs(relegations-3) > 1e-9 || !response.Illustrative {
		t.Errorf("%d teams, %v titles, %v relegated", len(response.Teams), titles, relegations)
	}

	played := runOK(t, "simulate", "E0", "--state", state, "--season", "2025-26", "--seasons", "10").stdout
	if !strings.Contains(played, "90 matches played, 0 to come") || strings.Count(played, "100.0%") != 4 || strings.Contains(played, "Model") {
		t.Errorf("a season that is over:\n%s", played)
	}
}

func TestSimulateWrongly(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "expected 1 arguments, got 0"},
		{[]string{"XX"}, `competition unknown: "XX"`},
		{[]string{"E0", "--season", "1900-01"}, `season "1900-01" of E0: expected 2024-25`},
		{[]string{"E0", "--seasons", "0"}, "--seasons: expected 1 to 1000000, got 0"},
		{[]string{"E0", "--seasons", "-4"}, "--seasons: expected 1 to 1000000, got -4"},
		{[]string{"E0", "--seasons", "1000001"}, "simulations: expected 1 to 1000000, got 1000001"},
		{[]string{"E0", "--seed", "-1"}, `--seed: expected a whole number from 0 to 18446744073709551615, got "-1"`},
		{[]string{"E0", "--seed", "18446744073709551616"}, `got "18446744073709551616"`},
		{[]string{"E0", "--seasons", "many"}, `--seasons: expected a whole number from -2147483648 to 2147483647, got "many"`},
		{[]string{"E0", "--json=maybe"}, `--json: expected true or false, got "maybe"`},
	} {
		if r := run(t, append([]string{"simulate"}, c.args...)...); r.status != exitUsage || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: status %d, %s", c.args, r.status, r.stderr)
		}
	}
}
