package serving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"footballprediction/features"
	"footballprediction/inference"
)

// errorDomain is the domain of every google.rpc.ErrorInfo.
const errorDomain = "footballprediction"

// Reason says exactly what was wrong; clients may rely on it.
type Reason string

// The reasons of the wire contract.
const (
	TeamUnknown         Reason = "TEAM_UNKNOWN"
	MatchUnknown        Reason = "MATCH_UNKNOWN"
	SeasonUnknown       Reason = "SEASON_UNKNOWN"
	CompetitionUnknown  Reason = "COMPETITION_UNKNOWN"
	ModelUnknown        Reason = "MODEL_UNKNOWN"
	ModelVersionUnknown Reason = "MODEL_VERSION_UNKNOWN"
	ServiceUnknown      Reason = "SERVICE_UNKNOWN"
	PathUnknown         Reason = "PATH_UNKNOWN"
	SameTeamTwice       Reason = "SAME_TEAM_TWICE"
	DateBeforeHistory   Reason = "DATE_BEFORE_HISTORY"
	BatchEmpty          Reason = "BATCH_EMPTY"
	BatchTooLarge       Reason = "BATCH_TOO_LARGE"
	OddsInvalid         Reason = "ODDS_INVALID"
	FieldInvalid        Reason = "FIELD_INVALID"
	TensorUnknown       Reason = "TENSOR_UNKNOWN"
	TensorDataType      Reason = "TENSOR_DATATYPE"
	TensorShape         Reason = "TENSOR_SHAPE"
	TensorSize          Reason = "TENSOR_SIZE"
	TensorValue         Reason = "TENSOR_VALUE"
	QueueFull           Reason = "QUEUE_FULL"
	MessageTooLarge     Reason = "MESSAGE_TOO_LARGE"
	TooManyStreams      Reason = "TOO_MANY_STREAMS"
	SeasonIncomplete    Reason = "SEASON_INCOMPLETE"
	SchemaMismatch      Reason = "SCHEMA_MISMATCH"
	FeaturesNotKept     Reason = "FEATURES_NOT_KEPT"
	Unexplainable       Reason = "EXPLANATION_UNAVAILABLE"
	AccessDenied        Reason = "ACCESS_DENIED"
	MethodNotAllowed    Reason = "METHOD_NOT_ALLOWED"
	ProcedureUnknown    Reason = "PROCEDURE_UNKNOWN"
	EncodingUnknown     Reason = "ENCODING_UNKNOWN"
	MessageCount        Reason = "MESSAGE_COUNT"
	NotBuilt            Reason = "NOT_BUILT"
	ModelNotReady       Reason = "MODEL_NOT_READY"
	ShuttingDown        Reason = "SHUTTING_DOWN"
	ModelFailed         Reason = "MODEL_FAILED"
	ChangeRefused       Reason = "CHANGE_REFUSED"
	SourceUnavailable   Reason = "SOURCE_UNAVAILABLE"
	WebhookRefused      Reason = "WEBHOOK_REFUSED"
)

// reasons gives every reason its code and, where waiting helps, how long to wait before the next try.
var reasons = map[Reason]struct {
	code  codes.Code
	retry time.Duration
}{
	TeamUnknown:         {code: codes.NotFound},
	MatchUnknown:        {code: codes.NotFound},
	SeasonUnknown:       {code: codes.NotFound},
	CompetitionUnknown:  {code: codes.NotFound},
	ModelUnknown:        {code: codes.NotFound},
	ModelVersionUnknown: {code: codes.NotFound},
	ServiceUnknown:      {code: codes.NotFound},
	PathUnknown:         {code: codes.NotFound},
	SameTeamTwice:       {code: codes.InvalidArgument},
	DateBeforeHistory:   {code: codes.InvalidArgument},
	BatchEmpty:          {code: codes.InvalidArgument},
	BatchTooLarge:       {code: codes.InvalidArgument},
	OddsInvalid:         {code: codes.InvalidArgument},
	FieldInvalid:        {code: codes.InvalidArgument},
	TensorUnknown:       {code: codes.InvalidArgument},
	TensorDataType:      {code: codes.InvalidArgument},
	TensorShape:         {code: codes.InvalidArgument},
	TensorSize:          {code: codes.InvalidArgument},
	TensorValue:         {code: codes.InvalidArgument},
	QueueFull:           {code: codes.ResourceExhausted, retry: 100 * time.Millisecond},
	MessageTooLarge:     {code: codes.ResourceExhausted},
	TooManyStreams:      {code: codes.ResourceExhausted, retry: time.Second},
	SeasonIncomplete:    {code: codes.FailedPrecondition},
	SchemaMismatch:      {code: codes.FailedPrecondition},
	FeaturesNotKept:     {code: codes.FailedPrecondition},
	Unexplainable:       {code: codes.FailedPrecondition},
	AccessDenied:        {code: codes.PermissionDenied},
	MethodNotAllowed:    {code: codes.Unimplemented},
	ProcedureUnknown:    {code: codes.Unimplemented},
	EncodingUnknown:     {code: codes.Unimplemented},
	MessageCount:        {code: codes.Unimplemented},
	NotBuilt:            {code: codes.Unimplemented},
	ModelNotReady:       {code: codes.Unavailable, retry: time.Second},
	ShuttingDown:        {code: codes.Unavailable, retry: time.Second},
	ModelFailed:         {code: codes.Internal},
	ChangeRefused:       {code: codes.FailedPrecondition},
	SourceUnavailable:   {code: codes.Unavailable, retry: time.Second},
	WebhookRefused:      {code: codes.Unauthenticated},
}

