package mlflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footballprediction/inference"
)

// folder makes a fallback with versions of models, such as "m/1".
func folder(t *testing.T, versions ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, version := range versions {
		at := filepath.Join(dir, version)
		if err := os.MkdirAll(at, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, data := range tiny(t, "half_plus_two") {
			if err := os.WriteFile(filepath.Join(at, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// brief formats what is wanted of a model, without its error.
func brief(w inference.Aspired) string {
	return fmt.Sprint(w.Versions, " ", w.Aliases, " -> ", w.Serving)
}

func TestList(t *testing.T) {
	files := tiny(t, "half_plus_two")
	name := register(t, files, files, files, files)
	tracking.Alias(t, name, inference.Champion, "2")
	tracking.Alias(t, name, "challenger", "4")
	tracking.Alias(t, name, "the-same", "2")
	for _, other := range []string{"no-champion", "state", "with space"} {
		version := tracking.Register(t, other, files)
		t.Cleanup(func() { tracking.DeleteModel(t, other) })
		if other != "no-champion" {
			tracking.Alias(t, other, inference.Champion, version)
		}
	}
	var log strings.Builder
	s := newSource(t, tracking.URL, t.TempDir(), folder(t, name+"/7", "released/1", "no-champion/3"), Options{})
	s.options.Logger = slog.New(slog.NewTextHandler(&log, nil))

	wish := list(t, s, name)
	if got, want := brief(wish), "[2 4] map[challenger:4 champion:2 the-same:2] -> 2"; got != want || wish.Err != nil {
		t.Errorf("got %s %v\nwant %s", got, wish.Err, want)
	}
	if r := wish.Revisions; len(r) != 2 || r["2"] == "" || r["2"] == r["4"] {
		t.Errorf("revisions: got %v", r)
	}
	for model, want := range map[string]string{"released": "[1] map[] -> 1", "no-champion": "[3] map[] -> 3"} {
		if wish := list(t, s, model); brief(wish) != want || wish.Err != nil {
			t.Errorf("%s of the fallback: got %s %v\nwant %s", model, brief(wish), wish.Err, want)
		}
	}
	for other, expected := range map[string]string{"state": "model=state expected=\"another name, this one is reserved", "with space": "expected=\"a name of letters, digits"} {
		if wish := list(t, s, other); wish.Name != "" || !s.passedOver[other] || !strings.Contains(log.String(), expected) {
			t.Errorf("%q is no model's name: got %s, and told %s", other, brief(wish), log.String())
		}
	}
	if _, err := s.Fetch(t.Context(), "released", "1"); err != nil {
		t.Errorf("a model of the fallback: %v", err)
	}
	if _, err := s.Fetch(t.Context(), name, "3"); err == nil {
		t.Error("a version that no alias names was fetched")
	}
}

// What can be the matter with one model: its wish says so, and the others go on.
func TestListModelFaults(t *testing.T) {
	const search, get = "/registered-models/search", "/model-versions/get"
	tests := []struct {
		name        string
		fault       fault
		disturb     func(t *testing.T, model string)
		want, serve string // of Err, and brief
	}{
		{"pending", only(get, rewrites(`"READY"`, `"PENDING_REGISTRATION"`)), nil,
			`alias "champion": version 2: expected status READY, got PENDING_REGISTRATION`, "[] map[champion:2] -> 2"},
		{"failed", only(get, rewrites(`"READY"`, `"FAILED_REGISTRATION", "status_message": "no space"`)), nil,
			`expected status READY, got FAILED_REGISTRATION no space`, "[] map[champion:2] -> 2"},
		{"a version that is missing", only(search, rewrites(`"2"`, `"9"`)), nil,
			"(name=%s, version=9) not found", "[] map[champion:9] -> 9"},
		{"no version", only(search, rewrites(`"2"`, `"../2"`)), nil,
			`alias "champion": expected a version such as "2", got "../2"`, "[] map[] -> "},
		{"another version than asked", only(get, rewrites(`"2"`, `"3"`)), nil, `asked for version 2 of "%s", got "3"`, "[] map[champion:2] -> 2"},
		{"one answer fails", only(get, dies), nil, "alias \"champion\": version 2: GET", "[] map[champion:2] -> 2"},
		{"an alias that is a number", nil, func(t *testing.T, model string) { tracking.Alias(t, model, "12", "1") },
			`alias "12": expected a name that is no version`, "[2] map[champion:2] -> 2"},
		{"an alias too long", only(search, rewrites(`"champion"`, `"champion", "version": "2"}, {"alias": "`+strings.Repeat("x", 256)+`"`)), nil,
			"expected a name that is no version", "[2] map[champion:2] -> 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := tiny(t, "half_plus_two")
			name := register(t, files, files)
			if test.disturb != nil {
				test.disturb(t, name)
			}
			p := newProxy(t)
			s := newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{})
			p.misbehave(test.fault)
			wish := list(t, s, name)
			want := test.want
			if strings.Contains(want, "%s") {
				want = fmt.Sprintf(want, name)
			}
			wants(t, "list", wish.Err, want)
			if got := brief(wish); got != test.serve {
				t.Errorf("got %s\nwant %s", got, test.serve)
			}
		})
	}
}

func TestListManyAliases(t *testing.T) {
	files := tiny(t, "half_plus_two")
	name := register(t, files, files)
	for i := range aliasesMax + 1 {
		tracking.Alias(t, name, fmt.Sprintf("a%02d", i), "1")
	}
	s := newSource(t, tracking.URL, t.TempDir(), t.TempDir(), Options{})
	wish := list(t, s, name)
	wants(t, "list", wish.Err, "a model may have at most 50")
	if wish.Aliases[inference.Champion] != "2" || wish.Serving != "2" || len(wish.Versions) != 2 {
		t.Errorf("got %s", brief(wish))
	}
}

// A model goes on with its last champion until MLflow names another, or knows the model no more.
func TestListChampionGone(t *testing.T) {
	files := tiny(t, "half_plus_two")
	name := register(t, files, files)
	p := newProxy(t)
	s := newSource(t, p.URL, t.TempDir(), folder(t, name+"/9"), Options{})
	first := list(t, s, name)

	tracking.DeleteAlias(t, name, inference.Champion)
	wish := list(t, s, name)
	wants(t, "alias deleted", wish.Err, `it has no alias "champion" any more, and goes on with the last`)
	if brief(wish) != brief(first) {
		t.Errorf("alias deleted: got %s", brief(wish))
	}
	tracking.Alias(t, name, inference.Champion, "2")
	if wish := list(t, s, name); wish.Err != nil || brief(wish) != brief(first) {
		t.Errorf("alias set again: got %s %v", brief(wish), wish.Err)
	}
	tracking.DeleteVersion(t, name, "2")
	if wish := list(t, s, name); wish.Err == nil || brief(wish) != brief(first) {
		t.Errorf("version deleted: got %s %v", brief(wish), wish.Err)
	}

	// A search that misses a model between two pages does not count.
	tracking.Alias(t, name, inference.Champion, "1")
	p.misbehave(only("/registered-models/search", says(`{}`)))
	if wish := list(t, s, name); wish.Err != nil || wish.Serving != "1" {
		t.Errorf("missed by the search: got %s %v", brief(wish), wish.Err)
	}
	// Nor one after which the model cannot be asked for.
	p.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		only("/registered-models/search", says(`{}`))(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { dies(w, r, next) }))
	})
	if wish := list(t, s, name); wish.Err == nil || wish.Serving != "1" {
		t.Errorf("not to be asked for: got %s %v", brief(wish), wish.Err)
	}

	p.misbehave(nil)
	tracking.DeleteModel(t, name)
	if wish := listSoon(t, s, name); wish.Err != nil || brief(wish) != "[9] map[] -> 9" {
		t.Errorf("model deleted: got %s %v", brief(wish), wish.Err)
	}
	// The same numbers mean another version now.
	tracking.Alias(t, name, inference.Champion, tracking.Register(t, name, files))
	if wish := list(t, s, name); wish.Serving != "1" || wish.Revisions["1"] == first.Revisions["1"] || wish.Err != nil {
		t.Errorf("registered anew: got %s %v", brief(wish), wish.Err)
	}
}

// listSoon lists until MLflow's answer is in: the breaker may take a moment.
func listSoon(t *testing.T, s *Source, model string) inference.Aspired {
	t.Helper()
	for range 100 {
		if wish := list(t, s, model); wish.Err == nil {
			return wish
		}
		<-time.After(5 * time.Millisecond)
	}
	return list(t, s, model)
}

// Whatever comes in place of MLflow's answer: what it said before goes on, and the error says since
// when and why, in the same words as long as it lasts.
func TestListFaults(t *testing.T) {
	name := register(t, tiny(t, "half_plus_two"))
	tests := []struct {
		name  string
		fault fault
		want  string
	}{
		{"closes the connection", dies, "EOF"},
		{"a page", answers(200, "<!doctype html><title>Sign in</title>"), "expected JSON, got text/html"},
		{"500", answers(500, ""), "500 Internal Server Error"},
		{"404 of something else", answers(404, "", "Content-Type", "text/plain"), "404 Not Found, and text/plain in place of MLflow's error"},
		{"not JSON", says("MLflow"), "expected MLflow's JSON"},
		{"other JSON", says(`{"registered_models": {}}`), "expected MLflow's JSON"},
		{"endless", endless, "expected at most 16777216 bytes of JSON"},
		{"endless pages", says(`{"next_page_token": "again"}`), "expected at most 10000 registered models"},
		{"hangs", hangs, "it took too long altogether"},
		{"redirects", answers(302, "", "Location", "http://192.0.2.1/login"), "redirected to another server, http://192.0.2.1: refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newProxy(t)
			now := time.Date(2026, 12, 5, 15, 0, 0, 0, time.UTC)
			s := newSource(t, p.URL, t.TempDir(), folder(t, name+"/9", "released/1"),
				Options{Limits: Limits{List: 2 * time.Second}, Now: func() time.Time { return now }})
			p.misbehave(test.fault)
			wish := list(t, s, name)
			wants(t, "at the start", wish.Err, "MLflow at "+p.URL+" has not answered since the start at 2026-12-05T15:00:00Z: ")
			wants(t, "at the start", wish.Err, test.want)
			wants(t, "at the start", wish.Err, "; the version that came with the program serves")
			if got := brief(wish); got != "[9] map[] -> 9" {
				t.Errorf("at the start: got %s", got)
			}
			p.misbehave(nil)
			if wish := listSoon(t, s, name); wish.Err != nil || wish.Serving != "1" {
				t.Fatalf("once it is well: got %s %v", brief(wish), wish.Err)
			}
			if wish := list(t, s, "released"); wish.Err != nil {
				t.Errorf("a model of the fallback, once it is well: %v", wish.Err)
			}

			now = now.Add(time.Hour)
			p.misbehave(test.fault)
			wish = list(t, s, name)
			wants(t, "later", wish.Err, "MLflow at "+p.URL+" has not answered since 2026-12-05T16:00:00Z: ")
			wants(t, "later", wish.Err, test.want)
			if wish.Serving != "1" {
				t.Errorf("later: got %s", brief(wish))
			}
			now = now.Add(time.Hour)
			p.misbehave(dies)
			if again := list(t, s, name); again.Err.Error() != wish.Err.Error() {
				t.Errorf("as it lasts: got %v\nwant %v", again.Err, wish.Err)
			}
			if wish := list(t, s, "released"); wish.Err != nil || wish.Serving != "1" {
				t.Errorf("a model of the fallback: got %s %v", brief(wish), wish.Err)
			}
		})
	}
}

