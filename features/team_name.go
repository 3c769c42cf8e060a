package features

import (
	"strconv"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A fold says how a name is brought to lowercase ASCII, so that "Bayern München" and "BAYERN
// MUNCHEN" meet.
type fold int

const (
	// foldSlug puts one hyphen for every run of other characters: "m-gladbach".
	foldSlug fold = iota
	// foldWords puts one space and lets apostrophes go: "mgladbach", "brighton and hove".
	foldWords
	// foldKey keeps letters and digits alone, so that "Man Utd" and "ManUtd" meet.
	foldKey
)

// ligatures are the letters that no decomposition takes apart.
var ligatures = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'ø': "o", 'Ø': "o", 'ł': "l", 'Ł': "l",
	'đ': "d", 'Đ': "d", 'ð': "d", 'Ð': "d", 'þ': "th", 'Þ': "th", 'ı': "i", 'ħ': "h", 'Ħ': "h", 'ŋ': "n", 'Ŋ': "n",
}

// appendFolded appends the folded name. A letter that has no ASCII form ("Ж") is written as its
// code point, so that two names in another script stay two.
func appendFolded(dst []byte, name string, how fold) []byte {
	f := folder{start: len(dst), how: how}
	for i := 0; i < len(name); {
		if c := name[i]; c < utf8.RuneSelf {
			dst = f.ascii(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(name[i:])
		if letters, ok := ligatures[r]; ok {
			for j := range len(letters) {
				dst = f.ascii(dst, letters[j])
			}
		} else if parts := norm.NFKD.PropertiesString(name[i:]).Decomposition(); parts != nil && r != '´' {
			for len(parts) > 0 {
				part, n := utf8.DecodeRune(parts)
				dst = f.rune(dst, part)
				parts = parts[n:]
			}
		} else {
			dst = f.rune(dst, r)
		}
		i += size
	}
	return dst
}

// folder writes one folded name behind dst[:start]. It does not hold dst, which then may stay on
// the caller's stack.
type folder struct {
	start int
	how   fold
	gap   bool // a separator is due before the next letter
}

// separate makes room for a letter or digit, by the separator that is due.
func (f *folder) separate(dst []byte) []byte {
	if f.gap && len(dst) > f.start {
		switch f.how {
		case foldSlug:
			dst = append(dst, '-')
		case foldWords:
			dst = append(dst, ' ')
		}
	}
	f.gap = false
	return dst
}

func (f *folder) ascii(dst []byte, c byte) []byte {
	switch {
	case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
		return append(f.separate(dst), c)
	case 'A' <= c && c <= 'Z':
		return append(f.separate(dst), c+'a'-'A')
	case c == '&' && f.how != foldSlug:
		f.gap = true
		dst = append(f.separate(dst), "and"...)
		f.gap = true
	case (c == '\'' || c == '`') && f.how != foldSlug:
	default:
		f.gap = true
	}
	return dst
}

func (f *folder) rune(dst []byte, r rune) []byte {
	switch {
	case r < utf8.RuneSelf:
		return f.ascii(dst, byte(r))
	case r == '’' || r == '‘' || r == '´':
		return f.ascii(dst, '\'')
	case unicode.Is(unicode.Mn, r):
	case r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		return strconv.AppendInt(f.separate(dst), int64(unicode.ToLower(r)), 16)
	default:
		f.gap = true
	}
	return dst
}
