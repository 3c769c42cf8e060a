package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footballprediction/features"
)

// start is a Wednesday.
var start = time.Date(2026, 12, 2, 23, 30, 0, 0, time.UTC)

// released is a state after one season of two small leagues.
func released(t testing.TB) State { return releasedOn(t, math.MaxInt32) }

// releasedOn is the state on the morning of a day in that season: later matches are to come.
func releasedOn(t testing.TB, day features.Date) State {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 8))
	var played []features.Played
	var matches []features.Match
	for _, code := range []string{"E0", "D1"} {
		league := features.CompetitionOf(code)
		var clubs []*features.Team
		for _, name := range []string{"Arsenal", "Bayern München", "Chelsea", "Dortmund", "Everton", "Fulham"} {
			clubs = append(clubs, &features.Team{
				ID: features.TeamID(features.CountryCode(league.Country), name), Name: name,
				Country: league.Country, Competition: code, Aliases: []string{"FC " + name + " Town"},
			})
		}
		for i, home := range clubs {
			for j, away := range clubs {
				if i == j {
					continue
				}
				date := features.Date(20000 + 3*((i+j)%6) + 20*((2*i+j)%5))
				m := features.Match{
					ID:          features.MatchID(code, date, home.ID, away.ID),
					Competition: code, Season: "2024-25", Date: date, Home: home.ID, Away: away.ID, Status: features.Finished,
					HomeGoals: int16(random.IntN(4)), AwayGoals: int16(random.IntN(3)),
					HomeStats: features.Stats{Shots: 10, ShotsOnTarget: 4, Corners: 5, HalfTimeGoals: features.NoCount},
				}
				if m.Date >= day {
					m.Status, m.HomeGoals, m.AwayGoals, m.HomeStats = features.Scheduled, 0, 0, features.Stats{}
					matches = append(matches, m)
					continue
				}
				matches = append(matches, m)
				played = append(played, features.Played{Match: &m, HomeTeam: home, AwayTeam: away, League: &league})
			}
		}
	}
	replay := features.NewReplay(features.DefaultRecipe())
	if err := replay.Advance(played, nil); err != nil {
		t.Fatal(err)
	}
	return State{Snapshot: replay.Snapshot(), Matches: matches}
}

func newMemory(t testing.TB) *Memory { return newMemoryOf(t, released(t)) }

