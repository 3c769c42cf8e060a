package serving

import (
	"context"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// A Procedure is one RPC: who may call it, what answers, and how each transport mounts it.
type Procedure struct {
	name string // "/package.Service/Method"
	role Role
	most int64 // streams of it that can be open at a time; 0 means streamsMax

	// newRequest and answer are set where the RPC is unary, and only there.
	newRequest func() proto.Message
	answer     func(ctx context.Context, request any) (response any, err error)

	connect func(*policy, ...connect.HandlerOption) http.Handler
	native  func(*policy) grpc.StreamHandler // behind the policy
}

// service and method split the name.
func (p *Procedure) service() string { return p.name[1:strings.LastIndexByte(p.name, '/')] }
func (p *Procedure) method() string  { return p.name[strings.LastIndexByte(p.name, '/')+1:] }

// atMost returns the procedure, of which no more streams can be open at a time.
func (p Procedure) atMost(streams int64) Procedure {
	p.most = streams
	return p
}

// Header returns what the caller of a unary RPC sent under a name, "" where that is nothing.
func Header(ctx context.Context, name string) string {
	if info, ok := connect.CallInfoForHandlerContext(ctx); ok {
		return strings.ToValidUTF8(info.RequestHeader().Get(name), "\uFFFD")
	}
	return incoming{ctx}.Get(name)
}

// pointer is *T, a message.
type pointer[T any] interface {
	*T
	proto.Message
}

// Unary makes a Procedure of a plain function. The name is "/package.Service/Method", of a method
// whose Go code is linked in; callers need the role.
func Unary[Req, Res any, In pointer[Req], Out pointer[Res]](name string, role Role, answer func(context.Context, *Req) (*Res, error)) Procedure {
	p := Procedure{name: name, role: role}
	p.newRequest = func() proto.Message { return In(new(Req)) }
	p.answer = func(ctx context.Context, request any) (any, error) {
		response, err := answer(ctx, (*Req)(request.(In)))
		if err != nil {
			return nil, err
		}
		return response, nil
	}
	p.connect = func(_ *policy, options ...connect.HandlerOption) http.Handler {
		return connect.NewUnaryHandler(name, func(ctx context.Context, request *connect.Request[inbound]) (*connect.Response[Res], error) {
			response, err := answer(ctx, (*Req)(request.Msg.message.(In)))
			if err != nil {
				return nil, err
			}
			return connect.NewResponse(response), nil
		}, append(options, describeProcedure(name), initialise(p.newRequest))...)
	}
	p.native = func(policy *policy) grpc.StreamHandler {
		return func(_ any, stream grpc.ServerStream) error {
			in := &inbound{message: p.newRequest()}
			in.receiveOnly(stream)
			ctx := stream.Context()
			response, err := policy.unary(ctx, policy.call(ctx, name), in, p.answer)
			if err != nil {
				return err
			}
			return stream.SendMsg(response)
		}
	}
	return p
}

// initialise gives each inbound message its type.
func initialise(message func() proto.Message) connect.HandlerOption {
	return connect.WithRequestInitializer(func(_ connect.Spec, in any) error {
		in.(*inbound).message = message()
		return nil
	})
}

// describeProcedure tells Connect what the proto says of a procedure: what has no side effects can
// be called by GET.
func describeProcedure(name string) connect.HandlerOption {
	method := descriptor(name)
	options := []connect.HandlerOption{connect.WithSchema(method)}
	if method.Options().(*descriptorpb.MethodOptions).GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS {
		options = append(options, connect.WithIdempotency(connect.IdempotencyNoSideEffects))
	}
	return connect.WithHandlerOptions(options...)
}

// descriptor finds the method that a procedure implements, which is linked in with its messages.
func descriptor(name string) protoreflect.MethodDescriptor {
	full := protoreflect.FullName(strings.ReplaceAll(name[1:], "/", "."))
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(full)
	if err != nil {
		panic("serving: procedure " + name + ": " + err.Error())
	}
	return found.(protoreflect.MethodDescriptor)
}

// register mounts procedures on a grpc-go server.
//
// All are mounted as client streams: of a stream that should bring one message, grpc-go itself answers
// one that brings none or several, with another code than gRPC names.
func register(server *grpc.Server, policy *policy, procedures []Procedure) {
	services := make(map[string]*grpc.ServiceDesc)
	for _, p := range procedures {
		desc := services[p.service()]
		if desc == nil {
			desc = &grpc.ServiceDesc{ServiceName: p.service(), Metadata: descriptor(p.name).ParentFile().Path()}
			services[p.service()] = desc
		}
		desc.Streams = append(desc.Streams, grpc.StreamDesc{
			StreamName: p.method(), Handler: p.native(policy),
			ClientStreams: true, ServerStreams: descriptor(p.name).IsStreamingServer(),
		})
	}
	for _, desc := range services {
		server.RegisterService(desc, nil)
	}
}
