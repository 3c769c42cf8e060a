package serving

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// bindParameters sets fields of a message by the parameters of a URL: a name is a path such as
// pairing.home_team or pairing.homeTeam, values are written as JSON writes them, without quotes, and
// repeated fields take several.
func bindParameters(message proto.Message, parameters map[string][]string) error {
	set := make(map[string]bool, len(parameters))
	chosen := make(map[string]protoreflect.FieldDescriptor) // by the path of a oneof
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		values := parameters[name]
		fields, err := findParameter(message.ProtoReflect().Descriptor(), name)
		if err != nil {
			return err
		}
		path := protoPath(fields)
		leaf := fields[len(fields)-1]
		if set[path] || len(values) != 1 && !leaf.IsList() {
			return errorf(FieldInvalid, "query parameter %q: expected once, got several times", clip(name)).at(path)
		}
		set[path] = true
		for i, field := range fields {
			oneof := field.ContainingOneof()
			if oneof == nil {
				continue
			}
			place := protoPath(fields[:i]) + "." + string(oneof.Name())
			if first := chosen[place]; first != nil && first != field {
				return errorf(FieldInvalid, "%s: expected one member of the oneof %s, got both %s and %s",
					path, oneof.Name(), first.Name(), field.Name()).at(path)
			}
			chosen[place] = field
		}
		for _, value := range values {
			if !utf8.ValidString(value) {
				return errorf(FieldInvalid, "%s: expected UTF-8, got %q", path, clip(value)).at(path)
			}
		}
		given := message.ProtoReflect().New().Interface()
		if err := protojson.Unmarshal(parameterJSON(fields, values), given); err != nil {
			return errorf(FieldInvalid, "%s: expected %s, got %q", path, kindName(leaf), clip(strings.Join(values, ","))).at(path)
		}
		proto.Merge(message, given)
	}
	return nil
}

// findParameter resolves a path of names, each the JSON or the proto name of a field.
func findParameter(message protoreflect.MessageDescriptor, name string) ([]protoreflect.FieldDescriptor, error) {
	var fields []protoreflect.FieldDescriptor
	for part := range strings.SplitSeq(name, ".") {
		if message == nil {
			return nil, errParameter(name)
		}
		field := message.Fields().ByJSONName(part)
		if field == nil {
			field = message.Fields().ByName(protoreflect.Name(part))
		}
		if field == nil {
			return nil, errParameter(name)
		}
		fields = append(fields, field)
		message = nil
		if !field.IsList() && !field.IsMap() {
			message = field.Message()
		}
	}
	if leaf := fields[len(fields)-1]; leaf.Message() != nil {
		return nil, errParameter(name)
	}
	return fields, nil
}

func errParameter(name string) *Error {
	return errorf(FieldInvalid, "query parameter %q: there is no such parameter", clip(name)).at(clip(name))
}

func protoPath(fields []protoreflect.FieldDescriptor) string {
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = string(field.Name())
	}
	return strings.Join(names, ".")
}

// parameterJSON writes the values as JSON of the message that holds them.
func parameterJSON(fields []protoreflect.FieldDescriptor, values []string) []byte {
	leaf := fields[len(fields)-1]
	var b strings.Builder
	for _, field := range fields {
		b.WriteString(`{"` + field.JSONName() + `":`)
	}
	if leaf.IsList() {
		b.WriteByte('[')
	}
	for i, value := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(valueJSON(leaf.Kind(), value))
	}
	if leaf.IsList() {
		b.WriteByte(']')
	}
	b.WriteString(strings.Repeat("}", len(fields)))
	return []byte(b.String())
}

// valueJSON writes one value. JSON knows numbers in quotes, but neither booleans nor an enum's
// numbers.
func valueJSON(kind protoreflect.Kind, value string) []byte {
	switch kind {
	case protoreflect.BoolKind:
		if value == "true" || value == "false" {
			return []byte(value)
		}
	case protoreflect.EnumKind:
		if number, err := strconv.ParseInt(value, 10, 32); err == nil {
			return strconv.AppendInt(nil, number, 10)
		}
	}
	quoted, err := json.Marshal(value)
	if err != nil {
		return []byte("null") // strings always have a JSON form
	}
	return quoted
}

func kindName(field protoreflect.FieldDescriptor) string {
	if field.Enum() != nil {
		return "a " + string(field.Enum().Name())
	}
	return "a value of type " + field.Kind().String()
}
