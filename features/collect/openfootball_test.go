package collect

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"footballprediction/features"
)

// openfootball is a file with the matches.
func openfootball(matches ...string) string {
	return `{"name": "English Premier League 2024/25", "matches": [` + strings.Join(matches, ",\n") + "]}"
}

const (
	openArsenal = `{"round":"Matchday 1","date":"2024-08-17","time":"15:00","team1":"Arsenal FC","team2":"Fulham FC","score":{"ht":[0,0],"ft":[1,0]}}`
	openChelsea = `{"round":"Matchday 2","date":"2024-08-24","time":"12:30","team1":"Chelsea FC","team2":"Fulham FC","score":{}}`
)

func TestOpenfootball(t *testing.T) {
	const arsenal = "E0-20240817-arsenal-fulham 2024-25 1-0 finished {0 -1 -1 -1 -1} {0 -1 -1 -1 -1}"
	const chelsea = "E0-20240824-chelsea-fulham 2024-25 0-0 scheduled"
	with := func(match string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(match) }
	for _, test := range []struct {
		name, path, content string
		want                []string // summaries
		setAside, mended    map[Reason]int
		passedOver          Reason
	}{
		{name: "a season", content: openfootball(openArsenal, openChelsea), want: []string{arsenal, chelsea}},
		{name: "byte order mark", content: "\ufeff" + openfootball(openArsenal), want: []string{arsenal}},
		{name: "more than is asked for", content: openfootball(with(openArsenal, `"score"`, `"num":7,"goals":[{"name":"x"}],"score"`)), want: []string{arsenal}},
		{
			name: "no goals, whose half time is never given", content: openfootball(with(openArsenal, `"ht":[0,0],"ft":[1,0]`, `"ft":[0,0]`)),
			want: []string{"E0-20240817-arsenal-fulham 2024-25 0-0 finished {0 -1 -1 -1 -1} {0 -1 -1 -1 -1}"},
		},
		{
			name: "half time above full time", content: openfootball(with(openArsenal, `"ht":[0,0]`, `"ht":[2,0]`)),
			want: []string{"E0-20240817-arsenal-fulham 2024-25 1-0 finished"}, mended: map[Reason]int{HalfTimeWrong: 1},
		},
		{
			name: "extra time does not count", content: openfootball(with(openArsenal, `"ft"`, `"et":[4,4],"p":[5,4],"ft"`)), want: []string{arsenal},
		},
		{
			name: "what is not played", content: openfootball(
				with(openArsenal, `"score"`, `"status":"postponed","score"`, `{"ht":[0,0],"ft":[1,0]}`, `{}`),
				with(openChelsea, `"score"`, `"status":"cancelled","score"`)),
			want:     []string{"E0-20240817-arsenal-fulham 2024-25 0-0 scheduled"},
			setAside: map[Reason]int{WillNotBePlayed: 1},
		},
		{
			name: "what was not played to its end", content: openfootball(
				with(openArsenal, `"score"`, `"status":"awarded","score"`), with(openChelsea, `"score"`, `"status":"abandoned","score"`)),
			want:     []string{strings.Replace(arsenal, "finished", "awarded", 1)},
			setAside: map[Reason]int{WillNotBePlayed: 1},
		},
		{
			name: "unknown clubs are not guessed", content: openfootball(with(openArsenal, "Arsenal FC", "Arsenal Tula"), with(openChelsea, "Fulham FC", "Fulham FC FC"),
				with(openChelsea, "Chelsea FC", strings.Repeat("Chelsea", 1000)), with(openChelsea, "Chelsea FC", "")),
			setAside: map[Reason]int{ClubUnknown: 4},
		},
		{
			name: "hostile matches", content: openfootball(
				with(openArsenal, "2024-08-17", "17/08/2024"), with(openArsenal, "2024-08-17", "2024-02-31"), with(openArsenal, "Fulham FC", "Arsenal"),
				with(openArsenal, "[1,0]", "[1]"), with(openArsenal, "[1,0]", "[-1,0]"), with(openArsenal, "[1,0]", "[51,0]"), with(openArsenal, "[1,0]", "[]"),
				with(openArsenal, "[1,0]", "[1.5,0]"), with(openArsenal, "[1,0]", `["1",0]`), with(openArsenal, "[1,0]", "[99999999999999999999,0]"),
				`null`, `7`, `"x"`, `[]`, with(openArsenal, `"Arsenal FC"`, `{"name":"Arsenal"}`), with(openArsenal, `"score"`, `"status":"invented","score"`)),
			setAside: map[Reason]int{DateUnknown: 3, SameTeamTwice: 1, GoalsUnknown: 4, NotAMatch: 8},
		},
		{
			name: "a year off", content: openfootball(openArsenal, with(openChelsea, "Matchday 2", "Matchday 37", "2024-08-24", "2024-07-20")),
			want: []string{arsenal}, setAside: map[Reason]int{WrongSeason: 1},
		},
		{name: "another league", path: "2024-25/de.1.json", content: openfootball(openArsenal), setAside: map[Reason]int{ClubUnknown: 1}},
		{name: "a cup", path: "2024-25/uefa.cl.json", content: openfootball(openArsenal), passedOver: LeagueUnknown},
		{name: "a league without a table of names", path: "2025/br.1.json", content: openfootball(openArsenal), passedOver: LeagueUnknown},
		{name: "nothing", content: "", passedOver: NotJSON},
		{name: "cut short", content: openfootball(openArsenal, openChelsea)[:200], passedOver: NotJSON},
		{name: "two in one", content: openfootball(openArsenal) + openfootball(openChelsea), passedOver: NotJSON},
		{name: "another kind of JSON", content: `[1,2,3]`, passedOver: NoMatches},
		{name: "another kind of object", content: `{"teams":[{"name":"Arsenal"}]}`, passedOver: NoMatches},
		{name: "matches that are no list", content: `{"matches":{"a":1}}`, passedOver: NoMatches},
		{name: "no matches", content: openfootball()},
		{name: "a second list", content: `{"matches":[` + openArsenal + `],"matches":[` + openChelsea + `]}`, want: []string{arsenal}},
		{name: "too many matches", content: openfootball(strings.Repeat("{},", mostJSONMatches) + "{}"), passedOver: NoMatches},
		{name: "too long", content: openfootball(openArsenal) + strings.Repeat(" ", mostJSON), passedOver: TooLarge},
		{name: "too deep", content: `{"matches":[` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `]}`, passedOver: NotJSON},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.path == "" {
				test.path = "2024-25/en.1.json"
			}
			h := readText(t, test.path, test.content)
			var got []string
			for i := range h.Matches {
				got = append(got, summary(&h.Matches[i]))
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("matches\n%s, want\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if !sameCounts(h.Report.SetAside.Counts, test.setAside) || !sameCounts(h.Report.Mended.Counts, test.mended) {
				t.Errorf("set aside %v, want %v; mended %v, want %v", h.Report.SetAside, test.setAside, h.Report.Mended, test.mended)
			}
			if test.passedOver != "" && h.Report.PassedOver.Counts[test.passedOver] != 1 || test.passedOver == "" && h.Report.PassedOver.Total() != 0 {
				t.Errorf("passed over %v, want %q", h.Report.PassedOver, test.passedOver)
			}
		})
	}
}

