package collect

import (
	"bytes"
	"unicode/utf8"
)

// cut returns the first field of a row and the row behind its comma; more is false where the row
// ends with the field. Quotes around a field are taken off, doubled ones in it halved; a quote
// within an unquoted field is as good as any letter.
func cut(row []byte) (field, rest []byte, more bool) {
	if len(row) > 0 && row[0] == '"' {
		return cutQuoted(row)
	}
	for i, c := range row {
		if c == ',' {
			return row[:i], row[i+1:], true
		}
	}
	return row, nil, false
}

func cutQuoted(row []byte) (field, rest []byte, more bool) {
	doubled := false
	end := len(row)
	for i := 1; i < len(row); i++ {
		if row[i] != '"' {
			continue
		}
		if i+1 < len(row) && row[i+1] == '"' {
			doubled = true
			i++
			continue
		}
		end = i
		break
	}
	field = row[1:end]
	if doubled {
		field = bytes.ReplaceAll(field, []byte(`""`), []byte(`"`))
	}
	comma := bytes.IndexByte(row[end:], ',')
	if comma < 0 {
		return field, nil, false
	}
	return field, row[end+comma+1:], true
}

// trim takes blanks off both ends, among them the no-break space in UTF-8 and in cp1252.
func trim(b []byte) []byte {
	for len(b) > 0 {
		if b[0] <= ' ' || b[0] == noBreakSpace {
			b = b[1:]
		} else if bytes.HasPrefix(b, noBreakSpaceUTF8) {
			b = b[2:]
		} else {
			break
		}
	}
	for len(b) > 0 {
		last := b[len(b)-1]
		if bytes.HasSuffix(b, noBreakSpaceUTF8) {
			b = b[:len(b)-2]
		} else if last <= ' ' || last == noBreakSpace && !utf8.Valid(b) { // it may be the end of an "à"
			b = b[:len(b)-1]
		} else {
			break
		}
	}
	return b
}

// noBreakSpace is the byte in cp1252.
const noBreakSpace = 0xA0

var noBreakSpaceUTF8 = []byte("\u00a0")

// blank reports whether a row has no value: nothing, or commas alone.
func blank(row []byte) bool {
	for _, c := range row {
		if c > ' ' && c != ',' && c != '"' && c != noBreakSpace && c != noBreakSpaceUTF8[0] {
			return false
		}
	}
	return true
}

// text returns a field as UTF-8 with single blanks: what is not UTF-8 is cp1252.
func text(field []byte) string {
	if !utf8.Valid(field) {
		decoded := make([]byte, 0, 2*len(field))
		for _, c := range field {
			decoded = utf8.AppendRune(decoded, fromCP1252(c))
		}
		field = decoded
	}
	return string(bytes.Join(bytes.Fields(field), []byte(" ")))
}

// cp1252 are the letters and signs from 0x80 to 0x9F; the others have their byte's code point.
var cp1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8D, 'Ž', 0x8F,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9D, 'ž', 'Ÿ',
}

func fromCP1252(c byte) rune {
	if c >= 0x80 && c < 0xA0 {
		return cp1252[c-0x80]
	}
	return rune(c)
}