func TestListCancelled(t *testing.T) {
	p := newProxy(t)
	s := newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	p.misbehave(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := s.List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if s.outage != nil || s.client.breaker.Counts().TotalFailures != 0 {
		t.Errorf("MLflow is blamed: %v", s.outage)
	}
}

// A server that fails again and again is left alone, and asked again after a while.
func TestBreaker(t *testing.T) {
	p := newProxy(t)
	s := newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{Limits: Limits{Recovery: 200 * time.Millisecond}})
	p.misbehave(dies)
	for range 3 {
		list(t, s, "")
	}
	if got := p.asked.Load(); got != tripAfter || s.Breaker() != "open" {
		t.Errorf("asked %d times, expected %d; the breaker is %s", got, tripAfter, s.Breaker())
	}
	wants(t, "why", s.outage, "EOF")
	p.misbehave(nil)
	for range 100 {
		if list(t, s, ""); s.outage == nil {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	if s.outage != nil || s.Breaker() != "closed" {
		t.Errorf("got %v, the breaker is %s", s.outage, s.Breaker())
	}
}

// A path before MLflow's, as behind a reverse proxy, is kept.
func TestServerWithAPath(t *testing.T) {
	name := register(t, tiny(t, "half_plus_two"))
	p := newProxy(t)
	p.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		http.StripPrefix("/ml flow", next).ServeHTTP(w, r)
	})
	s := newSource(t, p.URL+"/ml%20flow/", t.TempDir(), t.TempDir(), Options{})
	if wish := list(t, s, name); wish.Serving != "1" || wish.Err != nil {
		t.Fatalf("got %s %v", brief(wish), wish.Err)
	}
	dir, err := s.Fetch(t.Context(), name, "1")
	if err != nil {
		t.Fatal(err)
	}
	holds(t, dir, tiny(t, "half_plus_two"))
}