func sameCounts(a, b map[Reason]int) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// A problem names the line, and a kick-off is UTC: clocks there are an hour or two ahead of London's.
func TestOpenfootballPlacesAndTimes(t *testing.T) {
	h := readText(t, "2024-25/en.1.json", openfootball(openArsenal, strings.Replace(openChelsea, "Chelsea", "Chelsi", 1)))
	if p := h.Report.SetAside.Examples[0]; p.Line != 2 || p.File != "2024-25/en.1.json" || !strings.Contains(p.Detail, `team1: expected a club of the table of names, got "Chelsi FC"`) {
		t.Errorf("%+v", p)
	}
	for path, test := range map[string]struct{ home, away, want string }{
		"2024-25/en.1.json": {"Arsenal FC", "Chelsea FC", "2024-08-17T14:00:00Z"},
		"2024-25/de.1.json": {"FC Bayern München", "Borussia Dortmund", "2024-08-17T13:00:00Z"},
		"2024-25/gr.1.json": {"Olympiakos", "Panathinaikos", "2024-08-17T12:00:00Z"},
		"2024-25/tr.1.json": {"Galatasaray", "Fenerbahce", ""},
	} {
		match := strings.NewReplacer("Arsenal FC", test.home, "Fulham FC", test.away).Replace(openArsenal)
		h := readText(t, path, openfootball(match))
		if len(h.Matches) != 1 {
			t.Fatalf("%s: %+v", path, h.Report)
		}
		got := ""
		if k := h.Matches[0].Kickoff; !k.IsZero() {
			got = k.Format(time.RFC3339)
		}
		if got != test.want {
			t.Errorf("%s: kick-off %s, want %s", path, got, test.want)
		}
	}
}

