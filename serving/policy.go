package serving

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// Role says how much a principal may do; a higher role may do all that a lower one may.
type Role uint8

// The roles. Anyone needs no authentication.
const (
	Anyone Role = iota
	Viewer
	Analyst
	Operator
	Admin
)

// String returns the role's name.
func (r Role) String() string {
	return [...]string{"anyone", "viewer", "analyst", "operator", "admin"}[r]
}

// Principal is who calls.
type Principal struct {
	Name string
	Role Role
}

// Until the front door is built, who reaches a port is told from others by nothing else: who reaches
// the public ones may read, and who reaches the operators' may do all that they may.
var (
	local    = Principal{Name: "local", Role: Viewer}
	operator = Principal{Name: "operator", Role: Operator}
)

// policy is what every call goes through, whatever its transport: recovery, authorisation,
// validation, error mapping, logging. It is safe for concurrent use.
type policy struct {
	principal Principal
	roles     map[string]Role // by procedure; what is not in it is denied
	rules     rules
	limit     messageLimit
	bare      bool // whether errors go out without details
	logger    *slog.Logger
	now       func() time.Time
	telemetry *Telemetry
	draining  <-chan struct{} // closed when the server begins to shut down
	accepted  *atomic.Int64   // unary calls whose message has arrived, not yet answered
	streams   openStreams
}

// unary answers a unary call. An *inbound request is unpacked for next. An error returned is an
// *Error.
func (p *policy) unary(ctx context.Context, c call, request any, next func(context.Context, any) (any, error)) (response any, err error) {
	started := p.now()
	ctx, span := p.telemetry.begin(ctx, &c)
	defer func() {
		if r := recover(); r != nil {
			response, err = nil, panicked(r)
		}
		err = p.finish(ctx, &c, span, started, err)
	}()
	if err := p.authorise(c.procedure); err != nil {
		return nil, err
	}
	if in, ok := request.(*inbound); ok {
		if request, err = p.received(in); err != nil {
			return nil, err
		}
	}
	p.accepted.Add(1)
	defer p.accepted.Add(-1)
	return next(ctx, request)
}

// received unpacks a message that keeps to its rules.
func (p *policy) received(in *inbound) (proto.Message, error) {
	if in.err != nil {
		return nil, in.err
	}
	if err := p.rules.check(in.message); err != nil {
		return nil, err
	}
	return in.message, nil
}

// stream answers a streaming call, whose messages pass through received. An error returned is an
// *Error.
func (p *policy) stream(ctx context.Context, c call, next func() error) (err error) {
	started := p.now()
	ctx, span := p.telemetry.begin(ctx, &c)
	defer func() {
		if r := recover(); r != nil {
			err = panicked(r)
		}
		err = p.finish(ctx, &c, span, started, err)
	}()
	if err := p.authorise(c.procedure); err != nil {
		return err
	}
	leave, err := p.streams.enter(c.procedure)
	if err != nil {
		return err
	}
	defer leave()
	return next()
}

func (p *policy) authorise(procedure string) error {
	required, listed := p.roles[procedure]
	if !listed {
		return errorf(AccessDenied, "%s may not be called", procedure)
	}
	if p.principal.Role < required {
		return errorf(AccessDenied, "%s needs role %s, got %s", procedure, required, p.principal.Role)
	}
	return nil
}

// finish maps the error, records the call and writes its one log line.
func (p *policy) finish(ctx context.Context, c *call, span trace.Span, started time.Time, err error) error {
	duration := p.now().Sub(started)
	if err == nil {
		p.telemetry.end(ctx, c, span, codes.OK, duration)
		if p.logger.Enabled(ctx, slog.LevelDebug) {
			p.logger.LogAttrs(ctx, slog.LevelDebug, "call answered",
				slog.String("procedure", c.procedure), slog.Duration("duration", duration))
		}
		return nil
	}
	e := explain(err)
	p.telemetry.end(ctx, c, span, e.Code, duration)
	level := slog.LevelInfo
	if e.Code == codes.Internal {
		level = slog.LevelError
	}
	p.logger.LogAttrs(ctx, level, "call failed",
		slog.String("procedure", c.procedure), slog.Duration("duration", duration), slog.Any("error", e))
	return p.outgoing(e)
}

// outgoing is an error as it leaves the server.
func (p *policy) outgoing(e *Error) *Error {
	if p.bare {
		return e.bare()
	}
	return e
}

// panicked is the error of a call that panicked; the log gets the stack.
func panicked(value any) error {
	return internal(fmt.Errorf("panic: %v\n%s", value, debug.Stack()))
}

// guard puts the policy before a handler of grpc-go's. It does what an interceptor would, for less.
func (p *policy) guard(procedure string, next grpc.StreamHandler) grpc.StreamHandler {
	return func(service any, stream grpc.ServerStream) error {
		ctx := stream.Context()
		return p.stream(ctx, p.call(ctx, procedure), func() error { return next(service, stream) })
	}
}

// call is a call on grpc-go's transport.
func (p *policy) call(ctx context.Context, procedure string) call {
	c := call{system: systemGRPC, procedure: procedure}
	if p.telemetry.traces() {
		c.header = incoming{ctx}
	}
	return c
}

// incoming is the metadata of a gRPC call as a carrier of trace context, which is only read.
type incoming struct{ ctx context.Context }

// Get implements propagation.TextMapCarrier.
func (i incoming) Get(key string) string {
	if values := metadata.ValueFromIncomingContext(i.ctx, key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (incoming) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (incoming) Keys() []string { return nil }

// connectInterceptor is the policy as Connect's interceptor.
type connectInterceptor struct{ policy *policy }

// WrapUnary implements connect.Interceptor.
func (c connectInterceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		response, err := c.policy.unary(ctx, call{systemConnect, request.Spec().Procedure, propagation.HeaderCarrier(request.Header())}, request.Any(), func(ctx context.Context, _ any) (any, error) {
			return next(ctx, request)
		})
		if err != nil {
			return nil, explain(err).connect()
		}
		return response.(connect.AnyResponse), nil
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (c connectInterceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		if conn.Spec().StreamType == connect.StreamTypeBidi {
			conn = endingConn{conn, c.policy.untilDraining(conn.Receive)}
		}
		if err := c.policy.stream(ctx, call{systemConnect, conn.Spec().Procedure, propagation.HeaderCarrier(conn.RequestHeader())}, func() error { return next(ctx, conn) }); err != nil {
			return explain(err).connect()
		}
		return nil
	}
}

// WrapStreamingClient implements connect.Interceptor; servers have no use for it.
func (connectInterceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
