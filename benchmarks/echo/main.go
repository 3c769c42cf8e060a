// Command echo is the limit that the server is measured against: grpc-go without interceptors, which
// decodes the request of one procedure and encodes the same ready answer every time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // tells how much was allocated
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "google.golang.org/grpc/health/grpc_health_v1" // its messages

	_ "footballprediction/api/gen/footballprediction/v1" // its messages
)

func main() {
	procedure := flag.String("procedure", "", "package.Service/Method")
	answer := flag.String("answer", "", "file with the encoded answer")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *procedure, *answer)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// run serves on free ports of the loopback until ctx is done.
func run(ctx context.Context, procedure, answerFile string) error {
	desc, err := describe(procedure, answerFile)
	if err != nil {
		return err
	}
	// The settings of the real server's transport: windows decide how often the two sides talk.
	server := grpc.NewServer(
		grpc.MaxConcurrentStreams(1000),
		grpc.InitialWindowSize(1<<20),
		grpc.InitialConnWindowSize(4<<20),
		grpc.MaxRecvMsgSize(16<<20),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 5 * time.Minute, Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
	server.RegisterService(desc, nil)

	var listen net.ListenConfig
	calls, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	operator, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, calls.Close())
	}
	profiles := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(calls) }()
	go func() { ended <- profiles.Serve(operator) }()
	slog.New(slog.NewTextHandler(os.Stderr, nil)).InfoContext(ctx, "serving",
		slog.String("grpc", calls.Addr().String()), slog.String("operators", operator.Addr().String()))
	select {
	case <-ctx.Done():
		server.Stop()
		return profiles.Close()
	case err := <-ended:
		server.Stop()
		return errors.Join(err, profiles.Close())
	}
}

// describe finds the procedure among the messages linked in, and describes a service of it alone.
func describe(procedure, answerFile string) (*grpc.ServiceDesc, error) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(procedure, "/", ".")))
	if err != nil {
		return nil, fmt.Errorf("procedure %q: %w", procedure, err)
	}
	method, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("procedure %q: expected a method, got a %T", procedure, found)
	}
	request, err := protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())
	if err != nil {
		return nil, err
	}
	response, err := protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName())
	if err != nil {
		return nil, err
	}
	encoded, err := os.ReadFile(answerFile)
	if err != nil {
		return nil, err
	}
	answer := response.New().Interface()
	if err := proto.Unmarshal(encoded, answer); err != nil {
		return nil, fmt.Errorf("answer %q: %w", answerFile, err)
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
