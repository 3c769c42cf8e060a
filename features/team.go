package features

import "strings"

// Slug returns the name in lowercase ASCII with a hyphen for every run of other characters:
// "bayern-munchen" for "Bayern München".
func Slug(name string) string { return string(appendFolded(nil, name, foldSlug)) }

// TeamID returns the id of a club: the code of its country (see CountryCode) and the slug of its
// name, as in "eng-man-united".
func TeamID(countryCode, name string) string {
	id := make([]byte, 0, len(countryCode)+1+len(name))
	id = append(id, countryCode...)
	id = append(id, '-')
	return string(appendFolded(id, name, foldSlug))
}

// MatchID returns the id of a match: "E0-20261205-arsenal-chelsea" for two team ids. The date is
// part of it, since play-offs repeat a pairing within a season.
func MatchID(competition string, date Date, homeID, awayID string) string {
	home, away := withoutCountry(homeID), withoutCountry(awayID)
	id := make([]byte, 0, len(competition)+len(home)+len(away)+11)
	id = append(id, competition...)
	id = append(id, '-')
	id = date.Time().AppendFormat(id, dateDigits)
	id = append(id, '-')
	id = append(id, home...)
	id = append(id, '-')
	id = append(id, away...)
	return string(id)
}

// dateDigits is the layout of the date in a match id.
const dateDigits = "20060102"

func withoutCountry(teamID string) string {
	_, slug, _ := strings.Cut(teamID, "-")
	return slug
}
