package openinference

import (
	"bytes"
	"fmt"
	"slices"

	"footballprediction/serving"
)

// checkKeys refuses valid JSON in which an object has a key twice: one of the values would be lost
// unnoticed.
func checkKeys(data []byte) error {
	var (
		containers [8]container
		open       = containers[:0] // from the outermost one
		found      [32][]byte
		keys       = found[:0] // of the objects that are open, one after another
		isKey      bool        // whether a string that comes next is a key
	)
	for i := 0; i < len(data); {
		switch data[i] {
		case '{', '[':
			isKey = data[i] == '{'
			open = append(open, container{object: isKey, first: len(keys)})
		case '}':
			last := open[len(open)-1]
			if twice := repeated(keys[last.first:]); twice != nil {
				path := pathOf(open)
				return serving.ErrorAt("body", serving.FieldInvalid, "body: %sexpected each key once, got %q twice", path, clip(string(twice)))
			}
			keys, open, isKey = keys[:last.first], open[:len(open)-1], false
		case ']':
			open = open[:len(open)-1]
		case ',':
			last := &open[len(open)-1]
			last.index++
			isKey = last.object
		case '"':
			end := i + tokenEnd(data[i:])
			if isKey {
				last := &open[len(open)-1]
				last.key = keyOf(data[i:end], open)
				keys, isKey = append(keys, last.key), false
			}
			i = end
			continue
		}
		i++
	}
	return nil
}

// container is an object or a list that has begun and not ended.
type container struct {
	object bool
	first  int    // where an object's keys begin
	key    []byte // of an object, the last
	index  int    // of what comes next
}

// pathOf says where the innermost container is, as in "inputs[0]: ".
func pathOf(open []container) string {
	var path []byte
	for _, c := range open[:len(open)-1] {
		switch {
		case !c.object:
			path = fmt.Appendf(path, "[%d]", c.index)
		case path == nil:
			path = append(path, clip(string(c.key))...)
		default:
			path = append(append(path, '.'), clip(string(c.key))...)
		}
	}
	if path == nil {
		return ""
	}
	return string(path) + ": "
}

// fieldNames are the keys that encoding/json takes for a field of a request, in capitals, too.
var fieldNames = [...][]byte{[]byte("name"), []byte("datatype"), []byte("shape"), []byte("data"), []byte("parameters"), []byte("inputs"), []byte("outputs"), []byte("id")}

var parametersName = fieldNames[4]

// keyOf returns the key that a JSON string is. Parameters can have any names, and others are the fields
// that they are taken for.
func keyOf(token []byte, open []container) []byte {
	key, err := unquote(token)
	if err != nil { // half a surrogate pair: no name of anything
		key = token
	}
	if n := len(open); n > 1 && open[n-2].object && bytes.Equal(open[n-2].key, parametersName) {
		return key
	}
	for _, name := range fieldNames {
		if bytes.EqualFold(key, name) {
			return name
		}
	}
	return key
}

// repeated sorts keys and returns one that is there twice, or nil.
func repeated(keys [][]byte) []byte {
	slices.SortFunc(keys, bytes.Compare)
	for i := 1; i < len(keys); i++ {
		if bytes.Equal(keys[i-1], keys[i]) {
			return keys[i]
		}
	}
	return nil
}
