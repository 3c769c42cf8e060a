package inference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkJSON says where a text is not one JSON value in UTF-8.
func checkJSON(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return errors.New("it is empty: expected a JSON object, {} at least")
	}
	at, problem := 0, ""
	var value json.RawMessage
	if err := json.Unmarshal(text, &value); err != nil {
		syntax, ok := errors.AsType[*json.SyntaxError](err)
		if !ok {
			return err
		}
		at, problem = int(syntax.Offset)-1, syntax.Error()
		if problem == "unexpected end of JSON input" {
			at = len(text)
		}
	}
	for i := 0; i < len(text) && (problem == "" || i < at); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			at, problem = i, "expected UTF-8"
			break
		}
		i += size
	}
	if problem == "" {
		return nil
	}
	before := text[:min(at, len(text))]
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return fmt.Errorf("line %d, column %d: %s", bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(line)+1, problem)
}

// members calls f for each member of an object, and refuses what is none and keys given twice. The text
// is valid JSON.
func members(text []byte, f func(key string, value json.RawMessage) error) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if start, err := decoder.Token(); err != nil {
		return err
	} else if start != json.Delim('{') {
		return fmt.Errorf("expected an object, got %s", clip(strings.TrimSpace(string(text))))
	}
	seen := map[string]bool{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		key := name.(string) // nothing else can be here
		if seen[key] {
			return fmt.Errorf("%s: it is given twice", clip(key))
		}
		seen[key] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return fmt.Errorf("%s: %w", clip(key), err)
		}
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

// unknownKey names the key that was meant, if one is like it, and those that there are.
func unknownKey(key string, known []string) error {
	nearest, least := "", len(key)/3+1
	for _, name := range known {
		if d := distance(strings.ToLower(clip(key)), name); d < least {
			nearest, least = name, d
		}
	}
	hint := ""
	if nearest != "" {
		hint = fmt.Sprintf("; did you mean %s?", nearest)
	}
	return fmt.Errorf("unknown key %q: expected some of %s%s", clip(key), strings.Join(known, ", "), hint)
}

// distance is how many bytes must be added, left out or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