// Matches that other files have too count once: with their score, and on their date.
func TestOpenfootballMergesWithOtherFiles(t *testing.T) {
	csv := plain + "E0,17/08/24,Arsenal,Fulham,1,0,H\nE0,25/08/24,Chelsea,Fulham,2,2,D\n"
	for _, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
		dir := folder(t, map[string]string{
			order[0] + "/2024-25/E0.csv":    csv,
			order[1] + "/2024-25/en.1.json": openfootball(openArsenal, openChelsea, strings.NewReplacer("Fulham", "Everton", "2024-08-24", "2024-12-26").Replace(openChelsea)),
		})
		h := read(t, Options{}, dir)
		var got []string
		for i := range h.Matches {
			got = append(got, summary(&h.Matches[i]))
		}
		want := []string{
			"E0-20240817-arsenal-fulham 2024-25 1-0 finished {0 -1 -1 -1 -1} {0 -1 -1 -1 -1}",
			"E0-20240825-chelsea-fulham 2024-25 2-2 finished",
			"E0-20241226-chelsea-everton 2024-25 0-0 scheduled",
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got\n%s", order, strings.Join(got, "\n"))
		}
		if h.Report.Duplicates != 2 || h.Report.Mended.Counts[DateConflict] != 1 || h.Report.Scheduled != 1 {
			t.Errorf("%v: %+v", order, h.Report)
		}
	}
}

// The files of openfootball repeat what the others have, but for fixtures, one year that is wrong and
// what was cancelled.
func TestReadOpenfootball(t *testing.T) {
	dir := sharedData(t)
	alone := read(t, Options{}, filepath.Join(dir, "openfootball"))
	r := &alone.Report
	if r.Files != 8 || r.Rows != 2892 || r.Awarded != 2 || r.Scheduled != 20 || r.SetAside.Counts[ClubUnknown] != 0 ||
		r.SetAside.Counts[WillNotBePlayed] != 101 || r.SetAside.Counts[WrongSeason] != 66 || r.PassedOver.Total() != 3 {
		t.Errorf("%+v", r)
	}
	both := read(t, Options{}, filepath.Join(dir, "results"), filepath.Join(dir, "openfootball"))
	if b := &both.Report; b.Matches != 225_889 || b.Scheduled != 0 || b.Duplicates != r.Matches || b.SetAside.Counts[ScoreConflict] != 0 {
		t.Errorf("%+v", b)
	}
}

// FuzzOpenfootball: whatever a file holds, it costs no more than itself.
func FuzzOpenfootball(f *testing.F) {
	f.Add(openfootball(openArsenal, openChelsea))
	f.Add(`{"matches":[null,{"date":"2024-08-17","team1":"Arsenal","team2":"Chelsea","score":{"ft":[1,0],"ht":[9,9]},"status":"awarded"}]}`)
	f.Add(`{"matches":[{"round":"Matchday 1","date":"2024-08-17"},{"score":{"ft":[]}}]`)
	f.Fuzz(func(t *testing.T, content string) {
		h := readText(t, "2024-25/en.1.json", content)
		for i := range h.Matches {
			m := &h.Matches[i]
			if m.Status == features.StatusUnknown || m.Competition != "E0" || m.HomeGoals < 0 || m.AwayGoals < 0 {
				t.Errorf("%+v", m)
			}
			if _, known := features.KnownClub("eng", strings.TrimPrefix(fmt.Sprint(m.Home), "eng-"), m.Season); !known {
				t.Errorf("club %q out of nowhere", m.Home)
			}
		}
		if len(h.Matches) > 0 && !json.Valid([]byte(strings.TrimPrefix(content, "\ufeff"))) {
			t.Error("matches out of what is no JSON")
		}
	})
}
