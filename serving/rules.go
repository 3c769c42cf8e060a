package serving

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// rules checks messages against the rules that our protos state. Other protos state none, and their
// messages are not looked at: some hold a great many parts.
type rules struct {
	// first ends at the first field at fault; all looks for all. An option of a call would be allocated
	// with each call.
	first, all protovalidate.Validator
	stated     map[protoreflect.MessageDescriptor]bool
}

// newRules compiles the rules of every request now, so that no request waits for it.
func newRules() (rules, error) {
	stated := make(map[protoreflect.MessageDescriptor]bool)
	for _, file := range []protoreflect.FileDescriptor{
		pb.File_footballprediction_v1_prediction_proto,
		pb.File_footballprediction_v1_feature_proto,
		pb.File_footballprediction_v1_model_proto,
		pb.File_footballprediction_v1_match_proto,
		pb.File_footballprediction_v1_live_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				stated[methods.Get(j).Input()] = true
			}
		}
	}
	compiled := protovalidate.WithMessageDescriptors(slices.Collect(maps.Keys(stated))...)
	first, err := protovalidate.New(compiled, protovalidate.WithFailFast())
	if err != nil {
		return rules{}, fmt.Errorf("rules of the protos: %w", err)
	}
	all, err := protovalidate.New(compiled)
	if err != nil {
		return rules{}, fmt.Errorf("rules of the protos: %w", err)
	}
	return rules{first, all, stated}, nil
}

// What of the fields at fault is said: all of them where a message is short, as what a person sends is,
// and else the first. To look for all in a long list of wrong elements takes seconds, and nobody wants to
// read them.
const (
	longMessage = 512 // bytes
	mostFields  = 8
)

// check returns nil or an *Error with the fields at fault.
func (r rules) check(message proto.Message) error {
	if !r.stated[message.ProtoReflect().Descriptor()] {
		return nil
	}
	err := r.first.Validate(message)
	if err == nil {
		return nil
	}
	if proto.Size(message) <= longMessage {
		err = r.all.Validate(message)
	}
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return fmt.Errorf("rules of %s: %w", message.ProtoReflect().Descriptor().FullName(), err)
	}
	e := &Error{Code: codes.InvalidArgument, Reason: FieldInvalid}
	for i, violation := range invalid.Violations[:min(len(invalid.Violations), mostFields)] {
		field := Field{Path: protovalidate.FieldPathString(violation.Proto.GetField()), Description: describe(violation)}
		if i > 0 {
			e.Message += "; "
		}
		e.Message += field.Path + ": " + field.Description
		e.Fields = append(e.Fields, field)
	}
	return e
}

// describe says what was expected and what was got.
func describe(violation *protovalidate.Violation) string {
	text := violation.Proto.GetMessage()
	if value := violation.FieldValue; value.IsValid() {
		if list, ok := value.Interface().(protoreflect.List); ok {
			return text + ", got " + clip(describeList(list, violation.FieldDescriptor))
		}
		text += fmt.Sprintf(", got %q", clip(fmt.Sprint(value.Interface())))
	}
	return text
}

// describeList writes the elements of a list as its enum names them, or else says how many there are.
func describeList(list protoreflect.List, field protoreflect.FieldDescriptor) string {
	if field == nil || field.Enum() == nil {
		return strconv.Itoa(list.Len()) + " elements"
	}
	names := make([]string, min(list.Len(), 20)) // the rest is clipped
	for i := range names {
		number := list.Get(i).Enum()
		names[i] = strconv.Itoa(int(number))
		if known := field.Enum().Values().ByNumber(number); known != nil {
			names[i] = string(known.Name())
		}
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// clip keeps what a caller sent from filling a message or a log line.
func clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
