package features

import (
	"strings"
	"testing"
)

// Every name and alias means one club of its country and stands in one line alone.
func TestAliasesAreUnambiguous(t *testing.T) {
	type owner struct{ name, lastSeason string }
	owners := map[clubName]owner{}
	var before string
	countries := map[string]bool{}
	for _, league := range leagues {
		countries[CountryCode(league.Country)] = true
	}
	lines := strings.Split(strings.TrimSpace(aliasFile), "\n")
	if lines[0] != "country,name,aliases,until" {
		t.Fatalf("header %q", lines[0])
	}
	for _, line := range lines[1:] {
		fields := strings.Split(line, ",")
		if len(fields) != 4 {
			t.Fatalf("%q: %d fields, want 4", line, len(fields))
		}
		country, name, lastSeason := fields[0], fields[1], fields[3]
		if !countries[country] {
			t.Errorf("%q: country %q has no league", line, country)
		}
		if _, err := ParseSeason(lastSeason); lastSeason != "" && err != nil {
			t.Errorf("%q: %v", line, err)
		}
		spellings := []string{name}
		if fields[2] != "" {
			spellings = append(spellings, strings.Split(fields[2], "|")...)
		}
		if lastSeason != "" {
			spellings = spellings[1:]
		} else if country+name == before {
			t.Errorf("%q: a second line for the club", line)
		}
		before = country + name
		for _, spelling := range spellings {
			key := clubName{country, nameKey(spelling)}
			if key.key == "" || strings.TrimSpace(spelling) != spelling {
				t.Errorf("%q: bad spelling %q", line, spelling)
			}
			if other, ok := owners[key]; ok && other.lastSeason == lastSeason {
				t.Errorf("%q: %q already means %s", line, spelling, other.name)
			}
			if lastSeason == "" {
				owners[key] = owner{name, lastSeason}
			}
			season := "2024-25"
			if lastSeason != "" {
				season = lastSeason
			}
			if got := ClubName(country, spelling, season); got != name {
				t.Errorf("ClubName(%q, %q) = %q, want %q", country, spelling, got, name)
			}
		}
	}
}

func TestClubName(t *testing.T) {
	for _, test := range []struct{ country, spelling, season, want string }{
		{"esp", "Villareal", "1998-99", "Villarreal"},
		{"ger", "M'Gladbach", "1993-94", "M'gladbach"},
		{"ned", "Roda JC", "2005-06", "Roda"},
		{"gre", "Yiannina", "2000-01", "Giannina"},
		{"gre", "Levadiakos", "1994-95", "Levadeiakos"},
		{"esp", "Lerida", "1993-94", "Lleida"},
		{"ger", "Dusseldorf", "1995-96", "Fortuna Dusseldorf"},
		{"ger", "Leipzig", "1993-94", "VfB Leipzig"},
		{"ger", "Leipzig", "1997-98", "VfB Leipzig"},
		{"ger", "Leipzig", "2016-17", "RB Leipzig"},
		{"ger", "RB Leipzig", "1993-94", "RB Leipzig"},
		{"fra", "Ajaccio", "2015-16", "Ajaccio"},
		{"fra", "Ajaccio GFCO", "2015-16", "Ajaccio GFCO"},
		{"eng", "Wimbledon", "1995-96", "Wimbledon"},
		{"eng", "AFC Wimbledon", "2015-16", "AFC Wimbledon"},
		{"esp", "U.Las Palmas", "2000-01", "U.Las Palmas"},
		{"ned", "Heracles", "1996-97", "Heracles"},
		{"gre", "Heracles", "1996-97", "Iraklis"},
		{"eng", "MAN  UTD", "2024-25", "Man United"},
		{"eng", "Nobody Town", "2024-25", "Nobody Town"},
		{"ru", "Zenit", "2013-14", "Zenit"},
	} {
		if got := ClubName(test.country, test.spelling, test.season); got != test.want {
			t.Errorf("ClubName(%q, %q, %q) = %q, want %q", test.country, test.spelling, test.season, got, test.want)
		}
	}
}
