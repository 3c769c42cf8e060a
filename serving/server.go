package serving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
)

// DrainTimeoutDefault is how long a Server waits for accepted calls when it shuts down.
const DrainTimeoutDefault = 20 * time.Second

// lingerTime is how long HTTP/1.1 connections may still send a request when the server shuts down,
// unless all are closed before: see Server.linger.
const lingerTime = 500 * time.Millisecond

// stallTime is how long a server that shuts down waits for requests that have not arrived whole, and
// for callers who do not read, while no accepted call is under way.
const stallTime = 10 * time.Second

var errStalled = errors.New("stalled")

// Listeners are what a Server listens on. It closes them.
type Listeners struct {
	HTTP     net.Listener // Connect, gRPC-Web, gRPC, REST
	GRPC     net.Listener // gRPC on grpc-go's own transport
	Operator net.Listener // operators' RPCs, probes and profiles
}

// ServerOptions of a Server.
type ServerOptions struct {
	// DrainTimeout is how long accepted calls may take when the server shuts down; 0 means
	// DrainTimeoutDefault.
	DrainTimeout time.Duration
	// MaxMessageBytes is the largest request message, decompressed; 0 means MaxMessageBytes, the
	// constant.
	MaxMessageBytes int
	// BareErrors keeps the details of errors back, for callers who take no more than the protocols
	// themselves know, such as a conformance suite.
	BareErrors bool
	// Procedures are served besides those of the Service, on all ports.
	Procedures []Procedure
	// Routes are RPCs of these in an HTTP form of their own.
	Routes Routes
	// Webhooks are served on the public HTTP port.
	Webhooks []Webhook
	// Page answers GET of / and of what lies under /assets/ on the public HTTP port; nil means that
	// nothing does.
	Page http.Handler
	// Metrics answers GET /metrics on the operators' port; nil means that nothing does.
	Metrics http.Handler
}

// A Server serves a Service on its three ports, behind one policy.
type Server struct {
	http     *http.Server
	operator *http.Server
	grpc     *grpc.Server

	logger       *slog.Logger
	drainTimeout time.Duration
	stallTime    time.Duration
	loaded       <-chan struct{} // of the service
	draining     chan struct{}
	conns        atomic.Int64 // open on the public HTTP port
	accepted     atomic.Int64 // unary calls whose message has arrived, not yet answered
}

// NewServer returns a Server that waits for Run.
func NewServer(service *Service, logger *slog.Logger, options ServerOptions) *Server {
	if options.DrainTimeout == 0 {
		options.DrainTimeout = DrainTimeoutDefault
	}
	if options.MaxMessageBytes == 0 {
		options.MaxMessageBytes = MaxMessageBytes
	}
	s := &Server{logger: logger, drainTimeout: options.DrainTimeout, stallTime: stallTime, loaded: service.loaded, draining: make(chan struct{})}
	procedures := append(service.procedures(s.draining), options.Procedures...)
	health := newHealth(service, procedures, s.draining)
	procedures = append(procedures, health.procedures()...)
	policy := &policy{
		principal: local, roles: rolesOf(procedures), rules: service.rules, limit: messageLimit(options.MaxMessageBytes), bare: options.BareErrors,
		logger: logger, now: service.now, telemetry: service.telemetry, draining: s.draining, accepted: &s.accepted,
		streams: newOpenStreams(procedures),
	}
	service.telemetry.prepare(policy.roles)

	s.grpc = newGRPC(policy, procedures)
	s.http = newHTTPServer(s.closing(newHTTP(policy, procedures, health, &options)), logger)
	s.http.ConnState = s.count
	operators := *policy
	operators.principal, operators.streams = operator, newOpenStreams(procedures) // strangers cannot keep operators out
	s.operator = newHTTPServer(newOperator(&operators, procedures, health, &options), logger)
	return s
}

// rolesOf is the table of who may call what. Reflection streams come from the transports' libraries
// and are open to anyone.
func rolesOf(procedures []Procedure) map[string]Role {
	roles := map[string]Role{
		grpc_reflection_v1.ServerReflection_ServerReflectionInfo_FullMethodName:      Anyone,
		grpc_reflection_v1alpha.ServerReflection_ServerReflectionInfo_FullMethodName: Anyone,
	}
	for _, p := range procedures {
		roles[p.name] = p.role
	}
	return roles
}

