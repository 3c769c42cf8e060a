package serving

import (
	"slices"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // so that answers to clients that compress are compressed
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

// Bounds of one HTTP/2 connection, on either port.
const (
	maxConcurrentStreams = 1000
	streamWindowBytes    = 1 << 20
	connWindowBytes      = 4 << 20
	maxHeaderBytes       = 64 << 10
	idleTimeout          = 5 * time.Minute
	handshakeTimeout     = 10 * time.Second
)

// streamWorkers are goroutines that answer calls, one after another; when all are busy, further calls
// get one of their own. Answering takes more stack than a new goroutine has, and growing it there for
// every call took a quarter of the server's CPU.
const streamWorkers = 128

// newGRPC returns the native gRPC server: the procedures, with reflection v1 and v1alpha.
func newGRPC(p *policy, procedures []Procedure) *grpc.Server {
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(newBinaryCodec(p.limit, p.telemetry)),
		grpc.MaxRecvMsgSize(p.limit.transport()),
		//nolint:staticcheck // The way that replaces it is global to the process: it would bind its clients too.
		grpc.RPCDecompressor(grpcGzip{p.limit}),
		grpc.MaxConcurrentStreams(maxConcurrentStreams),
		grpc.InitialWindowSize(streamWindowBytes),
		grpc.InitialConnWindowSize(connWindowBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTimeout, Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
	register(server, p, procedures)
	reflection.Register(guarded{server, p})
	return server
}

// guarded registers streaming services that are not ours, reflection, behind the policy.
type guarded struct {
	*grpc.Server
	policy *policy
}

// RegisterService implements grpc.ServiceRegistrar.
func (g guarded) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	own := *desc
	own.Streams = slices.Clone(desc.Streams)
	for i := range own.Streams {
		answer := own.Streams[i].Handler
		own.Streams[i].Handler = g.policy.guard("/"+desc.ServiceName+"/"+own.Streams[i].StreamName, func(service any, stream grpc.ServerStream) error {
			return answer(service, endingStream{stream, g.policy.untilDraining(stream.RecvMsg)})
		})
	}
	g.Server.RegisterService(&own, implementation)
}
