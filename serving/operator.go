package serving

import (
	"io"
	"net/http"
	"net/http/pprof"

	"connectrpc.com/connect"
)

// newOperator returns the handler of the operators' port: every RPC, also those that change something,
// probes, profiles and, if any, metrics.
func newOperator(p *policy, procedures []Procedure, health *health, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mountRPCs(mux, p, procedures, func(_ *Procedure, handler http.Handler) http.Handler { return unlessBrowser(handler) })
	index := "/livez\n/readyz\n/debug/pprof/\n"
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
		index += "/metrics\n"
	}
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n") // fails only where the prober has left
	})
	mux.Handle("GET /readyz", health)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, index) // fails only where the operator has left
	})
	return mux
}

// unlessBrowser refuses what a page in a browser asks: an operator's browser reaches this port, and so
// does, by a name that leads there, any page that is open in it.
func unlessBrowser(next http.Handler) http.Handler {
	errors := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" {
			_ = errors.Write(w, r, errorf(AccessDenied, "pages may not call the operators' port").connect()) // fails only where the caller has left
			return
		}
		next.ServeHTTP(w, r)
	})
}
