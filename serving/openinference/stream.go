package openinference

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"google.golang.org/grpc/codes"

	pb "footballprediction/api/gen/inference"
	"footballprediction/serving"
)

// finalResponse is the parameter by which answers of a stream say that no more follow for their
// request.
const finalResponse = "triton_final_response"

// ModelStreamInfer implements GRPCInferenceService: it answers requests in their order, each before it
// looks at the next. What is wrong with a request is its answer, and the stream goes on; what cannot be
// read as one ends it.
func (s *Service) ModelStreamInfer(ctx context.Context, receive func() (*pb.ModelInferRequest, error), send func(*pb.ModelStreamInferResponse) error) error {
	for {
		request, err := receive()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		response, err := s.ModelInfer(ctx, request)
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err() // it is the stream that has ended
		case err != nil:
			err = send(s.refusal(ctx, request, err))
		default:
			if response.Parameters == nil {
				response.Parameters = map[string]*pb.InferParameter{}
			}
			response.Parameters[finalResponse] = &pb.InferParameter{ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}}
			err = send(&pb.ModelStreamInferResponse{InferResponse: response})
		}
		if err != nil {
			return err
		}
	}
}

// refusal answers a request of a stream with an error, and logs it as those of calls are.
func (s *Service) refusal(ctx context.Context, request *pb.ModelInferRequest, err error) *pb.ModelStreamInferResponse {
	e := serving.Explain(err)
	level := slog.LevelInfo
	if e.Code == codes.Internal {
		level = slog.LevelError
	}
	s.logger.LogAttrs(ctx, level, "request of a stream failed", slog.String("model", clip(request.GetModelName())), slog.Any("error", e))
	return &pb.ModelStreamInferResponse{ErrorMessage: e.Message, InferResponse: &pb.ModelInferResponse{Id: request.GetId()}}
}
