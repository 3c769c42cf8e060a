package serving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
)

// DrainTimeoutDefault is how long a Server waits for accepted calls when it shuts down.
const DrainTimeoutDefault = 20 * time.Second

// Listeners are what a Server listens on. It closes them.
type Listeners struct {
	HTTP     net.Listener // Connect, gRPC-Web, gRPC, REST
	GRPC     net.Listener // gRPC on grpc-go's own transport
	Operator net.Listener // probes and profiles
}

// ServerOptions of a Server.
type ServerOptions struct {
	// DrainTimeout is how long accepted calls may take when the server shuts down; 0 means
	// DrainTimeoutDefault.
	DrainTimeout time.Duration
}

// A Server serves a Service on its three ports, behind one policy.
type Server struct {
	http     *http.Server
	operator *http.Server
	grpc     *grpc.Server

	logger       *slog.Logger
	drainTimeout time.Duration
	draining     chan struct{}
}

// NewServer returns a Server that waits for Run.
func NewServer(service *Service, logger *slog.Logger, options ServerOptions) *Server {
	if options.DrainTimeout == 0 {
		options.DrainTimeout = DrainTimeoutDefault
	}
	s := &Server{logger: logger, drainTimeout: options.DrainTimeout, draining: make(chan struct{})}
	procedures := service.procedures()
	health := newHealth(service, procedures, s.draining)
	procedures = append(procedures, health.procedures()...)
	policy := &policy{roles: rolesOf(procedures), rules: service.rules, logger: logger, now: service.now}

	s.grpc = newGRPC(policy, procedures)
	s.http = newHTTPServer(newHTTP(policy, procedures, health), logger)
	s.operator = newHTTPServer(newOperator(health), logger)
	return s
}

// rolesOf is the table of who may call what. Reflection streams come from the transports' libraries
// and are open to anyone.
func rolesOf(procedures []procedure) map[string]Role {
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

// Run serves until ctx is done or a listener fails. Then it drains: it reports NOT_SERVING, ends
// health streams, accepts nothing more and waits, no longer than the drain timeout, until every
// accepted call has been answered. It returns nil where that was so, and is called once.
func (s *Server) Run(ctx context.Context, on Listeners) error {
	failed := make(chan error, 3)
	go func() { failed <- unlessClosed("serve HTTP", s.http.Serve(on.HTTP)) }()
	go func() { failed <- unlessClosed("serve gRPC", s.grpc.Serve(on.GRPC)) }()
	go func() { failed <- unlessClosed("serve operators", s.operator.Serve(on.Operator)) }()
	s.logger.InfoContext(ctx, "serving", slog.String("http", on.HTTP.Addr().String()),
		slog.String("grpc", on.GRPC.Addr().String()), slog.String("operators", on.Operator.Addr().String()))

	running := 3
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		running--
	}
	err = errors.Join(err, s.drain(context.WithoutCancel(ctx)))
	for range running {
		err = errors.Join(err, <-failed)
	}
	return err
}

// drain shuts the public ports down, and then the operators', who watch.
func (s *Server) drain(ctx context.Context) error {
	s.logger.InfoContext(ctx, "draining", slog.Duration("timeout", s.drainTimeout))
	close(s.draining)
	ctx, cancel := context.WithTimeout(ctx, s.drainTimeout)
	defer cancel()

	grpcDone := make(chan struct{})
	go func() {
		defer close(grpcDone)
		s.grpc.GracefulStop()
	}()
	err := shutdown(ctx, "HTTP", s.http)
	select {
	case <-grpcDone:
	case <-ctx.Done():
		s.grpc.Stop()
		<-grpcDone
		err = errors.Join(err, fmt.Errorf("drain gRPC: %w", ctx.Err()))
	}
	return errors.Join(err, shutdown(ctx, "operators", s.operator))
}

// shutdown waits until a server is idle; calls that outlast ctx are cut off.
func shutdown(ctx context.Context, what string, server *http.Server) error {
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("drain %s: %w", what, err), server.Close())
	}
	return nil
}

// unlessClosed says what failed; to have been shut down is no failure.
func unlessClosed(what string, err error) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
