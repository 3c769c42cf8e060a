package features

import (
	"slices"
	"strings"
)

// leagues are the competitions of football-data.co.uk, by country and tier.
var leagues = []Competition{
	{Code: "E0", Name: "Premier League", Country: "England", Tier: 1},
	{Code: "E1", Name: "Championship", Country: "England", Tier: 2},
	{Code: "E2", Name: "League One", Country: "England", Tier: 3},
	{Code: "E3", Name: "League Two", Country: "England", Tier: 4},
	{Code: "EC", Name: "National League", Country: "England", Tier: 5},
	{Code: "SC0", Name: "Scottish Premiership", Country: "Scotland", Tier: 1},
	{Code: "SC1", Name: "Scottish Championship", Country: "Scotland", Tier: 2},
	{Code: "SC2", Name: "Scottish League One", Country: "Scotland", Tier: 3},
	{Code: "SC3", Name: "Scottish League Two", Country: "Scotland", Tier: 4},
	{Code: "D1", Name: "Bundesliga", Country: "Germany", Tier: 1},
	{Code: "D2", Name: "2. Bundesliga", Country: "Germany", Tier: 2},
	{Code: "I1", Name: "Serie A", Country: "Italy", Tier: 1},
	{Code: "I2", Name: "Serie B", Country: "Italy", Tier: 2},
	{Code: "SP1", Name: "La Liga", Country: "Spain", Tier: 1},
	{Code: "SP2", Name: "Segunda División", Country: "Spain", Tier: 2},
	{Code: "F1", Name: "Ligue 1", Country: "France", Tier: 1},
	{Code: "F2", Name: "Ligue 2", Country: "France", Tier: 2},
	{Code: "N1", Name: "Eredivisie", Country: "Netherlands", Tier: 1},
	{Code: "B1", Name: "Belgian Pro League", Country: "Belgium", Tier: 1},
	{Code: "P1", Name: "Primeira Liga", Country: "Portugal", Tier: 1},
	{Code: "T1", Name: "Süper Lig", Country: "Turkey", Tier: 1},
	{Code: "G1", Name: "Super League Greece", Country: "Greece", Tier: 1},
}

// countryCodes are the prefixes of team ids.
var countryCodes = map[string]string{
	"England": "eng", "Scotland": "sco", "Germany": "ger", "Italy": "ita", "Spain": "esp", "France": "fra",
	"Netherlands": "ned", "Belgium": "bel", "Portugal": "por", "Turkey": "tur", "Greece": "gre",
}

// Competitions returns the leagues that are known by name, by country and tier.
func Competitions() []Competition { return slices.Clone(leagues) }

// CompetitionOf returns the league of a code, without a season. A code that is not known by name is
// still a league: what stands before its digits tells its country ("SP3" is Spanish; of "RU1" the
// country is "RU"), the digits its tier.
func CompetitionOf(code string) Competition {
	for _, league := range leagues {
		if league.Code == code {
			return league
		}
	}
	prefix := strings.TrimRight(code, "0123456789")
	unknown := Competition{Code: code, Name: code, Country: prefix, Tier: 1}
	if prefix == "" {
		unknown.Country = code
	}
	if digits := code[len(prefix):]; len(digits) == 1 && digits != "0" {
		unknown.Tier = int(digits[0] - '0')
	}
	for _, league := range leagues {
		if strings.TrimRight(league.Code, "0123456789") == prefix {
			unknown.Country = league.Country
			if strings.HasSuffix(league.Code, "0") {
				unknown.Tier++ // its highest league is numbered 0
			}
			break
		}
	}
	return unknown
}

// CountryCode returns the prefix of a country's team ids: "eng" for "England", whatever the
// capitals, and for "eng" itself. A country that is not known by name is its own code.
func CountryCode(country string) string {
	if code, ok := countryCodes[country]; ok {
		return code
	}
	slug := Slug(country)
	for name, code := range countryCodes {
		if slug == strings.ToLower(name) {
			return code
		}
	}
	return slug
}
