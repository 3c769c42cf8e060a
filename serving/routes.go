package serving

import (
	"context"
	"maps"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
)

// Routes are RPCs in an HTTP form of their own, on the public HTTP port and on the operators'.
type Routes struct {
	// Prefix is the path that all of them lie at or below, without a slash at its end. What no route
	// answers there is refused in their form as well.
	Prefix string
	Routes []Route
	// Refuse writes an error as the answer. The status is that of the contract's REST form.
	Refuse func(w http.ResponseWriter, status int, e *Error)
}

// A Route answers HTTP requests as calls of an RPC: behind the same policy, counted under its name.
type Route struct {
	// Pattern is one of http.ServeMux, with a method.
	Pattern string
	// Procedure is the full name of the RPC, one of those that are served.
	Procedure string
	// Answer reads a request, no more than MaxMessageBytes of it, and returns what to answer it with.
	Answer func(*http.Request) (*Answer, error)
}

// An Answer is an HTTP response of status 200.
type Answer struct {
	Header http.Header
	Body   []byte
}

// mountRoutes mounts routes, each behind what wrap makes of it, and what is said where there is none.
func mountRoutes(mux *http.ServeMux, p *policy, routes Routes, wrap func(http.Handler) http.Handler) {
	for _, route := range routes.Routes {
		mux.Handle(route.Pattern, wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			limitBodyTime(w)
			carrier := propagation.HeaderCarrier(r.Header)
			response, err := p.unary(r.Context(), call{systemREST, route.Procedure, carrier}, nil, func(ctx context.Context, _ any) (any, error) {
				return route.Answer(r.WithContext(ctx))
			})
			if err != nil {
				drain(r)
				e := explain(err)
				routes.Refuse(w, httpStatus(e.Code), e)
				return
			}
			answer := response.(*Answer)
			maps.Copy(w.Header(), answer.Header)
			_, _ = w.Write(answer.Body) // fails only where the caller has left
		})))
	}
	if routes.Prefix != "" {
		mux.Handle(routes.Prefix, elsewhere{mux, routes.Refuse})
		mux.Handle(routes.Prefix+"/", elsewhere{mux, routes.Refuse})
	}
}
