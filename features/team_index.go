package features

import (
	"slices"
	"strings"
)

// longestName bounds the names that a TeamIndex looks at, in bytes: no club's is near it.
const longestName = 100

// clubForms are words that say what a club is, not which: they may be left out or added.
var clubForms = func() map[string]bool {
	forms := map[string]bool{}
	for word := range strings.FieldsSeq("fc afc cf cfc acf sc ac as ssc ss us usc uc ud cd sd ad rcd rc ca sv vfb vfl vfr " +
		"tsv tsg fsv spvgg msv bsc sk fk bk jk nk kv krc kaa rsc kvc ksv sbv ogc aj ea if ifk calcio club") {
		forms[word] = true
	}
	return forms
}()

// TeamIndex finds teams by what people call them. It never changes and is safe for concurrent use.
type TeamIndex struct {
	teams     []Team           // by id
	countries []string         // their countries' codes
	exact     map[string]int32 // ids, and names that one team alone has
	names     map[string][]int32
	aliases   map[string][]int32
	cores     map[string][]int32 // names and aliases without their clubForms
	spellings []spelling
}

// NewTeamIndex returns an index of the teams. Of two with one id the later counts.
func NewTeamIndex(teams []Team) *TeamIndex {
	x := &TeamIndex{
		exact: map[string]int32{}, names: map[string][]int32{}, aliases: map[string][]int32{}, cores: map[string][]int32{},
	}
	x.teams = slices.Clone(teams)
	slices.Reverse(x.teams)
	slices.SortStableFunc(x.teams, func(a, b Team) int { return strings.Compare(a.ID, b.ID) })
	x.teams = slices.CompactFunc(x.teams, func(a, b Team) bool { return a.ID == b.ID })

	for i := range x.teams {
		team, at := &x.teams[i], int32(i)
		x.countries = append(x.countries, CountryCode(team.Country))
		add(x.names, nameKey(team.Name), at)
		add(x.cores, coreKey(team.Name), at)
		x.spellings = append(x.spellings, newSpelling(at, team.Name))
		for _, alias := range team.Aliases {
			add(x.aliases, nameKey(alias), at)
			add(x.cores, coreKey(alias), at)
			x.spellings = append(x.spellings, newSpelling(at, alias))
		}
	}
	for i := range x.teams {
		if team := &x.teams[i]; len(x.names[nameKey(team.Name)]) == 1 {
			x.exact[team.Name] = int32(i)
		}
	}
	for i := range x.teams {
		x.exact[x.teams[i].ID] = int32(i)
	}
	return x
}

func add(index map[string][]int32, key string, team int32) {
	if teams := index[key]; key != "" && !slices.Contains(teams, team) {
		index[key] = append(teams, team)
	}
}

// Teams returns the teams by id. They must not be changed.
func (x *TeamIndex) Teams() []Team { return x.teams }

// Team returns the team of an id.
func (x *TeamIndex) Team(id string) (Team, bool) {
	i, ok := x.exact[id]
	if !ok || x.teams[i].ID != id {
		return Team{}, false
	}
	return x.teams[i], true
}

// Find resolves an id, a name or an alias, with or without the capitals, accents, punctuation and
// words like "FC". A country, by name or code, narrows the search where it is not empty. What is
// nearest to the letter wins; where several teams are equally near, none does. The error is a
// *TeamUnknownError that suggests those, or else the teams most alike.
func (x *TeamIndex) Find(name, country string) (Team, error) {
	if len(name) > longestName {
		return Team{}, &TeamUnknownError{Name: strings.ToValidUTF8(name[:longestName], "") + "…"}
	}
	if country != "" {
		if country = CountryCode(country[:min(len(country), longestName)]); country == "" {
			return Team{}, &TeamUnknownError{Name: name}
		}
	}
	if i, ok := x.exact[name]; ok && x.in(i, country) {
		return x.teams[i], nil
	}
	var space [2 * longestName]byte
	key := appendFolded(space[:0], name, foldKey)
	for _, index := range [...]map[string][]int32{x.names, x.aliases} {
		if i, n := x.only(index[string(key)], country); n == 1 {
			return x.teams[i], nil
		} else if n > 1 {
			return Team{}, x.unknown(name, x.inCountry(index[string(key)], country))
		}
	}
	return x.findCore(name, country)
}

// findCore looks for a name whose club forms differ.
func (x *TeamIndex) findCore(name, country string) (Team, error) {
	asked := newSpelling(-1, name)
	core := coreKey(name)
	for _, index := range [...]map[string][]int32{x.names, x.aliases} {
		if i, n := x.only(index[core], country); n == 1 {
			return x.teams[i], nil
		}
	}
	// "Paris" is not Paris FC as long as another team's name has the word in it.
	if i, n := x.only(x.cores[core], country); n == 1 && !slices.ContainsFunc(x.spellings, func(s spelling) bool {
		return s.team != i && x.in(s.team, country) && s.has(asked.core())
	}) {
		return x.teams[i], nil
	}
	return Team{}, x.unknown(name, x.nearest(&asked, country))
}

func (x *TeamIndex) in(team int32, country string) bool {
	return country == "" || x.countries[team] == country
}

// only returns the team of the country if it is the only one, and their number.
func (x *TeamIndex) only(teams []int32, country string) (team int32, n int) {
	for _, i := range teams {
		if x.in(i, country) {
			team = i
			n++
		}
	}
	return team, n
}

func (x *TeamIndex) inCountry(teams []int32, country string) (in []int32) {
	for _, i := range teams {
		if x.in(i, country) {
			in = append(in, i)
		}
	}
	return in
}

func (x *TeamIndex) unknown(name string, suggestions []int32) error {
	err := &TeamUnknownError{Name: name}
	for _, i := range suggestions[:min(len(suggestions), mostSuggestions)] {
		err.Suggestions = append(err.Suggestions, x.teams[i])
	}
	return err
}
