package serving

import (
	"io"
	"net/http"
	"net/http/pprof"
)

// newOperator returns the handler of the operators' port: probes, profiles and, if any, metrics.
func newOperator(health *health, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
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
