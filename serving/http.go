package serving

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
)

// bodyTimeout is how long the body of a unary request may take to arrive.
const bodyTimeout = 30 * time.Second

// newHTTP returns the handler of the public HTTP port: RPC paths go straight to Connect's handlers
// (Connect, gRPC-Web, gRPC), the other paths of the contract to REST.
func newHTTP(p *policy, procedures []procedure, health *health) http.Handler {
	mux := http.NewServeMux()
	options := connectOptions(p)
	var services []string
	for i := range procedures {
		procedure := &procedures[i]
		handler := procedure.connect(options...)
		if procedure.unary != nil {
			handler = bounded(handler)
		}
		mux.Handle(procedure.name, handler)
		if !slices.Contains(services, procedure.service()) {
			services = append(services, procedure.service())
		}
	}
	reflector := grpcreflect.NewStaticReflector(services...)
	mux.Handle(grpcreflect.NewHandlerV1(reflector, options...))
	mux.Handle(grpcreflect.NewHandlerV1Alpha(reflector, options...))
	mountREST(mux, p, procedures)
	mux.Handle("GET /health", health)
	mux.HandleFunc("GET /{$}", home)
	mux.Handle("/", elsewhere{mux})
	return mux
}

// connectOptions are what every Connect handler behind the policy is made with.
func connectOptions(p *policy) []connect.HandlerOption {
	return append(connectCodecs(),
		connect.WithInterceptors(connectInterceptor{p}),
		connect.WithReadMaxBytes(maxTransportBytes),
		connect.WithCompression("gzip", newBoundedGzip, newGzip),
		connect.WithCompressMinBytes(1024),
	)
}

// bounded refuses a unary RPC that says that its message is too large, before any of it is read, and
// gives the rest bodyTimeout to arrive.
func bounded(next http.Handler) http.Handler {
	errors := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limitBodyTime(w)
		if r.ContentLength > MaxMessageBytes+5 { // and the prefix that gRPC puts before a message
			_ = errors.Write(w, r, errMessageTooLarge().connect()) // fails only where the caller has left
			return
		}
		next.ServeHTTP(w, r)
	})
}

// limitBodyTime ends the reading of a request's body after bodyTimeout.
func limitBodyTime(w http.ResponseWriter) {
	// It fails only where the connection is gone, which the handler will find out by itself.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
}

// home says what listens here.
func home(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, strings.TrimLeft(`
footballprediction: what will happen in this match?

GET  /health                      whether predictions are served
POST /predictions/match           {"pairing":{"homeTeam":"Arsenal","awayTeam":"Chelsea"}}
GET  /predictions/match/{id}      the same for a stored match
GET  /data/matches                matches, and their ids
GET  /data/teams?query=arsenal    teams
GET  /models/info                 models and their versions

The RPCs of footballprediction.v1 answer here over Connect, gRPC-Web and gRPC; reflection lists them.
`, "\n"))
}