func newHTTPServer(handler http.Handler, logger *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: handshakeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxConcurrentStreams,
			MaxReceiveBufferPerStream:     streamWindowBytes,
			MaxReceiveBufferPerConnection: connWindowBytes,
		},
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// Run serves until ctx is done or a listener fails: operators at once, the public ports when the
// service has loaded its models. Whoever connects to those before then waits. Then it drains: it
// reports NOT_SERVING, ends health streams, accepts nothing more and waits, no longer than the drain
// timeout, until every accepted call has been answered. It returns nil where that was so, and is called
// once.
func (s *Server) Run(ctx context.Context, on Listeners) error {
	failed, running := make(chan error, 3), 0
	serve := func(what string, with func(net.Listener) error, on net.Listener) {
		running++
		go func() { failed <- s.unlessDraining("serve "+what, with(on)) }()
	}
	serve("operators", s.operator.Serve, on.Operator)
	s.logger.InfoContext(ctx, "loading models", slog.String("operators", on.Operator.Addr().String()))
	var err error
	for loaded, serving := s.loaded, true; serving; {
		select {
		case <-loaded:
			loaded = nil // once
			serve("HTTP", s.http.Serve, on.HTTP)
			serve("gRPC", s.grpc.Serve, on.GRPC)
			s.logger.InfoContext(ctx, "serving", slog.String("http", on.HTTP.Addr().String()),
				slog.String("grpc", on.GRPC.Addr().String()), slog.String("operators", on.Operator.Addr().String()))
		case <-ctx.Done():
			serving = false
		case err = <-failed:
			running--
			serving = false
		}
	}
	if running < 2 { // the public ports were never served
		s.logger.InfoContext(ctx, "stopped before it served")
		err = errors.Join(err, on.GRPC.Close())
	}
	err = errors.Join(err, s.drain(context.WithoutCancel(ctx), on.HTTP))
	for range running {
		err = errors.Join(err, <-failed)
	}
	return err
}

// drain shuts the public ports down, and then the operators', who watch.
func (s *Server) drain(ctx context.Context, public net.Listener) error {
	s.logger.InfoContext(ctx, "draining", slog.Duration("timeout", s.drainTimeout))
	close(s.draining)
	ctx, cancel := context.WithTimeout(ctx, s.drainTimeout)
	defer cancel()
	ctx, ended := s.untilStalled(ctx)
	defer ended()

	grpcDone := make(chan struct{})
	go func() {
		defer close(grpcDone)
		s.grpc.GracefulStop()
	}()
	err := s.linger(ctx, public)
	err = errors.Join(err, s.shutdown(ctx, "HTTP", s.http))
	select {
	case <-grpcDone:
	case <-ctx.Done():
		select {
		case <-grpcDone: // while HTTP took all the time
		default:
			err = errors.Join(err, s.cutOff(ctx, "gRPC"))
			s.grpc.Stop()
			<-grpcDone
		}
	}
	return errors.Join(err, s.shutdown(ctx, "operators", s.operator))
}

// untilStalled returns a context that ends when no accepted call has been under way for stallTime:
// what is open then are requests that do not arrive and answers that nobody reads, and neither may
// hold a server that shuts down.
func (s *Server) untilStalled(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(s.stallTime / 50)
		defer tick.Stop()
		idle := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				if s.accepted.Load() > 0 {
					idle = now
				} else if now.Sub(idle) >= s.stallTime {
					cancel(errStalled)
				}
			}
		}
	})
	return ctx, func() {
		cancel(nil)
		done.Wait()
	}
}

// cutOff says that connections are cut off, which is an error where accepted calls may be among them.
func (s *Server) cutOff(ctx context.Context, what string) error {
	if cause := context.Cause(ctx); !errors.Is(cause, errStalled) {
		return fmt.Errorf("drain %s: %w", what, cause)
	}
	s.logger.InfoContext(ctx, "connections closed that have stalled: requests do not arrive, or answers are not read", slog.String("port", what))
	return nil
}

// linger accepts no more connections and waits until those that are open are closed, for a while.
// Only in an answer can HTTP/1.1 say that a connection takes no more requests; one that net/http
// closes as idle may at that moment carry the next request, which would then be lost.
func (s *Server) linger(ctx context.Context, public net.Listener) error {
	if err := public.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop accepting HTTP: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lingerTime)
	defer cancel()
	tick := time.NewTicker(lingerTime / 100)
	defer tick.Stop()
	for s.conns.Load() > 0 {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// closing makes every answer of HTTP/1.1 the last of its connection once the server drains.
func (s *Server) closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			select {
			case <-s.draining:
				w.Header().Set("Connection", "close")
			default:
			}
		}
		next.ServeHTTP(w, r)
	})
}

// count keeps the number of open connections.
func (s *Server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.conns.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// shutdown waits until a server is idle; what outlasts ctx is cut off.
func (s *Server) shutdown(ctx context.Context, what string, server *http.Server) error {
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, net.ErrClosed) { // its listener may be closed already
		return errors.Join(s.cutOff(ctx, what), server.Close())
	}
	return nil
}

// unlessDraining says what failed; once the server drains, its listeners are meant to be closed.
func (s *Server) unlessDraining(what string, err error) error {
	select {
	case <-s.draining:
		if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) || errors.Is(err, grpc.ErrServerStopped) {
			return nil
		}
	default:
	}
	if err == nil {
		return nil // grpc-go's way to say that it was stopped
	}
	return fmt.Errorf("%s: %w", what, err)
}
