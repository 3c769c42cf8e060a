package serving

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/propagation"
)

// maxGetParameters is how many parameters the URL of a Connect GET may have; the protocol knows five.
const maxGetParameters = 16

// A front stands before Connect's handler of a procedure. What is wrong with a request before its
// message is looked at, Connect would refuse without details and without the policy.
type front struct {
	policy    *policy
	procedure *Procedure
	errors    *connect.ErrorWriter
	next      http.Handler
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.procedure.answer != nil {
		limitBodyTime(w)
	}
	if refused := f.check(w, r); refused != nil {
		c := call{systemConnect, f.procedure.name, propagation.HeaderCarrier(r.Header)}
		_, err := f.policy.unary(r.Context(), c, &inbound{err: refused}, nil)
		_ = f.errors.Write(w, r, explain(err).connect()) // fails only where the caller has left
		return
	}
	f.next.ServeHTTP(w, r)
}

// check says what is wrong with a request, and adds to the answer's header what would be right.
func (f *front) check(w http.ResponseWriter, r *http.Request) *Error {
	if f.procedure.answer != nil && r.ContentLength > int64(f.policy.limit)+5 { // and the prefix that gRPC puts before a message
		drain(r)
		return f.policy.limit.exceeded(r.ContentLength)
	}
	names := connectUnary
	switch content := r.Header.Get("Content-Type"); {
	case strings.HasPrefix(content, "application/grpc"):
		names = grpcAny
	case strings.HasPrefix(content, "application/connect+"):
		names = connectStream
	}
	if err := names.checkTimeout(r.Header.Get(names.timeout)); err != nil {
		return err
	}
	where, encoding := "header "+names.encoding, r.Header.Get(names.encoding)
	if r.Method == http.MethodGet {
		query, err := parseGet(r.URL.RawQuery)
		if err != nil {
			return err
		}
		where, encoding = "query parameter compression", query.Get("compression")
	}
	switch encoding {
	case "", "identity", "gzip":
		return nil
	}
	w.Header().Set(names.accept, "gzip")
	return errorf(EncodingUnknown, "%s: expected gzip or identity, got %q", where, clip(encoding))
}

// wireNames are the headers of a protocol that say how a message is compressed and how long the
// caller waits.
type wireNames struct{ encoding, accept, timeout string }

var (
	connectUnary  = wireNames{"Content-Encoding", "Accept-Encoding", "Connect-Timeout-Ms"}
	connectStream = wireNames{"Connect-Content-Encoding", "Connect-Accept-Encoding", "Connect-Timeout-Ms"}
	grpcAny       = wireNames{"Grpc-Encoding", "Grpc-Accept-Encoding", "Grpc-Timeout"}
)

// checkTimeout checks what a caller says of how long it waits: up to ten digits in Connect, up to
// eight and a unit in gRPC.
func (n wireNames) checkTimeout(value string) *Error {
	if value == "" {
		return nil
	}
	digits, most, form := value, 10, "up to 10 digits"
	if n.timeout == grpcAny.timeout {
		digits, most, form = strings.TrimRight(value, "HMSmun"), 8, "up to 8 digits and one of H, M, S, m, u, n"
		if len(digits) != len(value)-1 {
			digits = ""
		}
	}
	if _, err := strconv.ParseUint(digits, 10, 64); err != nil || len(digits) > most {
		return errorf(FieldInvalid, "header %s: expected %s, got %q", n.timeout, form, clip(value))
	}
	return nil
}

// parseGet parses the query of a Connect GET.
func parseGet(raw string) (url.Values, *Error) {
	if n := strings.Count(raw, "&") + 1; n > maxGetParameters {
		return nil, errorf(FieldInvalid, "query: expected at most %d parameters, got %d", maxGetParameters, n)
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errorf(FieldInvalid, "query: expected name=value pairs joined by &, got %q: %w", clip(raw), err)
	}
	for name, values := range query {
		if !slices.Contains([]string{"message", "encoding", "base64", "compression", "connect"}, name) {
			return nil, errParameter(name)
		}
		if len(values) != 1 {
			return nil, errorf(FieldInvalid, "query parameter %q: expected once, got several times", name)
		}
	}
	if query.Get("base64") == "1" {
		message, form := query.Get("message"), base64.URLEncoding
		if len(message)%4 != 0 {
			form = base64.RawURLEncoding
		}
		if _, err := form.DecodeString(message); err != nil {
			return nil, errorf(FieldInvalid, "query parameter \"message\": expected URL-safe base64, got %q: %w", clip(message), err)
		}
	}
	return query, nil
}

// unknownProcedures answers whoever calls an RPC that there is not, in the caller's protocol. All
// that is no such call is left to next.
func unknownProcedures(p *policy, next http.Handler) http.Handler {
	errors := connect.NewErrorWriter(connect.WithRequireConnectProtocolHeader()) // else REST's calls look alike
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, method, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		isName := strings.Contains(service, ".") && method != "" && !strings.Contains(method, "/")
		if !isName || r.Method != http.MethodPost || !errors.IsSupported(r) {
			next.ServeHTTP(w, r)
			return
		}
		unknown := p.outgoing(errorf(ProcedureUnknown, "%s: there is no such procedure", clip(r.URL.Path)))
		_ = errors.Write(notFound{w}, r, unknown.connect()) // fails only where the caller has left
	})
}

// notFound answers 404 where Connect has another status for what is not implemented: that of a method
// which is there, but not of a path which is not.
type notFound struct{ http.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (n notFound) WriteHeader(status int) {
	if status == http.StatusNotImplemented {
		status = http.StatusNotFound
	}
	n.ResponseWriter.WriteHeader(status)
}