// errShuttingDown ends what would otherwise outlive the server.
var errShuttingDown = errors.New("the server is shutting down")

// sentinels say what the errors of the parts below mean to a caller.
var sentinels = []struct {
	err    error
	reason Reason
}{
	{features.ErrTeamUnknown, TeamUnknown},
	{features.ErrMatchUnknown, MatchUnknown},
	{features.ErrCompetitionUnknown, CompetitionUnknown},
	{features.ErrDateBeforeHistory, DateBeforeHistory},
	{features.ErrNotKept, FeaturesNotKept},
	{features.ErrPageUnknown, FieldInvalid},
	{inference.ErrModelUnknown, ModelUnknown},
	{inference.ErrVersionUnknown, ModelVersionUnknown},
	{inference.ErrNotReady, ModelNotReady},
	{inference.ErrQueueFull, QueueFull},
	{inference.ErrModelFailed, ModelFailed},
	{inference.ErrOutputTooLarge, MessageTooLarge},
	{inference.ErrTensorUnknown, TensorUnknown},
	{inference.ErrTensorDataType, TensorDataType},
	{inference.ErrTensorShape, TensorShape},
	{inference.ErrTensorSize, TensorSize},
	{inference.ErrTensorValue, TensorValue},
	{inference.ErrRefused, ChangeRefused},
	{inference.ErrSource, SourceUnavailable},
	{errShuttingDown, ShuttingDown},
}

// Error is what a caller is told. It is the only way in which an error leaves this package: both
// transports, REST and the items of a batch write the same code, message and details from it.
type Error struct {
	Code codes.Code
	// Reason is empty where the code says everything: CANCELLED, DEADLINE_EXCEEDED, and INTERNAL
	// for what nobody foresaw.
	Reason Reason
	// Message is for a person.
	Message string
	// Metadata goes along with the reason.
	Metadata map[string]string
	// Fields are the fields of the request that are at fault.
	Fields []Field
	// Retry is how long to wait before the next try; 0 where waiting does not help.
	Retry time.Duration
	// Cause is for the log; a caller does not see it.
	Cause error
	// wire is set where the error already speaks a transport's language, as those of reflection
	// do; it then goes out as it is.
	wire error
}

// Field is a field of a request that is at fault.
type Field struct {
	// Path names it as the proto does: "requests[3].pairing.home_team".
	Path string
	// Description says what was expected and what was got.
	Description string
}

// errorf returns an Error of a reason. A cause given with %w is kept for the log.
func errorf(reason Reason, format string, args ...any) *Error {
	text := fmt.Errorf(format, args...)
	known := reasons[reason]
	return &Error{
		Code:    known.code,
		Reason:  reason,
		Message: bounded(strings.ToValidUTF8(text.Error(), "\uFFFD")),
		Retry:   known.retry,
		Cause:   errors.Unwrap(text),
	}
}

