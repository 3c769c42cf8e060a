package openinference

import (
	"testing"

	"footballprediction/inference"
)

// JSON holds every number of every type exactly, also those that are no doubles.
func TestJSONIsExact(t *testing.T) {
	for dataType, lists := range map[inference.DataType][]string{
		inference.Bool:   {"[true,false]"},
		inference.Int8:   {"[-128,127]"},
		inference.Int16:  {"[-32768,32767]"},
		inference.Int32:  {"[-2147483648,2147483647]"},
		inference.Int64:  {"[-9223372036854775808,9223372036854775807]", "[9007199254740993,-9007199254740993]"},
		inference.Uint8:  {"[0,255]"},
		inference.Uint16: {"[0,65535]"},
		inference.Uint32: {"[0,4294967295]"},
		inference.Uint64: {"[18446744073709551615,9007199254740993]"},
		inference.FP32:   {"[3.4028235e+38,1e-45]", "[-0,0.1]", "[1.6777216e+07,-1.5]"},
		inference.FP64:   {"[1.7976931348623157e+308,5e-324]", "[-0,0.1]", "[0.30000000000000004,1e-07]"},
		inference.Bytes:  {`["","\"\\\n"]`},
	} {
		for _, list := range lists {
			data, err := parseData([]byte(list), dataType, []int64{2})
			if err != nil {
				t.Errorf("%s %s: %v", dataType, list, err)
				continue
			}
			if got, err := appendData(nil, dataType, data); err != nil || string(got) != list {
				t.Errorf("%s %s: got %s, %v", dataType, list, got, err)
			}
		}
	}
	for escaped, want := range map[string]string{`"\u00e9"`: "é", `"\ud83d\ude42"`: "🙂", `"\ufffd"`: "\ufffd", `"\/"`: "/", `"\\ud800"`: `\ud800`, `"\ud83d\ude42\ud83d\ude42"`: "🙂🙂", `"\uffff\ue000\ud7ff"`: "\uffff\ue000\ud7ff"} {
		if got, err := unquote([]byte(escaped)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v", escaped, got, err)
		}
	}
	for _, half := range []string{`"\ud83d"`, `"\ude42\ud83d"`, `"\ud83dx"`, `"\uD800\u0041"`, `"\ufffd\ud800"`, `"\\\ud800"`} {
		if got, err := unquote([]byte(half)); err == nil {
			t.Errorf("%s: got %q", half, got)
		}
	}
}
