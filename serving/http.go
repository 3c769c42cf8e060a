package serving

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"connectrpc.com/connect"
	connectcors "connectrpc.com/cors"
	"connectrpc.com/grpcreflect"
	"github.com/rs/cors"
	"google.golang.org/grpc/codes"
)

// bodyTimeout is how long the body of a unary request may take to arrive.
const bodyTimeout = 30 * time.Second

// maxDrainBytes is how much more is read of a body that is too large.
const maxDrainBytes = 4 * MaxMessageBytes

// newHTTP returns the handler of the public HTTP port: RPC paths go straight to Connect's handlers
// (Connect, gRPC-Web, gRPC), the other paths of the contract to REST, those of the options' routes and
// webhooks to these, and / to the page, if any.
func newHTTP(p *policy, procedures []Procedure, health *health, options *ServerOptions) http.Handler {
	mux := http.NewServeMux()
	origins := anyOrigin()
	mountRPCs(mux, p, procedures, func(procedure *Procedure, handler http.Handler) http.Handler {
		if procedure.role <= Viewer {
			return origins.Handler(handler)
		}
		return handler
	})
	mountREST(mux, p, procedures)
	mountRoutes(mux, p, options.Routes, func(handler http.Handler) http.Handler { return handler })
	mountWebhooks(mux, p, options.Webhooks)
	mux.Handle("GET /health", health)
	if options.Page != nil {
		mux.Handle("GET /{$}", options.Page)
		mux.Handle("GET /assets/", options.Page)
	}
	mux.Handle("/", unknownProcedures(p, elsewhere{mux, writeStatus}))
	return mux
}

// mountRPCs mounts procedures, each behind what wrap makes of it, and reflection.
func mountRPCs(mux *http.ServeMux, p *policy, procedures []Procedure, wrap func(*Procedure, http.Handler) http.Handler) {
	options := connectOptions(p)
	errors := connect.NewErrorWriter()
	var services []string
	for i := range procedures {
		procedure := &procedures[i]
		mux.Handle(procedure.name, wrap(procedure, &front{p, procedure, errors, procedure.connect(p, options...)}))
		if !slices.Contains(services, procedure.service()) {
			services = append(services, procedure.service())
		}
	}
	reflector := grpcreflect.NewStaticReflector(services...)
	mux.Handle(grpcreflect.NewHandlerV1(reflector, options...))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, options...))
}

// anyOrigin lets the pages of every origin call what only reads. Browsers leave cookies and other
// credentials out of such calls.
func anyOrigin() *cors.Cors {
	return cors.New(cors.Options{
		AllowedOrigins: []string{"*"},
		AllowedMethods: connectcors.AllowedMethods(),
		AllowedHeaders: connectcors.AllowedHeaders(),
		ExposedHeaders: connectcors.ExposedHeaders(),
		MaxAge:         int((2 * time.Hour).Seconds()), // the most that browsers heed
	})
}

// connectOptions are what every Connect handler behind the policy is made with.
func connectOptions(p *policy) []connect.HandlerOption {
	gunzip := func() connect.Decompressor { return connectGzip{&boundedGzip{limit: p.limit}, p} }
	return append(connectCodecs(p.limit),
		connect.WithInterceptors(connectInterceptor{p}),
		connect.WithReadMaxBytes(p.limit.transport()),
		connect.WithCompression("gzip", gunzip, newGzip),
		connect.WithCompressMinBytes(1024),
	)
}

// drain reads what an HTTP/1.1 caller still sends of a message that is too large, up to
// maxDrainBytes: many read no answer before they have sent it all, and would find the connection
// reset. A caller that asks beforehand whether to send need not.
func drain(r *http.Request) {
	if r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, maxDrainBytes) // the answer is the same where the body ends early
}

// limitBodyTime ends the reading of a request's body after bodyTimeout.
func limitBodyTime(w http.ResponseWriter) {
	// It fails only where the connection is gone, which the handler will find out by itself.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
}

// BodyError says why a request's body could not be read: it did not come in time, or not whole.
func BodyError(err error) *Error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{Code: codes.DeadlineExceeded, Message: fmt.Sprintf("body: expected it within %s", bodyTimeout), Cause: err}
	}
	return ErrorAt("body", FieldInvalid, "body: expected it whole: %w", err)
}