func newMemoryOf(t testing.TB, state State) *Memory {
	t.Helper()
	m, err := NewMemory(state, start)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestStateSurvivesItsFolder(t *testing.T) {
	want := released(t)
	dir := filepath.Join(t.TempDir(), "deep", "state")
	for range 2 { // the second replaces the first
		if err := Save(dir, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	wantText, _ := json.Marshal(want)
	gotText, _ := json.Marshal(got)
	if string(gotText) != string(wantText) {
		t.Fatalf("got  %.300s\nwant %.300s", gotText, wantText)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSaveReplacesNothingButAState(t *testing.T) {
	dir := t.TempDir()
	thesis, file := filepath.Join(dir, "thesis.tex"), filepath.Join(dir, "file")
	for _, path := range []string{thesis, file} {
		if err := os.WriteFile(path, []byte("years of work"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []string{dir, file} {
		if err := Save(at, released(t)); err == nil || !strings.Contains(err.Error(), at) {
			t.Errorf("%s: %v", at, err)
		}
	}
	for _, path := range []string{thesis, file} {
		if text, err := os.ReadFile(path); err != nil || string(text) != "years of work" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	if err := Save(filepath.Join(dir, "new"), released(t)); err != nil {
		t.Error(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"a missing folder":  {os.RemoveAll, manifestFile},
		"a missing file":    {func(dir string) error { return os.Remove(filepath.Join(dir, teamsFile)) }, teamsFile},
		"a file cut short":  {func(dir string) error { return os.Truncate(filepath.Join(dir, matchesFile), 100) }, matchesFile},
		"a changed file":    {func(dir string) error { return appendTo(filepath.Join(dir, competitionsFile), " ") }, competitionsFile},
		"a broken manifest": {func(dir string) error { return appendTo(filepath.Join(dir, manifestFile), "}") }, manifestFile},
	} {
		dir := filepath.Join(t.TempDir(), "state")
		if err := Save(dir, released(t)); err != nil {
			t.Fatal(err)
		}
		if err := c.spoil(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected an error naming %s", name, err, c.want)
		}
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func TestNewMemoryRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*State){
		"another schema":         func(s *State) { s.Snapshot.SchemaHash = "00" },
		"a match twice":          func(s *State) { s.Matches[1].ID = s.Matches[0].ID },
		"a match without an id":  func(s *State) { s.Matches[1].ID = "" },
		"a match of nobody":      func(s *State) { s.Matches[1].Home = "eng-nobody" },
		"a league without clubs": func(s *State) { s.Snapshot.Teams = nil },
	} {
		state := released(t)
		spoil(&state)
		if _, err := NewMemory(state, start); err == nil {
			t.Errorf("%s: taken without a word", name)
		}
	}
}

func TestIllustrativeFixtures(t *testing.T) {
	m := newMemory(t)
	page, err := m.Matches(context.Background(), features.MatchQuery{Statuses: []features.Status{features.Scheduled}, Limit: 1000})
	if err != nil || page.Next != "" {
		t.Fatal(page.Next, err)
	}
	if len(page.Items) != 2*6*5 {
		t.Fatalf("%d fixtures, expected two leagues of 30", len(page.Items))
	}
	pairs, busy := map[string]int{}, map[string]bool{}
	for _, match := range page.Items {
		if !match.Illustrative || match.Date.Time().Weekday() != time.Saturday || match.Season != "2026-27" {
			t.Errorf("fixture %+v", match)
		}
		pairs[match.Home+match.Away]++
		for _, club := range []string{match.Home, match.Away} {
			if key := club + match.Date.String(); busy[key] {
				t.Errorf("%s plays twice on %s", club, match.Date)
			} else {
				busy[key] = true
			}
		}
	}
	if len(pairs) != 60 {
		t.Errorf("%d distinct pairs, expected 60", len(pairs))
	}
	if first := page.Items[0].Date.String(); first != "2026-12-05" {
		t.Errorf("first fixtures on %s, expected the Saturday after start", first)
	}
}

func TestDoubleRoundRobin(t *testing.T) {
	for n := range 12 {
		clubs := make([]string, n)
		for i := range clubs {
			clubs[i] = string(rune('a' + i))
		}
		met, home := map[[2]string]bool{}, map[string]int{}
		for _, round := range doubleRoundRobin(clubs) {
			seen := map[string]bool{}
			for _, pair := range round {
				if met[pair] || pair[0] == pair[1] || seen[pair[0]] || seen[pair[1]] {
					t.Fatalf("%d clubs: %v in %v", n, pair, round)
				}
				met[pair], seen[pair[0]], seen[pair[1]] = true, true, true
				home[pair[0]]++
			}
		}
		if len(met) != n*max(n-1, 0) {
			t.Errorf("%d clubs: %d matches", n, len(met))
		}
		for club, games := range home {
			if games != n-1 {
				t.Errorf("%d clubs: %s is at home %d times", n, club, games)
			}
		}
	}
}

func TestMatchesPagesThroughEverythingOnce(t *testing.T) {
	m := newMemory(t)
	seen := map[string]bool{}
	var last features.Match
	query := features.MatchQuery{TeamID: "eng-arsenal", Limit: 3}
	for pages := 0; ; pages++ {
		page, err := m.Matches(context.Background(), query)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range page.Items {
			if seen[match.ID] || compareMatches(last, match) >= 0 {
				t.Fatalf("%s after %s", match.ID, last.ID)
			}
			seen[match.ID], last = true, match
		}
		if page.Next == "" {
			break
		}
		query.After = page.Next
		if pages > 20 {
			t.Fatal("no end")
		}
	}
	if len(seen) != 20 { // ten played, ten to come
		t.Errorf("%d matches of Arsenal, expected 20", len(seen))
	}
	for _, key := range []string{"x", "2026-13-01/a", "2026-12-05", "/"} {
		if _, err := m.Matches(context.Background(), features.MatchQuery{After: key, Limit: 1}); !errors.Is(err, features.ErrPageUnknown) {
			t.Errorf("after %q: %v", key, err)
		}
	}
}

func TestTeams(t *testing.T) {
	m := newMemory(t)
	for _, c := range []struct {
		query features.TeamQuery
		want  string
	}{
		{features.TeamQuery{Competition: "D1", Limit: 2}, "ger-arsenal ger-bayern-munchen …ger-bayern-munchen"},
		{features.TeamQuery{Competition: "D1", Limit: 2, After: "ger-everton"}, "ger-fulham"},
		{features.TeamQuery{Query: "BAYERN MUN", Limit: 9}, "eng-bayern-munchen ger-bayern-munchen"},
		{features.TeamQuery{Query: "fulham town", Competition: "E0", Limit: 9}, "eng-fulham"},
		{features.TeamQuery{Query: "?!", Limit: 9}, ""},
		{features.TeamQuery{Competition: "XX", Limit: 9}, ""},
	} {
		page, err := m.Teams(context.Background(), c.query)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, team := range page.Items {
			got = append(got, team.ID)
		}
		if page.Next != "" {
			got = append(got, "…"+page.Next)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v, expected %s", c.query, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	m := newMemory(t)
	table, err := m.Table(context.Background(), "E0")
	if err != nil || table.Season != "2024-25" || len(table.Rows) != 6 {
		t.Fatal(table, err)
	}
	games, difference := 0, 0
	for i, row := range table.Rows {
		games += row.Played
		difference += row.GoalsFor - row.GoalsAgainst
		if row.Won+row.Drawn+row.Lost != row.Played || row.Points != 3*row.Won+row.Drawn {
			t.Errorf("row %+v", row)
		}
		if i > 0 && row.Points > table.Rows[i-1].Points {
			t.Errorf("row %d has more points than the one above", i)
		}
		if row.Team.Name == "" || row.Team.Competition != "E0" {
			t.Errorf("row %d: team %+v", i, row.Team)
		}
	}
	if games != 60 || difference != 0 {
		t.Errorf("%d games, goal difference %d", games, difference)
	}
	if _, err := m.Table(context.Background(), "ZZ"); !errors.Is(err, features.ErrCompetitionUnknown) {
		t.Error(err)
	}
	if _, err := m.Match(context.Background(), "zz"); !errors.Is(err, features.ErrMatchUnknown) {
		t.Error(err)
	}
	if _, err := m.FindTeam(context.Background(), "arsnal", "England"); err == nil || !strings.Contains(fmt.Sprint(err), "Arsenal") {
		t.Error(err)
	}
}
