// Package echo is the limit that the server is measured against: grpc-go without interceptors, which
// decodes the request of one procedure and encodes the same ready answer every time.
package echo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/health/grpc_health_v1" // its messages
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "footballprediction/api/gen/footballprediction/v1" // its messages
)

// New returns a server of one procedure, package.Service/Method, with its encoded answer. The
// transport is set up as the real server's: windows decide how often the two sides talk.
func New(procedure string, answer []byte) (*grpc.Server, error) {
	desc, err := describe(procedure, answer)
	if err != nil {
		return nil, fmt.Errorf("procedure %q: %w", procedure, err)
	}
	server := grpc.NewServer(
		grpc.MaxConcurrentStreams(1000),
		grpc.InitialWindowSize(1<<20),
		grpc.InitialConnWindowSize(4<<20),
		grpc.MaxRecvMsgSize(16<<20),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 5 * time.Minute, Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
	server.RegisterService(desc, nil)
	return server, nil
}

// describe finds the procedure among the messages linked in, and describes a service of it alone.
func describe(procedure string, encoded []byte) (*grpc.ServiceDesc, error) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(procedure, "/", ".")))
	if err != nil {
		return nil, err
	}
	method, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("expected a method, got a %T", found)
	}
	request, err := protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())
	if err != nil {
		return nil, err
	}
	response, err := protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName())
	if err != nil {
		return nil, err
	}
	answer := response.New().Interface()
	if err := proto.Unmarshal(encoded, answer); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	return &grpc.ServiceDesc{
		ServiceName: string(method.Parent().FullName()),
		Methods: []grpc.MethodDesc{{
			MethodName: string(method.Name()),
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				if err := decode(request.New().Interface()); err != nil {
					return nil, err
				}
				return answer, nil
			},
		}},
	}, nil
}
