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
		{"once more", nil, "", map[string]string{"gate.verdict": "forced", "gate.reason": "we must", "gate.actor": "ben"}},
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
