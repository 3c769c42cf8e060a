package inference

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// models makes a folder of models: names that end in a slash are folders.
func models(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		writeFile(t, path, "")
	}
	return dir
}

func TestFolderList(t *testing.T) {
	dir := models(t,
		"match-outcome/2/model.onnx", "match-outcome/10/model.onnx", "match-outcome/1/model.onnx",
		"match-outcome/0/", "match-outcome/01/", "match-outcome/+3/", "match-outcome/-3/", "match-outcome/3x/",
		"match-outcome/.4/", "match-outcome/5.tmp/", "match-outcome/99999999999999999999/", "match-outcome/6",
		"a_b.c/7/", // nothing in it yet
		"state/1/", ".hidden/1/", "_temp/1/", "x.tmp/1/", "with space/1/", "empty/", "README.md", "other/card.md",
	)
	linked := models(t, "1/model.onnx")
	if err := os.Symlink(linked, filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	got, err := NewFolderSource(dir, nil).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := "[{a_b.c [7] map[] map[] map[] 7 <nil>} {linked [1] map[] map[] map[] 1 <nil>} {match-outcome [1 2 10] map[] map[] map[] 10 <nil>}]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

// Folders that seem to be meant as models or versions and are none are told of once, not at each look.
func TestFolderPassedOver(t *testing.T) {
	dir := models(t, "m/1/", "m/01/", "m/abc/", "m/.4/", "m/5.tmp/", "m/README", "only/v1/",
		"my model/1/", "state/1/", "x.tmp/", ".git/", "card.md")
	if err := os.Symlink("nowhere", filepath.Join(dir, "m", "latest")); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	source := NewFolderSource(dir, slog.New(slog.NewTextHandler(&log, nil)))
	for _, look := range []struct {
		name, adds string
		want       []string
	}{
		{"the first", "", []string{
			`model="" folders="my model" expected="names of letters, digits, dots, dashes and underscores, beginning with a letter or digit"`,
			`model=m folders="01, abc" expected="versions, which are numbers such as 2"`,
			`model=only folders=v1 expected=`,
		}},
		{"the next", "", nil},
		{"one more", "m/v2/", []string{`model=m folders="01, v2, abc"`}},
		{"a version more", "m/2/", nil},
	} {
		t.Run(look.name, func(t *testing.T) {
			log.Reset()
			if err := os.MkdirAll(filepath.Join(dir, look.adds), 0o700); err != nil {
				t.Fatal(err)
			}
			if _, err := source.List(t.Context()); err != nil {
				t.Fatal(err)
			}
			lines := slices.Collect(strings.Lines(log.String()))
			if len(lines) != len(look.want) {
				t.Fatalf("got %q", lines)
			}
			for i, line := range lines {
				if !strings.Contains(line, "level=WARN") || !strings.Contains(line, look.want[i]) {
					t.Errorf("got %s, want %s", line, look.want[i])
				}
			}
		})
	}
}

func TestFolderAliases(t *testing.T) {
	tests := []struct{ name, text, serving, err string }{
		{"champion", `{"champion": "1"}`, "1", ""},
		{"challenger", `{"challenger": "1"}`, "2", ""},
		{"none", `{}`, "2", ""},
		{"null", `null`, "2", ""},
		{"champion is missing", `{"champion": "9"}`, "9", `model "m": aliases.json: alias "champion": there is no version "9"; expected 1, 2`},
		{"challenger is missing", `{"champion": "1", "challenger": "9"}`, "1", `model "m": aliases.json: alias "challenger": there is no version "9"; expected 1, 2`},
		{"number for a version", `{"champion": 2}`, "", `expected an object such as {"champion": "2"}`},
		{"null for a version", `{"champion": null}`, "", `alias "champion": expected a version such as "2", got ""`},
		{"path for a version", `{"champion": "../1"}`, "", `alias "champion": expected a version such as "2", got "../1"`},
		{"number for an alias", `{"2": "1"}`, "", `alias "2": expected a name that is no version`},
		{"no alias", `{"": "1"}`, "", `alias "": expected a name that is no version`},
		{"list", `["champion"]`, "", `expected an object such as {"champion": "2"}`},
		{"half written", `{"champion": `, "", `model "m": aliases.json: expected an object such as {"champion": "2"}: unexpected EOF`},
		{"empty", ``, "", `EOF`},
		{"more after it", `{} {}`, "", `expected nothing after the object`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := models(t, "m/1/", "m/2/")
			writeFile(t, filepath.Join(dir, "m", "aliases.json"), test.text)
			wishes, err := NewFolderSource(dir, nil).List(t.Context())
			if err != nil || len(wishes) != 1 {
				t.Fatal(wishes, err)
			}
			wish := wishes[0]
			if wish.Serving != test.serving || strings.Join(wish.Versions, " ") != "1 2" {
				t.Errorf("got %+v", wish)
			}
			if (wish.Err == nil) != (test.err == "") || wish.Err != nil && !strings.Contains(wish.Err.Error(), test.err) {
				t.Errorf("got  %v\nwant %s", wish.Err, test.err)
			}
		})
	}
}

func TestFolderListFails(t *testing.T) {
	if _, err := NewFolderSource(filepath.Join(t.TempDir(), "none"), nil).List(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestFolderFetch(t *testing.T) {
	dir := models(t, "m/1/model.onnx", "m/2", "state/1/", "secret")
	source := NewFolderSource(dir, nil)
	if got, err := source.Fetch(t.Context(), "m", "1"); err != nil || got != filepath.Join(dir, "m", "1") {
		t.Errorf("got %s, %v", got, err)
	}
	for _, test := range []struct{ name, version string }{
		{"m", "2"}, {"m", "3"}, {"m", ".."}, {"m", ""}, {"m", "1/.."}, {"..", "1"}, {"", "1"}, {"m/1", "1"}, {"state", "1"},
	} {
		if got, err := source.Fetch(t.Context(), test.name, test.version); err == nil {
			t.Errorf("%q/%q: got %s", test.name, test.version, got)
		}
	}
}
