package conformance

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	pb "footballprediction/api/gen/connectrpc/conformance/v1"
)

// A call is what a handler can see of its call and add to the answer, on one of the two transports.
type call interface {
	// setMetadata adds headers and trailers to the answer.
	setMetadata(headers, trailers []*pb.Header) error
	// info describes the call.
	info(ctx context.Context, requests []proto.Message) (*pb.ConformancePayload_RequestInfo, error)
	// fail returns an error as the transport's own, with the info, if any, among its details.
	fail(asked *pb.Error, info *pb.ConformancePayload_RequestInfo) error
}

func callOf(ctx context.Context) call {
	if info, ok := connect.CallInfoForHandlerContext(ctx); ok {
		return connectCall{info}
	}
	return grpcCall{ctx}
}

// connectCall is a call on the HTTP port.
type connectCall struct{ of connect.CallInfo }

func (c connectCall) setMetadata(headers, trailers []*pb.Header) error {
	for _, h := range headers {
		for _, value := range h.GetValue() {
			c.of.ResponseHeader().Add(h.GetName(), value)
		}
	}
	for _, h := range trailers {
		for _, value := range h.GetValue() {
			c.of.ResponseTrailer().Add(h.GetName(), value)
		}
	}
	return nil
}

func (c connectCall) info(ctx context.Context, requests []proto.Message) (*pb.ConformancePayload_RequestInfo, error) {
	info, err := describe(ctx, c.of.RequestHeader(), requests)
	if err == nil && c.of.HTTPMethod() == http.MethodGet {
		info.ConnectGetInfo = &pb.ConformancePayload_ConnectGetInfo{QueryParams: headersOf(c.of.Peer().Query)}
	}
	return info, err
}

func (c connectCall) fail(asked *pb.Error, info *pb.ConformancePayload_RequestInfo) error {
	details, err := detailsOf(asked, info)
	if err != nil {
		return err
	}
	failed := connect.NewError(connect.Code(asked.GetCode()), errors.New(asked.GetMessage()))
	for _, detail := range details {
		packed, err := connect.NewErrorDetail(detail)
		if err != nil {
			return err
		}
		failed.AddDetail(packed)
	}
	return failed
}

// grpcCall is a call on the gRPC port. grpc-go has metadata under names ending in -bin decoded, the
// suite has it encoded.
type grpcCall struct{ ctx context.Context }

func (c grpcCall) setMetadata(headers, trailers []*pb.Header) error {
	head, err := metadataOf(headers)
	if err != nil {
		return err
	}
	tail, err := metadataOf(trailers)
	if err != nil {
		return err
	}
	return errors.Join(grpc.SetHeader(c.ctx, head), grpc.SetTrailer(c.ctx, tail))
}

func metadataOf(headers []*pb.Header) (metadata.MD, error) {
	all := metadata.MD{}
	for _, h := range headers {
		for _, value := range h.GetValue() {
			if strings.HasSuffix(strings.ToLower(h.GetName()), "-bin") {
				decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
				if err != nil {
					return nil, err
				}
				value = string(decoded)
			}
			all.Append(h.GetName(), value)
		}
	}
	return all, nil
}

func (c grpcCall) info(ctx context.Context, requests []proto.Message) (*pb.ConformancePayload_RequestInfo, error) {
	incoming, _ := metadata.FromIncomingContext(ctx)
	for name, values := range incoming { // a copy
		if strings.HasSuffix(name, "-bin") {
			for i := range values {
				values[i] = base64.RawStdEncoding.EncodeToString([]byte(values[i]))
			}
		}
	}
	return describe(ctx, incoming, requests)
}

func (c grpcCall) fail(asked *pb.Error, info *pb.ConformancePayload_RequestInfo) error {
	details, err := detailsOf(asked, info)
	if err != nil {
		return err
	}
	return status.ErrorProto(&spb.Status{Code: int32(asked.GetCode()), Message: asked.GetMessage(), Details: details})
}

func describe(ctx context.Context, headers map[string][]string, requests []proto.Message) (*pb.ConformancePayload_RequestInfo, error) {
	packed, err := pack(requests)
	if err != nil {
		return nil, err
	}
	info := &pb.ConformancePayload_RequestInfo{RequestHeaders: headersOf(headers), Requests: packed}
	if deadline, ok := ctx.Deadline(); ok {
		info.TimeoutMs = new(max(0, time.Until(deadline).Milliseconds()))
	}
	return info, nil
}

func headersOf(values map[string][]string) []*pb.Header {
	headers := make([]*pb.Header, 0, len(values))
	for name, value := range values {
		headers = append(headers, &pb.Header{Name: name, Value: value})
	}
	return headers
}

func detailsOf(asked *pb.Error, info *pb.ConformancePayload_RequestInfo) ([]*anypb.Any, error) {
	if info == nil {
		return asked.GetDetails(), nil
	}
	packed, err := pack([]proto.Message{info})
	return append(asked.GetDetails(), packed...), err
}
