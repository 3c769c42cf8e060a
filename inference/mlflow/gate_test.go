package mlflow

import (
	"net/http"
	"strings"
	"testing"

	"footballprediction/inference"
)

// post limits a fault to requests that change something.
func post(f fault) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost {
			f(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// What the gate said is read from a version's tags, and what overrules it is kept there.
func TestGate(t *testing.T) {
	name := register(t, tiny(t, "half_plus_two"), tiny(t, "third_plus_two"))
	p := newProxy(t)
	s := newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{})
	list(t, s, name)
	verdict := func(want inference.Verdict) {
		t.Helper()
		if got, err := s.Verdict(t.Context(), name, "2"); err != nil || got != want {
			t.Errorf("got %+v %v, want %+v", got, err, want)
		}
	}
	verdict(inference.Verdict{})
	tracking.Tag(t, name, "2", "gate.verdict", "refused")
	tracking.Tag(t, name, "2", "gate.reason", "not\npromoted"+strings.Repeat("!", 2000))
	verdict(inference.Verdict{Said: "refused", Reason: "not promoted" + strings.Repeat("!", reasonMax-len("not promoted")) + "…"})

	tracking.Tag(t, name, "2", "gate.reason", "worse")
	ben := inference.By{Actor: "ben", Reason: "we must"}
	tests := []struct {
		name  string
		fault fault
		want  string // of the error
		tags  map[string]string
	}{
		{"MLflow is down", dies, "GET /api/2.0/mlflow/model-versions/get: ", map[string]string{"gate.verdict": "refused", "gate.reason": "worse"}},
		{"another version's tags", only("/model-versions/get", rewrites(`"2"`, `"1"`)), "asked for version 2", map[string]string{"gate.verdict": "refused"}},
		{"MLflow takes nothing", post(answers(500, "{}")), "POST /api/2.0/mlflow/model-versions/set-tag: 500", map[string]string{"gate.verdict": "refused", "gate.reason": "worse"}},
		{"it is kept", nil, "", map[string]string{"gate.verdict": "forced", "gate.reason": "we must (the gate: worse)", "gate.actor": "ben"}},
		{"once more", nil, "", map[string]string{"gate.verdict": "forced", "gate.reason": "we must (the gate: worse)", "gate.actor": "ben"}},
	}
	for _, test := range tests {
		p.misbehave(test.fault)
		err := s.Overrule(t.Context(), name, "2", ben)
		if test.want == "" && err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if test.want != "" {
			wants(t, test.name, err, test.want)
		}
		p.misbehave(nil)
		got := tracking.Tags(t, name, "2")
		for key, value := range test.tags {
			if got[key] != value {
				t.Errorf("%s: tag %s is %q, want %q", test.name, key, got[key], value)
			}
		}
	}

	// The models that came with the program never came before a gate.
	if got, err := s.Verdict(t.Context(), "other", "1"); err != nil || got != (inference.Verdict{}) {
		t.Errorf("got %+v %v", got, err)
	}
	if err := s.Overrule(t.Context(), "other", "1", ben); err != nil {
		t.Error(err)
	}
}

// A new champion leaves the alias "previous" to the one before; where that cannot be, it is not moved.
func TestSetAliasKeepsThePrevious(t *testing.T) {
	name := register(t, tiny(t, "half_plus_two"), tiny(t, "third_plus_two"))
	p := newProxy(t)
	s := newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{})
	list(t, s, name)
	set := func(alias, version string) error { return s.SetAlias(t.Context(), name, alias, version) }
	aliases := func(champion, previous string) {
		t.Helper()
		if got := tracking.Aliased(t, name, inference.Champion); got != champion {
			t.Errorf("champion is %s, want %s", got, champion)
		}
		if got := tracking.Aliased(t, name, inference.Previous); got != previous {
			t.Errorf("previous is %s, want %s", got, previous)
		}
	}
	if err := set(inference.Champion, "1"); err != nil {
		t.Fatal(err)
	}
	aliases("1", "2")
	if err := set(inference.Champion, "1"); err != nil { // which it is
		t.Fatal(err)
	}
	aliases("1", "2")
	for what, f := range map[string]fault{"reading fails": only("/registered-models/get", dies), "writing fails": post(dies)} {
		p.misbehave(f)
		if err := set(inference.Champion, "2"); err == nil {
			t.Errorf("%s: no error", what)
		}
		p.misbehave(nil)
		aliases("1", "2")
	}
	if err := set("challenger", "2"); err != nil {
		t.Fatal(err)
	}
	aliases("1", "2")
}

// The version to go back to is the one that served before, whoever moved the champion, and whether or
// not MLflow's own alias "previous" moved with it.
func TestPreviousFollowsTheChampion(t *testing.T) {
	half := tiny(t, "half_plus_two")
	name := register(t, half, half, half, half)
	tracking.Alias(t, name, inference.Champion, "1")
	dir := t.TempDir()
	s := newSource(t, tracking.URL, dir, t.TempDir(), Options{})
	steps := []struct {
		what     string
		previous string // moved first; "": it stays
		champion string
		restart  bool
		want     string
	}{
		{what: "nothing was before", champion: "1"},
		{what: "moved by hand", champion: "2", want: "1"},
		{what: "by a promotion", previous: "2", champion: "3", want: "2"},
		{what: "nothing happens", champion: "3", want: "2"},
		{what: "by hand, and the alias is left behind", champion: "4", want: "3"},
		{what: "nothing happens then", champion: "4", want: "3"},
		{what: "after a restart", champion: "4", restart: true, want: "3"},
		{what: "another is named by hand", previous: "1", champion: "4", want: "1"},
		{what: "it stays", champion: "4", want: "1"},
		{what: "by a promotion during a restart", previous: "4", champion: "2", restart: true, want: "4"},
		{what: "back", previous: "2", champion: "4", want: "2"},
	}
	for _, step := range steps {
		if step.previous != "" {
			tracking.Alias(t, name, inference.Previous, step.previous)
		}
		tracking.Alias(t, name, inference.Champion, step.champion)
		if step.restart {
			s = newSource(t, tracking.URL, dir, t.TempDir(), Options{})
		}
		wish := list(t, s, name)
		if got := wish.Aliases[inference.Previous]; got != step.want || wish.Err != nil || step.want != "" && wish.Revisions[step.want] == "" {
			t.Errorf("%s: previous is %q, want %q: %+v", step.what, got, step.want, wish)
		}
	}
}