// What a route names by its number is served without an alias, also after a restart without MLflow.
func TestListRouted(t *testing.T) {
	files := tiny(t, "half_plus_two")
	name := register(t, files, files, files)
	dir, p := t.TempDir(), newProxy(t)
	routed := []string{"1", "3"}
	options := Options{Routed: func(string) []string { return routed }}
	s := newSource(t, p.URL, dir, t.TempDir(), options)
	want := "[1 3] map[champion:3] -> 3"
	if wish := list(t, s, name); brief(wish) != want || wish.Err != nil {
		t.Errorf("got %s %v\nwant %s", brief(wish), wish.Err, want)
	}
	asked := p.asked.Load()
	list(t, s, name)
	if again := p.asked.Load() - asked; again != 1 {
		t.Errorf("what is known was asked for again: %d requests", again)
	}
	p.misbehave(dies)
	s = newSource(t, p.URL, dir, t.TempDir(), options)
	if wish := list(t, s, name); brief(wish) != want {
		t.Errorf("after a restart: got %s\nwant %s", brief(wish), want)
	}
	p.misbehave(nil)
	routed = []string{"9"}
	wish := list(t, s, name)
	wants(t, "a version that is missing", wish.Err, "version 9, which the route names: GET")
	if got := brief(wish); got != "[3] map[champion:3] -> 3" {
		t.Errorf("got %s", got)
	}
}
