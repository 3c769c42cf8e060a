package serving

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// watchInterval is how often a health stream looks whether the status has changed.
const watchInterval = time.Second

// health answers grpc.health.v1 for both transports, GET /health and the operators' probes.
type health struct {
	// services maps every service's full name to what it needs in order to answer; an error says
	// why it cannot. The name "" stands for the whole server.
	services map[string]func() error
	// draining is closed when the server begins to shut down.
	draining <-chan struct{}
}

// newHealth returns the health of a service: predictions need a model, the rest answers as long as
// the server does.
func newHealth(service *Service, procedures []Procedure, draining <-chan struct{}) *health {
	h := &health{services: map[string]func() error{"": service.Ready}, draining: draining}
	for _, p := range procedures {
		h.services[p.service()] = func() error { return nil }
	}
	h.services[pb.PredictionService_ServiceDesc.ServiceName] = service.Ready
	return h
}

// procedures are grpc.health.v1 for both transports.
func (h *health) procedures() []Procedure {
	return []Procedure{
		Unary(healthpb.Health_Check_FullMethodName, Anyone, h.check),
		Unary(healthpb.Health_List_FullMethodName, Anyone, h.list),
		ServerStream(healthpb.Health_Watch_FullMethodName, Anyone, h.watch),
	}
}

// status says whether a service can answer, and why not.
func (h *health) status(service string) (status healthpb.HealthCheckResponse_ServingStatus, why error) {
	able, known := h.services[service]
	if !known {
		return healthpb.HealthCheckResponse_SERVICE_UNKNOWN, errorf(ServiceUnknown, "service %q is not known", clip(service))
	}
	select {
	case <-h.draining:
		return healthpb.HealthCheckResponse_NOT_SERVING, errShuttingDown
	default:
	}
	if err := able(); err != nil {
		return healthpb.HealthCheckResponse_NOT_SERVING, err
	}
	return healthpb.HealthCheckResponse_SERVING, nil
}

// check is grpc.health.v1.Health/Check.
func (h *health) check(_ context.Context, request *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	status, why := h.status(request.GetService())
	if status == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, why
	}
	return &healthpb.HealthCheckResponse{Status: status}, nil
}

// list is grpc.health.v1.Health/List.
func (h *health) list(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	statuses := make(map[string]*healthpb.HealthCheckResponse, len(h.services))
	for service := range h.services {
		status, _ := h.status(service)
		statuses[service] = &healthpb.HealthCheckResponse{Status: status}
	}
	return &healthpb.HealthListResponse{Statuses: statuses}, nil
}

// watch is grpc.health.v1.Health/Watch: it sends the status at once and whenever it changes, also
// of a service that is not known, and ends when the server shuts down.
func (h *health) watch(ctx context.Context, request *healthpb.HealthCheckRequest, send func(*healthpb.HealthCheckResponse) error) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	last := healthpb.HealthCheckResponse_UNKNOWN
	for {
		if status, _ := h.status(request.GetService()); status != last {
			if err := send(&healthpb.HealthCheckResponse{Status: status}); err != nil {
				return err
			}
			last = status
		}
		select {
		case <-h.draining:
			if last == healthpb.HealthCheckResponse_SERVING {
				if err := send(&healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_NOT_SERVING}); err != nil {
					return err
				}
			}
			return errShuttingDown
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// ServeHTTP answers GET /health and the readiness probe: 200 or 503, and a JSON object.
func (h *health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	status, why := h.status("")
	body := struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{Status: status.String()}
	code := http.StatusOK
	if why != nil {
		code, body.Reason = http.StatusServiceUnavailable, explain(why).Message
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the prober has left; there is nobody to tell
}
