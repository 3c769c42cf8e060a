package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"footballprediction/features"
	"footballprediction/features/store"
	"footballprediction/serving"
)

// TestPastOddsStory tells how somebody who has a history of odds serves a model of their own: the state
// of that recipe is served with a model trained on its schema, and with no other.
func TestPastOddsStory(t *testing.T) {
	work, history := t.TempDir(), writeHistory(t)
	state, training := filepath.Join(work, "state"), filepath.Join(work, "features.parquet")
	if r := runOK(t, "features", "export", "--recipe", "past-odds", "--data", history, "--state", state, "--parquet", training); !strings.Contains(r.stderr, "180 matches before the second season of odds left out") {
		t.Error(r.stderr)
	}
	recipe, err := features.FindRecipe("past-odds")
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := store.Load(state)
	if err != nil || loaded.Snapshot.SchemaHash != recipe.Schema.Hash {
		t.Fatal(loaded.Snapshot.SchemaHash, err)
	}
	if out := runOK(t, "features", "show", "E0 Town A", "E0 Town B", "--date", "2026-12-05", "--state", state).stdout; !strings.Contains(out, "market_difference ") || !strings.Contains(out, recipe.Schema.Hash) {
		t.Error(out)
	}

	predict := []string{"predict", "E0 Town A", "E0 Town B", "--date", "2026-12-05", "--state", state}
	if r := run(t, predict...); r.status == 0 || !strings.Contains(r.stderr, "expected "+recipe.Schema.Hash) {
		t.Errorf("a released model served with a state of another recipe: %s%s", r.stdout, r.stderr)
	}
	models := filepath.Join(work, "models")
	pastOddsModel(t, recipe.Schema, filepath.Join(models, serving.DefaultModel, "1"))
	if out := runOK(t, append(predict, "--models", models)...).stdout; !strings.Contains(out, "match-outcome version 1") {
		t.Error(out)
	}
	if out := runOK(t, "models", "verify", "--models", models).stdout; !strings.Contains(out, "version 1: ok") {
		t.Error(out)
	}
	if r := run(t, "predict", "Arsenal", "Chelsea", "--models", models); r.status == 0 {
		t.Errorf("a model of past odds served without their states: %s", r.stdout)
	}
	backtest := []string{"backtest", "--data", history, "--from", "2026-01-01", "--to", "2026-06-30", "--model", filepath.Join(models, serving.DefaultModel, "1"), "--out", filepath.Join(work, "out.csv")}
	if out := runOK(t, append(backtest, "--with-odds", "B365")...).stdout; !strings.Contains(out, "with the odds of B365") || !strings.Contains(out, "exact score NLL") || !strings.Contains(out, "\nE0 ") {
		t.Error(out)
	}

	without := filepath.Join(work, "E0.csv")
	if err := os.WriteFile(without, []byte("Div,Date,HomeTeam,AwayTeam,FTHG,FTAG\nE0,17/08/24,Arsenal,Fulham,1,0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := run(t, "features", "export", "--recipe", "past-odds", "--data", without, "--state", state); r.status != exitFailed || !strings.Contains(r.stderr, "odds to learn from") {
		t.Errorf("no odds: status %d, %s", r.status, r.stderr)
	}
	if r := run(t, "features", "export", "--recipe", "tea-leaves", "--data", history, "--state", state); r.status != exitUsage || !strings.Contains(r.stderr, "--recipe: expected match or past-odds") {
		t.Errorf("no such recipe: status %d, %s", r.status, r.stderr)
	}
}

// TestFixturesStory tells how a fixture list of openfootball comes to be listed by the server.
func TestFixturesStory(t *testing.T) {
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "state")
	folder := filepath.Join(dir, "2024-25")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	const file = `{"name":"English Premier League 2024/25","matches":[
	{"round":"Matchday 1","date":"2024-08-17","time":"15:00","team1":"Arsenal FC","team2":"Fulham FC","score":{"ft":[1,0]}},
	{"round":"Matchday 1","date":"2024-08-17","team1":"Chelsea FC","team2":"Everton FC","score":{"ft":[1,1]}},
	{"round":"Matchday 2","date":"2024-08-17","team1":"Chelsea FC","team2":"Arsenal FC","score":{}},
	{"round":"Matchday 3","date":"2024-08-31","team1":"Arsenal FC","team2":"Chelsea FC","score":{}},
	{"round":"Matchday 3","date":"2024-08-31","team1":"Fulham FC","team2":"Ipswich Town FC","score":{}}]}`
	if err := os.WriteFile(filepath.Join(folder, "en.1.json"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := runOK(t, "features", "export", "--data", dir, "--state", state); !strings.Contains(r.stderr, "read 5 matches") || !strings.Contains(r.stderr, "3 scheduled") {
		t.Error(r.stderr)
	}
	loaded, err := store.Load(state)
	if err != nil {
		t.Fatal(err)
	}
	var scheduled []string
	for _, m := range loaded.Matches {
		if m.Status == features.Scheduled {
			scheduled = append(scheduled, m.ID)
		}
	}
	if got := strings.Join(scheduled, " "); got != "E0-20240831-arsenal-chelsea" { // of clubs that have played, and to come
		t.Errorf("scheduled: %s", got)
	}
}

// pastOddsModel makes a version of a match model for the schema.
func pastOddsModel(t *testing.T, schema features.Schema, dir string) {
	t.Helper()
	python := filepath.Join(filepath.Dir(filepath.Dir(program)), "models", ".venv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("Python with onnx: %v: run `make setup`", err)
	}
	args := []string{filepath.Join("testdata", "linear_model.py"), dir, schema.Hash}
	for _, f := range schema.Features {
		args = append(args, f.Name)
	}
	if out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