// bounded keeps a message from outgrowing what clients read of a header, of which they read some KiB: the
// lists in it may be of any length.
func bounded(text string) string {
	const most = 1000 // bytes
	if len(text) <= most {
		return text
	}
	end := most
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// ErrorAt returns an Error of a reason that the field with that path is at fault for. A cause given
// with %w is kept for the log.
func ErrorAt(path string, reason Reason, format string, args ...any) *Error {
	return errorf(reason, format, args...).at(path)
}

// at names the field at fault, with the error's message as its description.
func (e *Error) at(path string) *Error {
	e.Fields = append(e.Fields, Field{Path: strings.ToValidUTF8(path, "\uFFFD"), Description: e.Message})
	return e
}

// bare returns the error without details.
func (e *Error) bare() *Error {
	return &Error{Code: e.Code, Message: e.Message, Cause: e.Cause, wire: e.wire}
}

// with adds metadata.
func (e *Error) with(key, value string) *Error {
	if e.Metadata == nil {
		e.Metadata = make(map[string]string)
	}
	e.Metadata[key] = strings.ToValidUTF8(value, "\uFFFD")
	return e
}

// because keeps a cause for the log.
func (e *Error) because(cause error) *Error {
	e.Cause = cause
	return e
}

// below returns the error with its fields moved below a prefix such as "requests[3]".
func (e *Error) below(prefix string) *Error {
	moved := *e
	moved.Fields = slices.Clone(e.Fields)
	for i := range moved.Fields {
		moved.Fields[i].Path = prefix + "." + moved.Fields[i].Path
	}
	return &moved
}

// notBuilt says that something that the contract names is not there yet.
func notBuilt(what string) *Error {
	return errorf(NotBuilt, "%s is not built yet", what).with("what", what)
}

// explain turns any error into what a caller is told; it is the only mapping from errors to codes.
// Of an error that nobody foresaw it tells nothing.
func explain(err error) *Error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	for _, s := range sentinels {
		if !errors.Is(err, s.err) {
			continue
		}
		e := errorf(s.reason, "%s", err)
		e.Cause = err
		if e.Code == codes.Internal {
			e.Message = s.err.Error()
		}
		if team, ok := errors.AsType[*features.TeamUnknownError](err); ok {
			return e.with("team", team.Name).with("suggestions", suggestions(team))
		}
		if shed, ok := errors.AsType[*inference.DeadlineError](err); ok {
			e.Retry = shed.Wait
		}
		return e
	}
	var (
		ofConnect *connect.Error
		ofGRPC    interface{ GRPCStatus() *status.Status }
	)
	switch {
	case errors.As(err, &ofConnect):
		return &Error{Code: codes.Code(ofConnect.Code()), Message: ofConnect.Message(), wire: err}
	case errors.As(err, &ofGRPC):
		return &Error{Code: ofGRPC.GRPCStatus().Code(), Message: ofGRPC.GRPCStatus().Message(), wire: err}
	case errors.Is(err, context.Canceled):
		return &Error{Code: codes.Canceled, Message: "the caller cancelled the call", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: codes.DeadlineExceeded, Message: "the deadline passed before the answer was ready", Cause: err}
	}
	return internal(err)
}

// internal hides a cause that is no fault of the caller's.
func internal(cause error) *Error {
	return &Error{Code: codes.Internal, Message: "internal error", Cause: cause}
}

// Explain turns any error into what a caller is told, as it is done with every error that leaves this
// package.
func Explain(err error) *Error { return explain(err) }

// ExplainField explains an error, and names the field of the request that brought it about.
func ExplainField(err error, path string) *Error {
	e := explain(err)
	switch e.Code {
	case codes.NotFound, codes.InvalidArgument, codes.FailedPrecondition, codes.Unimplemented:
		return e.at(path)
	}
	return e
}

// suggestions lists the ids of the nearest teams.
func suggestions(e *features.TeamUnknownError) string {
	ids := make([]string, len(e.Suggestions))
	for i, team := range e.Suggestions {
		ids[i] = team.ID
	}
	return strings.Join(ids, ",")
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// LogValue is all of it, the cause included.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("code", e.Code.String()), slog.String("message", e.Message)}
	if e.Reason != "" {
		attrs = append(attrs, slog.String("reason", string(e.Reason)))
	}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", e.Cause.Error()))
	}
	return slog.GroupValue(attrs...)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Status returns the error as it goes over the wire, details included.
func (e *Error) Status() *spb.Status {
	st := &spb.Status{Code: int32(e.Code), Message: e.Message}
	for _, detail := range e.details() {
		packed, err := anypb.New(detail)
		if err != nil {
			panic(fmt.Sprintf("serving: detail of error %q: %v", e.Message, err)) // all its text is UTF-8
		}
		st.Details = append(st.Details, packed)
	}
	return st
}

// GRPCStatus lets grpc-go send the error as it is.
func (e *Error) GRPCStatus() *status.Status {
	if e.wire != nil {
		return status.Convert(e.wire)
	}
	return status.FromProto(e.Status())
}

// connect returns the error as Connect sends it.
func (e *Error) connect() error {
	if e.wire != nil {
		return e.wire
	}
	out := connect.NewError(connect.Code(e.Code), errors.New(e.Message))
	for _, detail := range e.details() {
		packed, err := connect.NewErrorDetail(detail)
		if err != nil {
			panic(fmt.Sprintf("serving: detail of error %q: %v", e.Message, err)) // all its text is UTF-8
		}
		out.AddDetail(packed)
	}
	return out
}

func (e *Error) details() []proto.Message {
	var all []proto.Message
	if e.Reason != "" {
		all = append(all, &errdetails.ErrorInfo{Reason: string(e.Reason), Domain: errorDomain, Metadata: maps.Clone(e.Metadata)})
	}
	if len(e.Fields) > 0 {
		bad := &errdetails.BadRequest{}
		for _, f := range e.Fields {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: f.Path, Description: f.Description})
		}
		all = append(all, bad)
	}
	if e.Retry > 0 {
		all = append(all, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.Retry)})
	}
	return all
}
