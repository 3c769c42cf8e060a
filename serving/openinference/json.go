package openinference

import (
	"encoding/json"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// appendMessage appends a message as the REST form of the protocol has it: the proto's names of
// fields, numbers of 64 bits as numbers, names of enums, fields also where they are zero, but neither
// messages that are not set nor empty maps. protojson would write the numbers as strings.
func appendMessage(data []byte, message proto.Message) []byte {
	return appendFields(data, message.ProtoReflect())
}

func appendFields(data []byte, message protoreflect.Message) []byte {
	data = append(data, '{')
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !message.Has(field) && (field.IsMap() || field.Message() != nil && !field.IsList()) {
			continue
		}
		if data[len(data)-1] != '{' {
			data = append(data, ',')
		}
		data = append(appendString(data, field.TextName()), ':')
		switch value := message.Get(field); {
		case field.IsMap():
			panic(fmt.Sprintf("openinference: map %s has no JSON form", field.FullName()))
		case field.IsList():
			data = append(data, '[')
			for j := range value.List().Len() {
				if j > 0 {
					data = append(data, ',')
				}
				data = appendValue(data, field, value.List().Get(j))
			}
			data = append(data, ']')
		default:
			data = appendValue(data, field, value)
		}
	}
	return append(data, '}')
}

func appendValue(data []byte, field protoreflect.FieldDescriptor, value protoreflect.Value) []byte {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return appendFields(data, value.Message())
	case protoreflect.EnumKind:
		return appendString(data, string(field.Enum().Values().ByNumber(value.Enum()).Name()))
	case protoreflect.BoolKind:
		return strconv.AppendBool(data, value.Bool())
	case protoreflect.StringKind:
		return appendString(data, value.String())
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		return strconv.AppendInt(data, value.Int(), 10)
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		return strconv.AppendUint(data, value.Uint(), 10)
	}
	panic(fmt.Sprintf("openinference: %s %s has no JSON form", field.Kind(), field.FullName()))
}

// appendString appends a JSON string; what is not UTF-8 in it is replaced.
func appendString(data []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("openinference: string as JSON: %v", err)) // there is no string that fails
	}
	return append(data, quoted...)
}
