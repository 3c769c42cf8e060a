package features

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
)

const (
	mostSuggestions = 3
	// leastLikeness is how alike a suggestion must be at least: 1 is equal, 0 has nothing in common.
	leastLikeness = .5
)

// spelling is one name of a team, folded so that it can be compared.
type spelling struct {
	team    int32
	key     string
	words   []string
	letters uint64 // a bit for each letter or digit in it
}

func newSpelling(team int32, name string) spelling {
	s := spelling{team: team, key: nameKey(name), words: words(name)}
	for i := range len(s.key) {
		s.letters |= 1 << (s.key[i] % 64)
	}
	return s
}

// words returns the folded words of a name. Initials are one word: "fc" for "F.C.".
func words(name string) (words []string) {
	initials := false
	for word := range strings.FieldsSeq(string(appendFolded(nil, name, foldWords))) {
		if initials && len(word) == 1 {
			words[len(words)-1] += word
			continue
		}
		words = append(words, word)
		initials = len(word) == 1
	}
	return words
}

// core returns the words that are neither club forms nor numbers, or all if there are no others.
func (s *spelling) core() []string {
	core := slices.DeleteFunc(slices.Clone(s.words), func(word string) bool {
		return clubForms[word] || strings.Trim(word, "0123456789") == ""
	})
	if len(core) == 0 {
		return s.words
	}
	return core
}

// has reports whether every word is in the name.
func (s *spelling) has(words []string) bool {
	for _, word := range words {
		if !slices.Contains(s.words, word) {
			return false
		}
	}
	return true
}

func coreKey(name string) string {
	s := newSpelling(-1, name)
	return strings.Join(s.core(), "")
}

// nearest returns the teams whose names are most like the one asked for, nearest first. Among
// equals the higher league comes first.
func (x *TeamIndex) nearest(asked *spelling, country string) []int32 {
	if asked.key == "" {
		return nil
	}
	best := map[int32]float64{}
	for i := range x.spellings {
		if s := &x.spellings[i]; x.in(s.team, country) {
			if likeness := max(asked.sharedLetters(s), asked.sharedWords(s)); likeness >= leastLikeness {
				best[s.team] = max(best[s.team], likeness)
			}
		}
	}
	teams := make([]int32, 0, len(best))
	for team := range best {
		teams = append(teams, team)
	}
	tier := func(i int32) int { return CompetitionOf(x.teams[i].Competition).Tier }
	slices.SortFunc(teams, func(a, b int32) int {
		return cmp.Or(cmp.Compare(best[b], best[a]), cmp.Compare(tier(a), tier(b)), cmp.Compare(a, b))
	})
	return teams
}

// sharedLetters is 1 less the share of letters that must be added, taken away, changed or swapped; 0
// where that is over a third.
func (s *spelling) sharedLetters(other *spelling) float64 {
	longest := max(len(s.key), len(other.key))
	limit := longest / 3
	// One change takes at most one letter out of either name.
	if max(bits.OnesCount64(s.letters&^other.letters), bits.OnesCount64(other.letters&^s.letters)) > limit {
		return 0
	}
	steps := distance(s.key, other.key, limit)
	if steps > limit {
		return 0
	}
	return 1 - float64(steps)/float64(longest)
}

// sharedWords is the share of the letters asked for that stand in words of the other name, less
// where that name has many more.
func (s *spelling) sharedWords(other *spelling) float64 {
	asked, shared, all := 0, 0, 0
	for _, word := range other.words {
		all += len(word)
	}
	for _, word := range s.words {
		asked += len(word)
		most := 0
		for _, theirs := range other.words {
			most = max(most, sharedStart(word, theirs))
		}
		shared += most
	}
	if asked == 0 || all == 0 {
		return 0
	}
	share := float64(shared) / float64(asked)
	return share * (.7 + .3*min(1, float64(shared)/float64(all)))
}

// sharedStart returns how many letters of a word mean the other word: all if they are equal or one
// letter apart, or else those of the shorter if the longer starts with it.
func sharedStart(a, b string) int {
	switch short := min(len(a), len(b)); {
	case a == b:
		return len(a)
	case short < 3:
		return 0
	case strings.HasPrefix(a, b) || strings.HasPrefix(b, a):
		return short
	case short >= 5 && distance(a, b, 1) <= 1:
		return short - 1
	}
	return 0
}

// distance counts the letters to add, take away, change or swap with their neighbour to make b of
// a. It stops counting where they are more than limit, or where b is beyond any club's name.
func distance(a, b string, limit int) int {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	// One step changes at most two letters.
	if len(a)-len(b) > limit || len(b)-len(a) > limit || limit == 1 && len(b) > 2 || len(b) > longestName {
		return limit + 1
	}
	var space [3][longestName + 1]uint16
	beforeLast, last, row := &space[0], &space[1], &space[2]
	for j := range len(b) + 1 {
		last[j] = uint16(j)
	}
	for i := 1; i <= len(a); i++ {
		row[0] = uint16(i)
		least := row[0]
		for j := 1; j <= len(b); j++ {
			d := last[j-1]
			if a[i-1] != b[j-1] {
				d = min(d, last[j], row[j-1]) + 1
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					d = min(d, beforeLast[j-2]+1)
				}
			}
			row[j] = d
			least = min(least, d)
		}
		if int(least) > limit+1 {
			return limit + 1
		}
		beforeLast, last, row = last, row, beforeLast
	}
	return int(last[len(b)])
}
