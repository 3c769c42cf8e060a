package collect

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"footballprediction/features"
)

const (
	// full is the header of a file with half time, statistics and odds.
	full = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HTHG,HTAG,HTR,HS,AS,HST,AST,HC,AC,HR,AR,B365H,B365D,B365A\n"
	// plain is that of one with the score alone.
	plain = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\n"
)

// folder lays out files in a folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// read reads a folder and checks what holds for all.
func read(t *testing.T, options Options, paths ...string) *History {
	t.Helper()
	h, err := Read(context.Background(), paths, options)
	if err != nil {
		t.Fatal(err)
	}
	check(t, h)
	return h
}

func check(t *testing.T, h *History) {
	t.Helper()
	r := &h.Report
	if sum := r.Matches + r.Duplicates + r.SetAside.Total(); r.Rows != sum || r.Matches != len(h.Matches) {
		t.Errorf("%d rows, but %d matches, %d duplicates, %d set aside", r.Rows, r.Matches, r.Duplicates, r.SetAside.Total())
	}
	ids := map[string]bool{}
	teams := map[string]bool{}
	for _, team := range h.Teams {
		teams[team.ID] = true
	}
	awarded := 0
	for i := range h.Matches {
		m := &h.Matches[i]
		if ids[m.ID] || m.ID != features.MatchID(m.Competition, m.Date, m.Home, m.Away) {
			t.Errorf("match id %q is not its own", m.ID)
		}
		ids[m.ID] = true
		if !teams[m.Home] || !teams[m.Away] || m.Home == m.Away {
			t.Errorf("%s: teams %q and %q", m.ID, m.Home, m.Away)
		}
		if m.HomeGoals < 0 || m.AwayGoals < 0 {
			t.Errorf("%s: score %d-%d", m.ID, m.HomeGoals, m.AwayGoals)
		}
		if _, err := features.ParseSeason(m.Season); err != nil {
			t.Errorf("%s: %v", m.ID, err)
		}
		switch m.Status {
		case features.Awarded:
			awarded++
		case features.Finished:
		case features.Scheduled:
			if m.HomeGoals != 0 || m.AwayGoals != 0 || m.HomeStats != noStats || m.AwayStats != noStats {
				t.Errorf("%s: scheduled, and played: %+v", m.ID, m)
			}
		default:
			t.Errorf("%s: status %v", m.ID, m.Status)
		}
		if i > 0 && h.Matches[i-1].Date > m.Date {
			t.Errorf("%s is out of order", m.ID)
		}
	}
	if awarded != r.Awarded {
		t.Errorf("%d matches are awarded, the report has %d", awarded, r.Awarded)
	}
	for id := range h.Odds {
		if !ids[id] {
			t.Errorf("odds on %q, which is no match", id)
		}
	}
}

func stats(halfTime, shots, target, corners, reds int16) features.Stats {
	return features.Stats{HalfTimeGoals: halfTime, Shots: shots, ShotsOnTarget: target, Corners: corners, RedCards: reds}
}

