package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// Odds move what is printed, and not what the model is said to have thought.
func TestPredictWithOddsExplained(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	runOK(t, "features", "export", "--data", writeHistory(t), "--state", state)
	ask := []string{"predict", "E0 Town A", "E0 Town B", "--date", "2026-12-05", "--state", state}
	plain := runOK(t, ask...).stdout
	explained := runOK(t, append(ask, "--explain")...).stdout
	if strings.Contains(plain, "Why") || !strings.Contains(explained, plain[:strings.Index(plain, "\nModel")]) {
		t.Errorf("explained:\n%s\nplain:\n%s", explained, plain)
	}
	_, why, _ := strings.Cut(explained, "\nWhy")
	_, model, _ := strings.Cut(why, "The model")
	model, _, _ = strings.Cut(model, "\n")
	for _, line := range strings.Split(plain, "\n")[2:5] { // the match result
		if share := strings.Fields(line)[len(strings.Fields(line))-2]; !strings.Contains(model, share) {
			t.Errorf("the model: want %s in %q", share, model)
		}
	}
	if !strings.Contains(why, "An average match") || !strings.Contains(why, "elo") {
		t.Errorf("why:\n%s", why)
	}
	// Inverses of .5, .3 and .25.
	moved := runOK(t, append(ask, "--explain", "--odds", "2, 3.3333333333,4")...).stdout
	for _, want := range []string{" 47.6%", " 28.6%", " 23.8%", "The model" + model} {
		if !strings.Contains(moved, want) {
			t.Errorf("odds: want %q in\n%s", want, moved)
		}
	}
}

func TestPredictWrongly(t *testing.T) {
	const three = "--odds: expected three decimal numbers HOME,DRAW,AWAY, such as 2.1,3.4,3.6, got "
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"Arsenal"}, "expected 2 arguments, got 1"},
		{[]string{"Arsenal", "Chelsae"}, "did you mean"},
		{[]string{"Arsenal", "Arsenal"}, "Arsenal"},
		{[]string{"Arsenal", "Chelsea", "--date", "yesterday"}, "date"},
		{[]string{"Arsenal", "Chelsea", "--odds", "2.1"}, three + "1"},
		{[]string{"Arsenal", "Chelsea", "--odds", "2.1,3.4,3.6,4"}, three + "4"},
		{[]string{"Arsenal", "Chelsea", "--odds", "2.1,,3.6"}, three + `"2.1,,3.6"`},
		{[]string{"Arsenal", "Chelsea", "--odds", "evens,3,3"}, three + `"evens,3,3"`},
		{[]string{"Arsenal", "Chelsea", "--odds", "1,3.4,3.6"}, "odds.home: expected a finite decimal number over 1, got 1"},
		{[]string{"Arsenal", "Chelsea", "--odds", "2,NaN,3.6"}, "odds.draw: expected a finite decimal number over 1, got NaN"},
		{[]string{"Arsenal", "Chelsea", "--odds", "0,0,0"}, "odds: expected home, draw and away"},
		{[]string{"Arsenal", "Chelsea", "--odds", "9,9,9"}, "from 0.98 to 1.25, got 0.333"},
		{[]string{"Arsenal", "Chelsea", "--explain=perhaps"}, `--explain: expected true or false, got "perhaps"`},
	} {
		if r := run(t, append([]string{"predict"}, c.args...)...); r.status != exitUsage || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: status %d, %s", c.args, r.status, r.stderr)
		}
	}
}
