package serving

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// unmarshalJSON reads a message and ignores fields that it does not know. protojson would ignore with
// them the names that an enum does not know, and so answer another question than was asked: such a
// name is an *Error. Only what protojson does not take as it is, is looked at again.
func unmarshalJSON(data []byte, message proto.Message) error {
	if protojson.Unmarshal(data, message) == nil {
		return nil
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, message); err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	return checkEnums(message.ProtoReflect().Descriptor(), value, "")
}

// checkEnums returns an *Error for the first name in a message's JSON that its enum does not know.
// path is the message's, with a dot at its end, or empty. It goes only as deep as protojson has read.
func checkEnums(message protoreflect.MessageDescriptor, value any, path string) error {
	object, ok := value.(map[string]any)
	if !ok || message.FullName().Parent() == "google.protobuf" { // whose JSON is not that of its fields
		return nil
	}
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		for _, name := range []string{field.JSONName(), field.TextName()} {
			if err := checkFieldEnums(field, object[name], path+field.TextName()); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkFieldEnums(field protoreflect.FieldDescriptor, value any, path string) error {
	switch elements := value.(type) {
	case []any:
		for i, element := range elements {
			if err := checkValueEnums(field, element, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		if !field.IsMap() {
			return checkValueEnums(field, value, path)
		}
		for _, key := range slices.Sorted(maps.Keys(elements)) {
			if err := checkValueEnums(field.MapValue(), elements[key], fmt.Sprintf("%s[%q]", path, clip(key))); err != nil {
				return err
			}
		}
	default:
		return checkValueEnums(field, value, path)
	}
	return nil
}

func checkValueEnums(field protoreflect.FieldDescriptor, value any, path string) error {
	if field.Message() != nil {
		return checkEnums(field.Message(), value, path+".")
	}
	if name, ok := value.(string); ok && field.Enum() != nil && field.Enum().Values().ByName(protoreflect.Name(name)) == nil {
		return errorf(FieldInvalid, "%s: expected %s, got %q", path, kindName(field), clip(name)).at(path)
	}
	return nil
}
