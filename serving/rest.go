package serving

import (
	"context"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// mountREST mounts the routes that the protos' google.api.http rules give: a path template of
// literals and {fields}, with the whole message as JSON body ("*") or none, and then with the other
// fields as query parameters. Answers and errors (google.rpc.Status) are JSON.
//
// It is written here because vanguard 0.4, which could do it, calls the procedure with an empty
// message where it cannot read a body or parameter, bounds no decompression, and tells the caller
// what was wrong as 500 or 502 without details.
func mountREST(mux *http.ServeMux, p *policy, procedures []Procedure) {
	for i := range procedures {
		procedure := &procedures[i]
		rule := proto.GetExtension(descriptor(procedure.name).Options(), annotations.E_Http).(*annotations.HttpRule)
		if rule == nil || procedure.answer == nil {
			continue
		}
		for _, rule := range append([]*annotations.HttpRule{rule}, rule.AdditionalBindings...) {
			pattern := ""
			switch rule.Pattern.(type) {
			case *annotations.HttpRule_Get:
				pattern = "GET " + rule.GetGet()
			case *annotations.HttpRule_Post:
				pattern = "POST " + rule.GetPost()
			default:
				panic(fmt.Sprintf("serving: procedure %s: no route for rule %v", procedure.name, rule))
			}
			mux.Handle(pattern, newRoute(p, procedure, pattern, rule.Body == "*"))
		}
	}
}

// A route answers REST calls of a procedure.
type route struct {
	policy    *policy
	procedure *Procedure
	fields    []string // that the path holds
	body      bool     // whether the body is the message
}

func newRoute(p *policy, procedure *Procedure, pattern string, body bool) *route {
	r := &route{policy: p, procedure: procedure, body: body}
	for segment := range strings.SplitSeq(pattern, "/") {
		if field, ok := strings.CutPrefix(segment, "{"); ok {
			r.fields = append(r.fields, strings.TrimSuffix(field, "}"))
		}
	}
	return r
}

// ServeHTTP implements http.Handler.
func (r *route) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	limitBodyTime(w)
	in := &inbound{message: r.procedure.newRequest()}
	if err := r.bind(in.message, request); err != nil {
		in.err = explain(err)
	}
	response, err := r.policy.unary(request.Context(), call{systemREST, r.procedure.name, propagation.HeaderCarrier(request.Header)}, in, r.procedure.answer)
	if err != nil {
		writeError(w, explain(err))
		return
	}
	writeJSON(w, http.StatusOK, response.(proto.Message))
}

// bind fills the message from body, query and path.
func (r *route) bind(message proto.Message, request *http.Request) error {
	if err := r.bindBody(message, request); err != nil {
		return err
	}
	query, err := url.ParseQuery(request.URL.RawQuery)
	if err != nil {
		return errorf(FieldInvalid, "query: expected name=value pairs joined by &, got %q: %w", clip(request.URL.RawQuery), err)
	}
	for name := range query {
		if r.body {
			return errorf(FieldInvalid, "query parameter %q: expected none, for the body holds all fields", clip(name)).at(clip(name))
		}
	}
	for _, field := range r.fields {
		if query.Has(field) {
			return errorf(FieldInvalid, "query parameter %q: expected none, for the path holds it", field).at(field)
		}
		query[field] = []string{request.PathValue(field)}
	}
	return bindParameters(message, query)
}

func (r *route) bindBody(message proto.Message, request *http.Request) error {
	if encoding := request.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return errorf(FieldInvalid, "header Content-Encoding: expected none, got %q", clip(encoding))
	}
	limit := r.policy.limit
	body, err := io.ReadAll(io.LimitReader(request.Body, int64(limit)+1))
	switch {
	case err != nil:
		return BodyError(err)
	case len(body) > int(limit):
		drain(request)
		return limit.exceeded(max(request.ContentLength, int64(len(body))))
	case !r.body && len(body) > 0:
		return errorf(FieldInvalid, "body: expected none, got %d bytes", len(body))
	case !r.body:
		return nil
	}
	if media, _, err := mime.ParseMediaType(request.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return errorf(FieldInvalid, "header Content-Type: expected application/json, got %q", clip(request.Header.Get("Content-Type")))
	}
	in := inbound{message: message}
	in.decode(len(body), limit, func(m proto.Message) error { return unmarshalJSON(body, m) })
	if in.err != nil {
		return in.err
	}
	return nil
}

// elsewhere answers what no route answers.
type elsewhere struct {
	mux    *http.ServeMux
	refuse func(w http.ResponseWriter, status int, e *Error)
}

// ServeHTTP implements http.Handler.
func (e elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(context.WithoutCancel(r.Context()))
		other.Method = method
		if _, pattern := e.mux.Handler(other); strings.HasPrefix(pattern, method+" ") {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		e.refuse(w, http.StatusNotFound, errorf(PathUnknown, "path %q: there is nothing here", clip(r.URL.Path)))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	e.refuse(w, http.StatusMethodNotAllowed, errorf(MethodNotAllowed, "method of %q: expected %s, got %q",
		clip(r.URL.Path), strings.Join(allowed, " or "), clip(r.Method)))
}

func writeError(w http.ResponseWriter, e *Error) { writeStatus(w, httpStatus(e.Code), e) }

func writeStatus(w http.ResponseWriter, status int, e *Error) {
	e.SetRetryAfter(w.Header())
	writeJSON(w, status, e.Status())
}

// SetRetryAfter sets the header that tells a client when to come again, if that is known.
func (e *Error) SetRetryAfter(header http.Header) {
	if e.Retry > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(e.Retry.Seconds())), 10))
	}
}

func writeJSON(w http.ResponseWriter, status int, message proto.Message) {
	body, err := protojson.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("serving: %s as JSON: %v", message.ProtoReflect().Descriptor().FullName(), err)) // all its text is UTF-8
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only where the caller has left
}

// httpStatus is the HTTP status of a code.
func httpStatus(code codes.Code) int {
	switch code {
	case codes.OK:
		return http.StatusOK
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists, codes.Aborted:
		return http.StatusConflict
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Canceled:
		return 499 // the caller closed the request; nobody reads it
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}