func day(t *testing.T, s string) features.Date {
	t.Helper()
	d, err := features.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestReadLayouts(t *testing.T) {
	dir := folder(t, map[string]string{
		"results/2425/E0.csv": "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HTHG,HTAG,HTR,Referee,HS,AS,HST,AST,HF,AF,HC,AC,HY,AY,HR,AR\n" +
			"E0,16/08/2024,20:00,Man United,Fulham,1,0,H,0,0,D,A Referee,14,10,5,2,12,10,7,8,2,3,0,1\n" +
			"E0,26/12/2024,15:00,Arsenal,Chelsea,2,2,D,1,0,H,\"Referee, A\",9,8,4,3,1,2,6,5,0,0,0,0\n",
		"open/la-liga/season-9394.csv": "Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HTHG,HTAG,HTR,Referee,HS,AS\n" +
			"1993-09-05,Real Madrid,Osasuna,4,1,H,,,,,,\n",
		"footballcsv/2013-14/eng.2.csv": "Date,Team 1,FT,HT,Team 2\nSat Aug 3 2013,Watford,6-1,3-0,Bournemouth\n",
		"footballcsv/2013-14/ru.1.csv":  "Date,Team 1,FT,HT,Team 2\nSun Jul 14 2013,Zenit,2-0,?,Krasnodar\n",
		"MANIFEST.csv":                  "path,matches\nresults/2425/E0.csv,380\n",
		"international.csv":             "date,home_team,away_team,home_score,away_score\n1872-11-30,Scotland,England,0,0\n",
		"README.md":                     "not a table",
	})
	h := read(t, Options{}, dir)
	none := stats(-1, -1, -1, -1, -1)
	want := []features.Match{
		{
			ID: "SP1-19930905-real-madrid-osasuna", Competition: "SP1", Season: "1993-94", Date: day(t, "1993-09-05"),
			Home: "esp-real-madrid", Away: "esp-osasuna", Status: features.Finished, HomeGoals: 4, AwayGoals: 1,
			HomeStats: none, AwayStats: none,
		},
		{
			ID: "RU1-20130714-zenit-krasnodar", Competition: "RU1", Season: "2013-14", Date: day(t, "2013-07-14"),
			Home: "ru-zenit", Away: "ru-krasnodar", Status: features.Finished, HomeGoals: 2,
			HomeStats: none, AwayStats: none,
		},
		{
			ID: "E1-20130803-watford-bournemouth", Competition: "E1", Season: "2013-14", Date: day(t, "2013-08-03"),
			Home: "eng-watford", Away: "eng-bournemouth", Status: features.Finished, HomeGoals: 6, AwayGoals: 1,
			HomeStats: stats(3, -1, -1, -1, -1), AwayStats: stats(0, -1, -1, -1, -1),
		},
		{
			ID: "E0-20240816-man-united-fulham", Competition: "E0", Season: "2024-25", Date: day(t, "2024-08-16"),
			Kickoff: day(t, "2024-08-16").Time().Add(19 * 60 * 60e9), Home: "eng-man-united", Away: "eng-fulham",
			Status: features.Finished, HomeGoals: 1, HomeStats: stats(0, 14, 5, 7, 0), AwayStats: stats(0, 10, 2, 8, 1),
		},
		{
			ID: "E0-20241226-arsenal-chelsea", Competition: "E0", Season: "2024-25", Date: day(t, "2024-12-26"),
			Kickoff: day(t, "2024-12-26").Time().Add(15 * 60 * 60e9), Home: "eng-arsenal", Away: "eng-chelsea",
			Status: features.Finished, HomeGoals: 2, AwayGoals: 2, HomeStats: stats(1, 9, 4, 6, 0), AwayStats: stats(0, 8, 3, 5, 0),
		},
	}
	if !reflect.DeepEqual(h.Matches, want) {
		t.Errorf("matches:\n%+v\nwant:\n%+v", h.Matches, want)
	}
	if n := h.Report.PassedOver.Counts[NoMatches]; n != 2 || h.Report.Files != 4 {
		t.Errorf("%d files passed over and %d read, want 2 and 4", n, h.Report.Files)
	}
	if h.Odds != nil {
		t.Error("odds were not asked for")
	}
	codes := []string{}
	for _, c := range h.Competitions {
		codes = append(codes, c.Code+" "+c.Country+" "+c.Season)
	}
	if want := []string{"E0 England 2024-25", "E1 England 2013-14", "RU1 RU 2013-14", "SP1 Spain 1993-94"}; !slices.Equal(codes, want) {
		t.Errorf("competitions %q, want %q", codes, want)
	}
	i := slices.IndexFunc(h.Teams, func(team features.Team) bool { return team.ID == "eng-man-united" })
	if i < 0 || h.Teams[i].Name != "Man United" || h.Teams[i].Country != "England" || h.Teams[i].Competition != "E0" ||
		!slices.Contains(h.Teams[i].Aliases, "Manchester United") {
		t.Errorf("teams %+v", h.Teams)
	}
}

func TestReadPaths(t *testing.T) {
	match := plain + "E0,16/08/24,Man United,Fulham,1,0,H\n"
	dir := folder(t, map[string]string{
		"b/E0.csv": match, "a.csv/E0.CSV": match, "notes.txt": "x", "data.txt": match, "empty.csv": "", "blank.csv": "\n,,\r\n",
		"header.csv": plain, "no-league.csv": "Date,HomeTeam,AwayTeam,FTHG,FTAG\n2024-08-16,Man United,Fulham,1,0\n",
	})
	if err := os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "dangling.csv")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.csv"), 0o600); err != nil {
		t.Fatal(err)
	}
	var progress []int
	h := read(t, Options{Progress: func(done, total int) { progress = append(progress, done, total) }}, dir)
	if r := h.Report; r.Files != 3 || r.Matches != 1 || r.Duplicates != 1 {
		t.Errorf("%d files, %d matches, %d duplicates, want 3, 1, 1", r.Files, r.Matches, r.Duplicates)
	}
	want := map[Reason]int{Empty: 2, LeagueUnknown: 1, Unreadable: 1, NotAFile: 1}
	if got := h.Report.PassedOver.Counts; !reflect.DeepEqual(got, want) {
		t.Errorf("passed over %v, want %v", got, want)
	}
	if len(progress) != 2*8 || progress[0] != 1 || progress[1] != 8 || progress[14] != 8 {
		t.Errorf("progress %v", progress)
	}

	// A file given by name is read whatever its ending; one given twice is read once.
	h = read(t, Options{}, filepath.Join(dir, "data.txt"), filepath.Join(dir, "data.txt"), filepath.Join(dir, "b", "..", "data.txt"))
	if r := h.Report; r.Files != 1 || r.Rows != 1 {
		t.Errorf("%d files, %d rows, want 1 and 1", r.Files, r.Rows)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if h := read(t, Options{}, link); h.Report.Files != 3 {
		t.Errorf("%d files behind a link, want 3", h.Report.Files)
	}
	for _, path := range []string{filepath.Join(dir, "gone"), ""} {
		if _, err := Read(context.Background(), []string{path}, Options{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Read(%q): %v, want that it does not exist", path, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, []string{dir}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled read: %v", err)
	}
}

func TestReadOdds(t *testing.T) {
	dir := folder(t, map[string]string{"E0.csv": "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,B365H,B365D,B365A,PSH,PSD,PSA,B365CH,B365CD,B365CA,PSCH,PSCD,PSCA,AvgCH,AvgCD,AvgCA,BWH,BWD,BWA\n" +
		"E0,01/09/24,Arsenal,Fulham,1,0,1.5,4.2,7,1.52,4.31,7.2,1.5,4.2,7,1.53,4.3,7,1.5,4.25,6.9,1,1,1\n" +
		"E0,02/09/24,Chelsea,Fulham,1,0,1.5,#,7,0,4,7,1.1,1.1,1.1,9,9,9,1.5,4.25,,2,2,2\n" +
		"E0,03/09/24,Everton,Fulham,1,0,,,,,,,,,,,,,,,,2,2,2\n" +
		"E0,04/09/24,Brentford,Fulham,1,0,-1.5,4,7,NaN,4,7,1e9,4,7,1.50.,4,7,12345678901234567,4,7,2,2,2\n"})
	h := read(t, Options{Odds: true}, dir)
	want := map[string][]Odds{"E0-20240901-arsenal-fulham": {
		{"B365", false, 1.5, 4.2, 7, 0, 0}, {"B365C", true, 1.5, 4.2, 7, 0, 0}, {"PS", false, 1.52, 4.31, 7.2, 0, 0},
		{"PSC", true, 1.53, 4.3, 7, 0, 0}, {"AvgC", true, 1.5, 4.25, 6.9, 0, 0},
	}}
	if !reflect.DeepEqual(h.Odds, want) {
		t.Errorf("odds %v, want %v", h.Odds, want)
	}
	if got, want := h.Report.Mended.Counts, (map[Reason]int{OddsWrong: 8, OddsOverround: 2}); !reflect.DeepEqual(got, want) {
		t.Errorf("mended %v, want %v", got, want)
	}
	if len(h.Matches) != 4 {
		t.Errorf("%d matches, want 4: bad odds cost the odds alone", len(h.Matches))
	}
}

func TestReadOddsOnGoals(t *testing.T) {
	dir := folder(t, map[string]string{"E0.csv": "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,BbAvH,BbAvD,BbAvA,BbAv>2.5,BbAv<2.5,P>2.5,P<2.5,PC>2.5,PC<2.5\n" +
		"E0,01/09/18,Arsenal,Fulham,1,0,1.5,4.2,7,1.8,2,1.85,2.05,,\n" + // one bookmaker with both, one with goals alone
		"E0,02/09/18,Chelsea,Fulham,1,0,1.5,4.2,7,1.8,#,1.85,,1.1,1.1\n" + // odds that are none cost their own book alone
		"E0,03/09/18,Everton,Fulham,1,0,1.5,4.2,,1.8,2,9,9,1,1\n"})
	h := read(t, Options{Odds: true}, dir)
	want := map[string][]Odds{
		"E0-20180901-arsenal-fulham": {{"PS", false, 0, 0, 0, 1.85, 2.05}, {"BbAv", false, 1.5, 4.2, 7, 1.8, 2}},
		"E0-20180902-chelsea-fulham": {{"BbAv", false, 1.5, 4.2, 7, 0, 0}},
		"E0-20180903-everton-fulham": {{"BbAv", false, 0, 0, 0, 1.8, 2}},
	}
	if !reflect.DeepEqual(h.Odds, want) {
		t.Errorf("odds %v, want %v", h.Odds, want)
	}
	if got, want := h.Report.Mended.Counts, (map[Reason]int{OddsWrong: 4, OddsOverround: 2}); !reflect.DeepEqual(got, want) {
		t.Errorf("mended %v, want %v", got, want)
	}
}

func TestReadMergesFolders(t *testing.T) {
	dir := folder(t, map[string]string{
		"a/E0.csv": full + "E0,01/09/24,Arsenal,Fulham,1,0,H,,,,,,,,,,,,,,\n" +
			"E0,02/09/24,Chelsea,Fulham,1,0,H,0,0,D,9,8,4,3,6,5,0,0,1.5,4.2,7\n",
		"b/premier-league/season-2425.csv": "Date,HomeTeam,AwayTeam,FTHG,FTAG,HTHG,HTAG,HS,AS\n" +
			"2024-09-01,Arsenal,Fulham,1,0,1,0,12,7\n2024-09-02,Chelsea,Fulham,2,0,0,0,1,1\n",
		"c/E0.csv": "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,B365H,B365D,B365A\nE0,01/09/2024,12:30,The Arsenal,Fulham,1,0,1.4,5,9\n" +
			"E0,01/09/2024,12:30,Arsenal,Fulham,1,0,1.3,5,10\n",
	})
	h := read(t, Options{Odds: true}, dir)
	if len(h.Matches) != 2 || h.Report.Duplicates != 3 || h.Report.SetAside.Counts[ScoreConflict] != 1 {
		t.Fatalf("%d matches, %+v", len(h.Matches), h.Report)
	}
	m := h.Matches[0]
	if m.HomeStats != stats(1, 12, -1, -1, -1) || m.AwayStats != stats(0, 7, -1, -1, -1) || m.Kickoff.IsZero() {
		t.Errorf("what the first file lacks was not filled in: %+v", m)
	}
	if odds := h.Odds[m.ID]; len(odds) != 1 || odds[0].Home != 1.4 {
		t.Errorf("odds %v", odds)
	}
	if chelsea := h.Matches[1]; chelsea.HomeGoals != 1 || chelsea.HomeStats.Shots != 9 {
		t.Errorf("the first file does not count: %+v", chelsea)
	}
	example := h.Report.SetAside.Examples[0]
	if !strings.HasSuffix(example.File, "season-2425.csv") || example.Line != 3 || !strings.Contains(example.Detail, "expected 1-0 as in") ||
		!strings.Contains(example.Detail, "E0.csv line 3, got 2-0") {
		t.Errorf("example %+v", example)
	}
}

func TestReadTwiceIsTheSame(t *testing.T) {
	dir := folder(t, map[string]string{
		"a/E0.csv": full + "E0,01/09/24,Arsenal,Fulham,1,0,H,,,,,,,,,,,,,,\n", "b/D1.csv": plain + "D1,01/09/24,Mainz,FC Koln,1,0,H\n",
		"c/E0.csv": plain + "E0,01/09/24,Arsenal,Fulham,2,0,H\nE0,01/09/24,Brentford,Chelsea,2,0,H\n",
	})
	if a, b := read(t, Options{Odds: true}, dir), read(t, Options{Odds: true}, dir); !reflect.DeepEqual(a, b) {
		t.Errorf("first %+v\nthen %+v", a, b)
	}
}
