package features

import (
	_ "embed"
	"strings"
	"sync"
)

// aliases.csv lists the clubs by country code, each under the latest spelling of its name in the
// football-data.co.uk files, with the other names that it goes by, apart by "|". A line with a last
// season gives spellings that meant this club up to that season only: they are read in old files
// and are no names to ask for.
//
//go:embed aliases.csv
var aliasFile string

// clubName is a club as its country's names know it.
type clubName struct{ country, key string }

type clubNames struct {
	names   map[clubName]string   // every key of a club to its name
	old     map[clubName]oldName  // keys that meant another club once
	aliases map[clubName][]string // the name's key to the aliases
}

type oldName struct {
	name       string
	lastSeason string
}

var knownClubs = sync.OnceValue(func() *clubNames {
	clubs := &clubNames{names: map[clubName]string{}, old: map[clubName]oldName{}, aliases: map[clubName][]string{}}
	lines := strings.Split(strings.TrimSpace(aliasFile), "\n")
	for _, line := range lines[1:] {
		fields := strings.Split(line, ",")
		country, name, lastSeason := fields[0], fields[1], fields[3]
		var aliases []string
		if fields[2] != "" {
			aliases = strings.Split(fields[2], "|")
		}
		if lastSeason != "" {
			for _, alias := range aliases {
				clubs.old[clubName{country, nameKey(alias)}] = oldName{name, lastSeason}
			}
			continue
		}
		key := clubName{country, nameKey(name)}
		clubs.aliases[key] = aliases
		clubs.names[key] = name
		for _, alias := range aliases {
			clubs.names[clubName{country, nameKey(alias)}] = name
		}
	}
	return clubs
})

func nameKey(name string) string { return string(appendFolded(nil, name, foldKey)) }

// ClubName returns the name under which a club is kept, given the code of its country (see
// CountryCode) and a spelling of its name in that season: "Villarreal" for "Villareal". A spelling
// that is not known is a name of its own.
func ClubName(countryCode, spelling, season string) string {
	clubs := knownClubs()
	key := clubName{countryCode, nameKey(spelling)}
	if old, ok := clubs.old[key]; ok && season <= old.lastSeason {
		return old.name
	}
	if name, ok := clubs.names[key]; ok {
		return name
	}
	return spelling
}

// KnownClub returns the name under which a club is kept, as ClubName does, and whether the spelling is
// known at all. Of British clubs "FC" and "AFC" at the end never tell one from another.
func KnownClub(countryCode, spelling, season string) (name string, known bool) {
	clubs := knownClubs()
	look := func(spelling string) bool {
		_, known = clubs.names[clubName{countryCode, nameKey(spelling)}]
		name = ClubName(countryCode, spelling, season)
		return known
	}
	if look(spelling) || countryCode != "eng" && countryCode != "sco" {
		return name, known
	}
	for _, end := range []string{" FC", " AFC"} {
		if shorter, ok := strings.CutSuffix(spelling, end); ok && look(shorter) {
			break
		}
	}
	return name, known
}

// ClubAliases returns the other names of a club that is kept under the name.
func ClubAliases(countryCode, name string) []string {
	return knownClubs().aliases[clubName{countryCode, nameKey(name)}]
}
