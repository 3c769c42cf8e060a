package features

import "testing"

func TestCompetitionOf(t *testing.T) {
	for _, test := range []struct {
		code, name, country string
		tier                int
	}{
		{"E0", "Premier League", "England", 1},
		{"EC", "National League", "England", 5},
		{"SC0", "Scottish Premiership", "Scotland", 1},
		{"D2", "2. Bundesliga", "Germany", 2},
		{"SP3", "SP3", "Spain", 3},
		{"E5", "E5", "England", 6},
		{"SC4", "SC4", "Scotland", 5},
		{"RU1", "RU1", "RU", 1},
		{"RU2", "RU2", "RU", 2},
		{"MLS", "MLS", "MLS", 1},
		{"X0", "X0", "X", 1},
		{"2025", "2025", "2025", 1},
	} {
		got := CompetitionOf(test.code)
		want := Competition{Code: test.code, Name: test.name, Country: test.country, Tier: test.tier}
		if got != want {
			t.Errorf("CompetitionOf(%q) = %+v, want %+v", test.code, got, want)
		}
	}
}

func TestCompetitionsAreCopies(t *testing.T) {
	all := Competitions()
	if len(all) != 22 {
		t.Errorf("%d competitions, want 22", len(all))
	}
	all[0].Name = "changed"
	if CompetitionOf("E0").Name != "Premier League" {
		t.Error("a caller changed the table")
	}
}

func TestCountryCode(t *testing.T) {
	for country, want := range map[string]string{
		"England": "eng", "england": "eng", "eng": "eng", "ENG": "eng", "Netherlands": "ned", "RU": "ru", "": "",
	} {
		if got := CountryCode(country); got != want {
			t.Errorf("CountryCode(%q) = %q, want %q", country, got, want)
		}
	}
}
