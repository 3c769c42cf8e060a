package conformance

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	pb "footballprediction/api/gen/connectrpc/conformance/v1"
	"footballprediction/serving"
)

// procedures are the suite's ConformanceService, whose requests say how they want to be answered. Its
// method Unimplemented is meant not to be.
func procedures() []serving.Procedure {
	const service = "/connectrpc.conformance.v1.ConformanceService/"
	return []serving.Procedure{
		serving.Unary(service+"Unary", serving.Anyone, func(ctx context.Context, request *pb.UnaryRequest) (*pb.UnaryResponse, error) {
			payload, err := answer(ctx, request.GetResponseDefinition(), request)
			return &pb.UnaryResponse{Payload: payload}, err
		}),
		serving.Unary(service+"IdempotentUnary", serving.Anyone, func(ctx context.Context, request *pb.IdempotentUnaryRequest) (*pb.IdempotentUnaryResponse, error) {
			payload, err := answer(ctx, request.GetResponseDefinition(), request)
			return &pb.IdempotentUnaryResponse{Payload: payload}, err
		}),
		serving.ClientStream(service+"ClientStream", serving.Anyone, clientStream),
		serving.ServerStream(service+"ServerStream", serving.Anyone, serverStream),
		serving.BidiStream(service+"BidiStream", serving.Anyone, bidiStream),
	}
}

// answer answers requests with one payload, as the first of them has asked for.
func answer(ctx context.Context, definition *pb.UnaryResponseDefinition, requests ...proto.Message) (*pb.ConformancePayload, error) {
	c := callOf(ctx)
	if err := c.setMetadata(definition.GetResponseHeaders(), definition.GetResponseTrailers()); err != nil {
		return nil, err
	}
	wait(definition.GetResponseDelayMs())
	info, err := c.info(ctx, requests)
	if err != nil {
		return nil, err
	}
	if definition.GetError() != nil {
		return nil, c.fail(definition.GetError(), info)
	}
	return &pb.ConformancePayload{Data: definition.GetResponseData(), RequestInfo: info}, nil
}

func clientStream(ctx context.Context, receive func() (*pb.ClientStreamRequest, error)) (*pb.ClientStreamResponse, error) {
	var requests []proto.Message
	var definition *pb.UnaryResponseDefinition
	for {
		request, err := receive()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if len(requests) == 0 {
			definition = request.GetResponseDefinition()
		}
		requests = append(requests, request)
	}
	payload, err := answer(ctx, definition, requests...)
	return &pb.ClientStreamResponse{Payload: payload}, err
}

func serverStream(ctx context.Context, request *pb.ServerStreamRequest, send func(*pb.ServerStreamResponse) error) error {
	s := stream{call: callOf(ctx), definition: request.GetResponseDefinition(), requests: []proto.Message{request}}
	s.send = func(payload *pb.ConformancePayload) error {
		if payload == nil {
			return send(nil)
		}
		return send(&pb.ServerStreamResponse{Payload: payload})
	}
	if err := s.begin(); err != nil {
		return err
	}
	return s.finish(ctx)
}

func bidiStream(ctx context.Context, receive func() (*pb.BidiStreamRequest, error), send func(*pb.BidiStreamResponse) error) error {
	s := stream{call: callOf(ctx)}
	s.send = func(payload *pb.ConformancePayload) error {
		if payload == nil {
			return send(nil)
		}
		return send(&pb.BidiStreamResponse{Payload: payload})
	}
	fullDuplex := false
	for first := true; ; first = false {
		request, err := receive()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		s.requests = append(s.requests, request)
		if first {
			s.definition, fullDuplex = request.GetResponseDefinition(), request.GetFullDuplex()
			if fullDuplex {
				if err := s.begin(); err != nil {
					return err
				}
			}
		}
		if fullDuplex {
			if s.sent == len(s.definition.GetResponseData()) {
				break
			}
			if err := s.respond(ctx); err != nil {
				return err
			}
			s.requests = nil
		}
	}
	if !fullDuplex {
		if err := s.begin(); err != nil {
			return err
		}
	}
	return s.finish(ctx)
}

// stream is a stream of responses.
type stream struct {
	call       call
	definition *pb.StreamResponseDefinition
	requests   []proto.Message // not answered yet
	sent       int
	send       func(*pb.ConformancePayload) error // nil is the headers alone
}

// begin sends the headers at once, if anything follows them but an error.
func (s *stream) begin() error {
	if err := s.call.setMetadata(s.definition.GetResponseHeaders(), s.definition.GetResponseTrailers()); err != nil {
		return err
	}
	if len(s.definition.GetResponseData()) == 0 {
		return nil
	}
	return s.send(nil)
}

// respond sends the next response. The first tells all about the call, the others what has come since.
func (s *stream) respond(ctx context.Context) error {
	payload := &pb.ConformancePayload{Data: s.definition.GetResponseData()[s.sent]}
	if s.sent == 0 || len(s.requests) > 0 {
		info, err := s.call.info(ctx, s.requests)
		if err != nil {
			return err
		}
		if s.sent > 0 {
			info = &pb.ConformancePayload_RequestInfo{Requests: info.GetRequests()}
		}
		payload.RequestInfo = info
	}
	wait(s.definition.GetResponseDelayMs())
	s.sent++
	return s.send(payload)
}

// finish sends the responses that are left, and then the error, if any.
func (s *stream) finish(ctx context.Context) error {
	for s.sent < len(s.definition.GetResponseData()) {
		if err := s.respond(ctx); err != nil {
			return err
		}
		s.requests = nil
	}
	if s.definition.GetError() == nil {
		return nil
	}
	var info *pb.ConformancePayload_RequestInfo
	if s.sent == 0 {
		var err error
		if info, err = s.call.info(ctx, s.requests); err != nil {
			return err
		}
	}
	return s.call.fail(s.definition.GetError(), info)
}

// wait waits for so many milliseconds, also past the call's deadline: the suite's client gives up at
// that moment, and complains of an answer that it has read half of.
func wait(milliseconds uint32) {
	<-time.After(time.Duration(milliseconds) * time.Millisecond)
}

func pack(messages []proto.Message) ([]*anypb.Any, error) {
	packed := make([]*anypb.Any, len(messages))
	for i, message := range messages {
		var err error
		if packed[i], err = anypb.New(message); err != nil {
			return nil, err
		}
	}
	return packed, nil
}
