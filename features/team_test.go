package features

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{
		"Man United":             "man-united",
		"  Bayern   München ":    "bayern-munchen",
		"Preußen Münster":        "preussen-munster",
		"M'gladbach":             "m-gladbach",
		"Nott'm Forest":          "nott-m-forest",
		"Rushden & D":            "rushden-d",
		"1. FC Köln":             "1-fc-koln",
		"Łódź":                   "lodz",
		"Brøndby":                "brondby",
		"Çaykur Rizespor":        "caykur-rizespor",
		"İstanbul Başakşehir":    "istanbul-basaksehir",
		"Œil Ærø Đorđe":          "oeil-aero-dorde",
		"Зенит":                  "43743543d438442",
		"":                       "",
		"---":                    "",
		"\xff\xfe":               "",
		"a\x00b":                 "a-b",
		strings.Repeat("ab ", 3): "ab-ab-ab",
	} {
		if got := Slug(name); got != want {
			t.Errorf("Slug(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestIDs(t *testing.T) {
	if got := TeamID("eng", "Man United"); got != "eng-man-united" {
		t.Errorf("TeamID = %q", got)
	}
	if got := MatchID("E0", 20792, "eng-arsenal", "eng-chelsea"); got != "E0-20261205-arsenal-chelsea" {
		t.Errorf("MatchID = %q", got)
	}
	if got := MatchID("D1", 0, "ger-bayern-munich", "ger-m-gladbach"); got != "D1-19700101-bayern-munich-m-gladbach" {
		t.Errorf("MatchID = %q", got)
	}
}

// knownTeams are all clubs of the alias table and one of a country that has no table.
func knownTeams() []Team {
	countries := map[string]string{}
	for country, code := range countryCodes {
		countries[code] = country
	}
	var teams []Team
	for club, name := range knownClubs().names {
		if club.key == nameKey(name) {
			teams = append(teams, Team{
				ID: TeamID(club.country, name), Name: name, Country: countries[club.country],
				Aliases: ClubAliases(club.country, name),
			})
		}
	}
	return append(teams, Team{ID: "dk-fc-copenhagen", Name: "FC Copenhagen", Country: "DK"},
		Team{ID: "dk-brondby", Name: "Brondby", Country: "DK"})
}

func TestFind(t *testing.T) {
	teams := NewTeamIndex(knownTeams())
	for _, test := range []struct{ name, country, want string }{
		{"Arsenal", "", "eng-arsenal"},
		{"eng-arsenal", "", "eng-arsenal"},
		{"eng-arsenal", "England", "eng-arsenal"},
		{"ARSENAL", "", "eng-arsenal"},
		{" arsenal f.c. ", "", "eng-arsenal"},
		{"Arsenal FC", "eng", "eng-arsenal"},
		{"FC Arsenal", "england", "eng-arsenal"},
		{"Manchester United", "", "eng-man-united"},
		{"Man Utd", "", "eng-man-united"},
		{"ManUtd", "", "eng-man-united"},
		{"MANCHESTER CITY FC", "", "eng-man-city"},
		{"Spurs", "", "eng-tottenham"},
		{"Brighton & Hove Albion", "", "eng-brighton"},
		{"Brighton and Hove Albion FC", "", "eng-brighton"},
		{"Wolverhampton Wanderers", "", "eng-wolves"},
		{"Nottingham Forest", "", "eng-nott-m-forest"},
		{"Nott’m Forest", "", "eng-nott-m-forest"},
		{"Bayern München", "", "ger-bayern-munich"},
		{"FC Bayern", "", "ger-bayern-munich"},
		{"Borussia Mönchengladbach", "", "ger-m-gladbach"},
		{"M'Gladbach", "", "ger-m-gladbach"},
		{"Mgladbach", "", "ger-m-gladbach"},
		{"1. FC Köln", "", "ger-fc-koln"},
		{"1. FSV Mainz 05", "", "ger-mainz"},
		{"Leipzig", "", "ger-rb-leipzig"},
		{"VfB Leipzig", "", "ger-vfb-leipzig"},
		{"PSG", "", "fra-paris-sg"},
		{"Paris Saint-Germain", "", "fra-paris-sg"},
		{"Paris FC", "", "fra-paris-fc"},
		{"Saint-Étienne", "", "fra-st-etienne"},
		{"Ajaccio", "", "fra-ajaccio"},
		{"Inter Milan", "", "ita-inter"},
		{"AC Milan", "", "ita-milan"},
		{"Atlético Madrid", "", "esp-ath-madrid"},
		{"Athletic Club", "", "esp-ath-bilbao"},
		{"Real Sociedad", "", "esp-sociedad"},
		{"Espanyol", "", "esp-espanol"},
		{"Heracles", "", "ned-heracles"},
		{"Heracles", "Greece", "gre-iraklis"},
		{"Heracles", "ned", "ned-heracles"},
		{"Wimbledon", "", "eng-wimbledon"},
		{"AFC Wimbledon", "", "eng-afc-wimbledon"},
		{"Copenhagen", "", "dk-fc-copenhagen"},
		{"Brøndby IF", "", "dk-brondby"},
	} {
		got, err := teams.Find(test.name, test.country)
		if err != nil || got.ID != test.want {
			t.Errorf("Find(%q, %q) = %q, %v, want %q", test.name, test.country, got.ID, err, test.want)
		}
	}
}

func TestFindSuggests(t *testing.T) {
	teams := NewTeamIndex(append(knownTeams(),
		Team{ID: "aa-rovers", Name: "Rovers", Country: "AA"}, Team{ID: "bb-rovers", Name: "Rovers", Country: "BB"}))
	for _, test := range []struct {
		name, country string
		want          []string // the first suggestions
	}{
		{"Arsenl", "", []string{"eng-arsenal"}},
		{"Asrenal", "", []string{"eng-arsenal"}},
		{"Manchester", "", []string{"eng-man-city", "eng-man-united"}},
		{"Mnachester United", "", []string{"eng-man-united"}},
		{"Bayer Munchen", "", []string{"ger-bayern-munich"}},
		{"Barcelna", "", []string{"esp-barcelona"}},
		{"Juventos", "", []string{"ita-juventus"}},
		{"Sheffield", "England", []string{"eng-sheffield-united", "eng-sheffield-weds"}},
		{"Paris", "", []string{"fra-paris-fc", "fra-paris-sg"}},
		{"Rovers", "", []string{"aa-rovers", "bb-rovers"}},
		{"Barcelona", "England", []string{}},
		{"Qqqqqqqqqq", "", []string{}},
		{"", "", []string{}},
		{"???", "", []string{}},
	} {
		got, err := teams.Find(test.name, test.country)
		var unknown *TeamUnknownError
		if !errors.As(err, &unknown) || !errors.Is(err, ErrTeamUnknown) {
			t.Errorf("Find(%q) = %q, %v, want a *TeamUnknownError", test.name, got.ID, err)
			continue
		}
		ids := []string{}
		for _, team := range unknown.Suggestions {
			ids = append(ids, team.ID)
		}
		if unknown.Name != test.name || len(ids) > 3 {
			t.Errorf("Find(%q): %v", test.name, err)
		}
		first := ids[:min(len(ids), max(len(test.want), 1))]
		slices.Sort(first)
		if !slices.Equal(first, test.want) {
			t.Errorf("Find(%q, %q) suggests %v, want %v first", test.name, test.country, ids, test.want)
		}
	}
}

func TestFindTakesHostileNames(t *testing.T) {
	teams := NewTeamIndex(knownTeams())
	for _, name := range []string{
		strings.Repeat("a", 1<<20), strings.Repeat("é", 1<<19), strings.Repeat("ﷺ", 33), strings.Repeat("&", 100),
		strings.Repeat("\xff", 100), strings.Repeat("a ", 50),
	} {
		start := time.Now()
		_, err := teams.Find(name, "")
		var unknown *TeamUnknownError
		if !errors.As(err, &unknown) || len(unknown.Name) > longestName+len("…") {
			t.Errorf("Find of %d bytes: error of type %T, name of %d bytes", len(name), err, len(unknown.Name))
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("Find of %d bytes took %v", len(name), took)
		}
		if _, err := teams.Find("Arsenal", name); err == nil {
			t.Errorf("found in a country of %d bytes", len(name))
		}
	}
}

func TestTeamIndexKeepsItsTeams(t *testing.T) {
	given := []Team{{ID: "b", Name: "B"}, {ID: "a", Name: "old"}, {ID: "a", Name: "A"}}
	teams := NewTeamIndex(given)
	given[0].Name = "changed"
	if got := teams.Teams(); len(got) != 2 || got[0].Name != "A" || got[1].Name != "B" {
		t.Errorf("teams %+v", got)
	}
	if team, ok := teams.Team("a"); !ok || team.Name != "A" {
		t.Errorf("Team(a) = %+v, %v", team, ok)
	}
	if _, ok := teams.Team("B"); ok {
		t.Error("a name passed for an id")
	}
}

func TestFindDoesNotAllocate(t *testing.T) {
	teams := NewTeamIndex(knownTeams())
	for _, name := range []string{"eng-arsenal", "Arsenal", "manchester united", "Borussia Mönchengladbach"} {
		for _, country := range []string{"", "England", "Germany"} {
			if _, err := teams.Find(name, country); err != nil {
				continue
			}
			if n := testing.AllocsPerRun(100, func() { _, _ = teams.Find(name, country) }); n != 0 {
				t.Errorf("Find(%q, %q): %v allocations, want none", name, country, n)
			}
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "", 3}, {"abcd", "acbd", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := distance(test.a, test.b, 10); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := distance(test.b, test.a, 10); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.b, test.a, got, test.want)
		}
	}
	if got := distance("aaaaaaaa", "bbbbbbbb", 2); got <= 2 {
		t.Errorf("distance beyond the limit is %d", got)
	}
}

func BenchmarkFind(b *testing.B) {
	teams := NewTeamIndex(knownTeams())
	for name, ask := range map[string]string{
		"id": "eng-arsenal", "name": "Arsenal", "alias": "Borussia Mönchengladbach", "club form": "Arsenal FC", "unknown": "Manchester",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = teams.Find(ask, "")
			}
		})
	}
}
