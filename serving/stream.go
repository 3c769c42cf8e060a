package serving

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
)

// streamsMax is how many streams of one procedure can be open at a time, on both public ports together and
// on the operators' apart. Each holds some memory for as long as its caller likes.
const streamsMax = 1000

// openStreams counts the streams that are open, by procedure.
type openStreams map[string]*openings

type openings struct {
	open atomic.Int64
	most int64
}

// newOpenStreams has a count for each procedure that streams, reflection's among them.
func newOpenStreams(procedures []Procedure) openStreams {
	streams := openStreams{
		grpc_reflection_v1.ServerReflection_ServerReflectionInfo_FullMethodName:      {most: streamsMax},
		grpc_reflection_v1alpha.ServerReflection_ServerReflectionInfo_FullMethodName: {most: streamsMax},
	}
	for i := range procedures {
		if p := &procedures[i]; p.answer == nil {
			streams[p.name] = &openings{most: cmp.Or(p.most, streamsMax)}
		}
	}
	return streams
}

// enter counts a stream of a procedure until leave is called, or refuses it.
func (s openStreams) enter(procedure string) (leave func(), err error) {
	o := s[procedure]
	if o.open.Add(1) > o.most {
		o.open.Add(-1)
		return nil, errorf(TooManyStreams, "%s: expected at most %d streams that are open at a time, got more", procedure, o.most)
	}
	return func() { o.open.Add(-1) }, nil
}

// The forms of Procedures that stream. The policy looks at the call and at every message received.
// In all of them send is called by one goroutine at a time, and so is receive; send(nil) sends the
// response's headers alone. An error of either ends the call and should be returned.

// ServerStream makes a Procedure of a function that answers one message with many.
func ServerStream[Req, Res any, In pointer[Req], Out pointer[Res]](name string, role Role, answer func(ctx context.Context, request *Req, send func(*Res) error) error) Procedure {
	p := Procedure{name: name, role: role}
	p.connect = func(policy *policy, options ...connect.HandlerOption) http.Handler {
		newRequest := func() proto.Message { return In(new(Req)) }
		return connect.NewServerStreamHandler(name, func(ctx context.Context, request *connect.Request[inbound], stream *connect.ServerStream[Res]) error {
			message, err := policy.received(request.Msg)
			if err != nil {
				return err
			}
			return answer(ctx, (*Req)(message.(In)), stream.Send)
		}, append(options, describeProcedure(name), initialise(newRequest))...)
	}
	p.native = func(policy *policy) grpc.StreamHandler {
		return policy.guard(name, func(_ any, stream grpc.ServerStream) error {
			in := &inbound{message: In(new(Req))}
			in.receiveOnly(stream)
			message, err := policy.received(in)
			if err != nil {
				return err
			}
			return answer(stream.Context(), (*Req)(message.(In)), sender[Res, Out](stream))
		})
	}
	return p
}

// ClientStream makes a Procedure of a function that answers many messages with one. receive returns
// io.EOF once the caller has sent all.
func ClientStream[Req, Res any, In pointer[Req], Out pointer[Res]](name string, role Role, answer func(ctx context.Context, receive func() (*Req, error)) (*Res, error)) Procedure {
	p := Procedure{name: name, role: role}
	p.connect = func(policy *policy, options ...connect.HandlerOption) http.Handler {
		return connect.NewClientStreamHandler(name, func(ctx context.Context, stream *connect.ClientStream[inbound]) (*connect.Response[Res], error) {
			response, err := answer(ctx, receiver[Req, In](policy, stream.Conn().Receive))
			if err != nil {
				return nil, err
			}
			return connect.NewResponse(response), nil
		}, append(options, describeProcedure(name))...)
	}
	p.native = func(policy *policy) grpc.StreamHandler {
		return policy.guard(name, func(_ any, stream grpc.ServerStream) error {
			response, err := answer(stream.Context(), receiver[Req, In](policy, stream.RecvMsg))
			if err != nil {
				return err
			}
			return stream.SendMsg(Out(response))
		})
	}
	return p
}

// BidiStream makes a Procedure of a function that answers many messages with many. receive returns
// io.EOF once the caller has sent all; it may be called while send is. The HTTP port answers it over
// HTTP/2 only. Once the server drains, receive returns an error that says so: what was received before
// can still be answered.
func BidiStream[Req, Res any, In pointer[Req], Out pointer[Res]](name string, role Role, answer func(ctx context.Context, receive func() (*Req, error), send func(*Res) error) error) Procedure {
	p := Procedure{name: name, role: role}
	p.connect = func(policy *policy, options ...connect.HandlerOption) http.Handler {
		return connect.NewBidiStreamHandler(name, func(ctx context.Context, stream *connect.BidiStream[inbound, Res]) error {
			return answer(ctx, receiver[Req, In](policy, stream.Conn().Receive), stream.Send)
		}, append(options, describeProcedure(name))...)
	}
	p.native = func(policy *policy) grpc.StreamHandler {
		return policy.guard(name, func(_ any, stream grpc.ServerStream) error {
			receive := policy.untilDraining(stream.RecvMsg)
			return answer(stream.Context(), receiver[Req, In](policy, receive), sender[Res, Out](stream))
		})
	}
	return p
}

// receiver receives a transport's messages one by one, each past the policy.
func receiver[Req any, In pointer[Req]](policy *policy, receive func(any) error) func() (*Req, error) {
	return func() (*Req, error) {
		in := &inbound{message: In(new(Req))}
		if err := receive(in); errors.Is(err, io.EOF) {
			return nil, io.EOF
		} else if err != nil {
			return nil, err
		}
		message, err := policy.received(in)
		if err != nil {
			return nil, err
		}
		return (*Req)(message.(In)), nil
	}
}

// untilDraining makes receive give up once the server drains: a stream of both directions could stay
// open for ever.
func (p *policy) untilDraining(receive func(any) error) func(any) error {
	arrived := make(chan error, 1)
	return func(message any) error {
		go func() { arrived <- receive(message) }() // ends with the stream
		select {
		case err := <-arrived:
			return err
		case <-p.draining:
			return errShuttingDown
		}
	}
}

// endingStream and endingConn are streams of both directions on the two transports that end once the
// server drains.
type endingStream struct {
	grpc.ServerStream
	receive func(any) error
}

// RecvMsg implements grpc.ServerStream.
func (s endingStream) RecvMsg(message any) error { return s.receive(message) }

type endingConn struct {
	connect.StreamingHandlerConn
	receive func(any) error
}

// Receive implements connect.StreamingHandlerConn.
func (c endingConn) Receive(message any) error { return c.receive(message) }

// sender sends messages on grpc-go's transport.
func sender[Res any, Out pointer[Res]](stream grpc.ServerStream) func(*Res) error {
	return func(response *Res) error {
		if response == nil {
			return stream.SendHeader(nil)
		}
		return stream.SendMsg(Out(response))
	}
}
