package collect

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"footballprediction/features"
)

// sharedData returns the folder of real match data, which is never committed.
func sharedData(t testing.TB) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(filepath.Join(dir, "MANIFEST.csv")); err != nil {
		t.Skipf("no real match data: %v", err) //nolint:forbidigo // it may not be committed, so that a clone lacks it
	}
	return dir
}

// All of the football-data.co.uk files are read, to the match and to the club: the manifest beside
// them counts both by league and season.
func TestReadResults(t *testing.T) {
	dir := sharedData(t)
	h := read(t, Options{Odds: true}, filepath.Join(dir, "results"))
	r := &h.Report
	if r.Files != 641 || r.Rows != 225_890 || r.Matches != 225_889 || r.Duplicates != 0 || r.PassedOver.Total() != 0 {
		t.Errorf("%d files, %d rows, %d matches, %d duplicates, passed over %v", r.Files, r.Rows, r.Matches, r.Duplicates, r.PassedOver)
	}
	if want := (map[Reason]int{NoScore: 1}); !reflect.DeepEqual(r.SetAside.Counts, want) {
		t.Errorf("set aside %v, want %v", r.SetAside.Counts, want)
	}
	want := map[Reason]int{ResultConflict: 3, ShotsConflict: 23, OddsWrong: 21, OddsOverround: 72}
	if !reflect.DeepEqual(r.Mended.Counts, want) {
		t.Errorf("mended %v, want %v", r.Mended.Counts, want)
	}

	type table struct {
		matches, awarded int
		teams            map[string]bool
	}
	tables := map[string]*table{}
	for i := range h.Matches {
		m := &h.Matches[i]
		key := m.Season[2:4] + m.Season[5:] + "/" + m.Competition
		if tables[key] == nil {
			tables[key] = &table{teams: map[string]bool{}}
		}
		tables[key].matches++
		tables[key].teams[m.Home], tables[key].teams[m.Away] = true, true
		if m.Status == features.Awarded {
			tables[key].awarded++
		}
	}
	for _, line := range manifest(t, dir) {
		key := strings.TrimSuffix(strings.TrimPrefix(line["path"], "results/"), ".csv")
		got, matches := tables[key], line["matches"]
		if key == "1819/G1" {
			matches = "239" // one has no score
		}
		if got == nil || strconv.Itoa(got.matches) != matches || strconv.Itoa(len(got.teams)) != line["teams"] {
			t.Errorf("%s: got %+v, want %s matches of %s teams", key, got, matches, line["teams"])
		}
	}
	awarded := map[string]int{
		"1213/I1": 1, "1617/F1": 1, "1718/G1": 2, "1819/E1": 1, "1819/I2": 1, "1819/SP2": 21, "2021/F2": 1, "2021/I2": 1,
		"2122/B1": 2, "2122/F2": 1, "2223/B1": 2, "2223/F2": 1, "2223/T1": 29, "2324/G1": 1, "2324/T1": 1, "2425/B1": 1,
		"2425/D1": 1, "2425/T1": 1,
	}
	for key, got := range tables {
		if got.awarded != awarded[key] {
			t.Errorf("%s: %d awarded matches, want %d", key, got.awarded, awarded[key])
		}
	}
}

func manifest(t *testing.T, dir string) []map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "MANIFEST.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var lines []map[string]string
	for _, row := range rows[1:] {
		line := map[string]string{}
		for i, name := range rows[0] {
			line[name] = row[i]
		}
		lines = append(lines, line)
	}
	return lines
}

// The open files repeat matches of each other and of the football-data.co.uk files; none counts
// twice, and none tells another score.
func TestReadAll(t *testing.T) {
	dir := sharedData(t)
	pddl, footballcsv := filepath.Join(dir, "open", "pddl"), filepath.Join(dir, "open", "footballcsv")
	for _, test := range []struct {
		paths                                   []string
		files, matches, awarded, aside, skipped int
	}{
		{[]string{pddl}, 160, 57_327, 3, 0, 0},
		{[]string{footballcsv}, 59, 19_543, 0, 2, 0},
		{[]string{filepath.Join(dir, "open")}, 219, 73_218, 3, 2, 0},
		{[]string{dir, pddl, footballcsv}, 868, 237_364, 70, 170, 8},
	} {
		h := read(t, Options{}, test.paths...)
		r := &h.Report
		if r.Files != test.files || r.Matches != test.matches || r.Awarded != test.awarded ||
			r.SetAside.Total() != test.aside || r.PassedOver.Total() != test.skipped || r.SetAside.Counts[ScoreConflict] != 0 {
			t.Errorf("%v: %d files, %d matches, %d awarded, set aside %v, passed over %v; want %+v",
				test.paths, r.Files, r.Matches, r.Awarded, r.SetAside.Counts, r.PassedOver.Counts, test)
		}
	}
}

// Every club is found by its id, its name and each of its aliases.
func TestReadKnowsTheClubs(t *testing.T) {
	dir := sharedData(t)
	h := read(t, Options{}, filepath.Join(dir, "results"))
	teams := features.NewTeamIndex(h.Teams)
	for _, team := range h.Teams {
		for _, name := range append([]string{team.ID, team.Name}, team.Aliases...) {
			if got, err := teams.Find(name, team.Country); err != nil || got.ID != team.ID {
				t.Errorf("Find(%q, %q) = %q, %v, want %q", name, team.Country, got.ID, err, team.ID)
			}
		}
	}
}

// BenchmarkRead reads all of the football-data.co.uk files on one core.
func BenchmarkRead(b *testing.B) {
	dir := sharedData(b)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b.ReportAllocs()
	start := time.Now()
	matches := 0
	for b.Loop() {
		h, err := Read(b.Context(), []string{filepath.Join(dir, "results")}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		matches += len(h.Matches)
	}
	b.ReportMetric(float64(matches)/time.Since(start).Seconds(), "matches/s")
}
