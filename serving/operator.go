package serving

import (
	"io"
	"net/http"
	"net/http/pprof"

	"connectrpc.com/connect"
)

// newOperator returns the handler of the operators' port: every RPC, also those that change something and
// in the form of the options' routes, probes, profiles and, if any, metrics.
func newOperator(p *policy, procedures []Procedure, health *health, options *ServerOptions) http.Handler {
	mux := http.NewServeMux()
	errors := connect.NewErrorWriter()
	mountRPCs(mux, p, procedures, func(_ *Procedure, handler http.Handler) http.Handler {
		return unlessBrowser(handler, func(w http.ResponseWriter, r *http.Request, e *Error) {
			_ = errors.Write(w, r, e.connect()) // fails only where the caller has left
		})
	})
	mountRoutes(mux, p, options.Routes, func(handler http.Handler) http.Handler {
		return unlessBrowser(handler, func(w http.ResponseWriter, _ *http.Request, e *Error) {
			options.Routes.Refuse(w, httpStatus(e.Code), e)
		})
	})
	index := "/livez\n/readyz\n/debug/pprof/\n"
	if options.Metrics != nil {
		mux.Handle("GET /metrics", options.Metrics)
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
func unlessBrowser(next http.Handler, refuse func(http.ResponseWriter, *http.Request, *Error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" {
			refuse(w, r, errorf(AccessDenied, "pages may not call the operators' port"))
			return
		}
		next.ServeHTTP(w, r)
	})
}
