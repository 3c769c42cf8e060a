package serving

import (
	"context"
	"fmt"
	"log/slog"

	"google.golang.org/grpc/codes"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// MaxBatch is the most requests of one BatchPredict.
const MaxBatch = 1000

// MaxExplained is the most requests of one BatchPredict that ask for an explanation, of which each
// costs as much of the model as 250 others.
const MaxExplained = 100

// BatchPredict implements PredictionService.
func (s *Service) BatchPredict(ctx context.Context, request *pb.BatchPredictRequest) (*pb.BatchPredictResponse, error) {
	n := len(request.Requests)
	if n == 0 {
		return nil, errorf(BatchEmpty, "requests: expected 1 to %d, got none", MaxBatch).at("requests")
	}
	if n > MaxBatch {
		return nil, errorf(BatchTooLarge, "requests: expected 1 to %d, got %d", MaxBatch, n).at("requests")
	}
	explained := 0
	for _, one := range request.Requests {
		if one.GetExplain() {
			explained++
		}
	}
	if explained > MaxExplained {
		return nil, errorf(BatchTooLarge, "requests: expected at most %d that ask for an explanation, got %d", MaxExplained, explained).at("requests")
	}
	w := s.workspaces.Get().(*workspace)
	defer s.recycle(w)
	for _, one := range request.Requests {
		q := w.ask(one)
		q.err = s.rules.check(one)
	}
	if err := s.compute(ctx, w); err != nil {
		return nil, err
	}
	watch := s.telemetry.stopwatch(ctx)
	now := s.now()
	all := make([]struct {
		answer answer
		result pb.BatchPredictResult
		chosen pb.BatchPredictResult_Prediction
	}, n)
	results := make([]*pb.BatchPredictResult, n)
	failures := failureLog{service: s}
	for i := range all {
		one := &all[i]
		results[i] = &one.result
		if err := s.answer(&one.answer, w, i, now); err != nil {
			e := explain(err)
			failures.add(ctx, e)
			one.result.Result = &pb.BatchPredictResult_Error{Error: e.below(fmt.Sprintf("requests[%d]", i)).Status()}
			continue
		}
		one.chosen.Prediction = &one.answer.prediction
		one.result.Result = &one.chosen
	}
	watch.lap(stageAnswer)
	return &pb.BatchPredictResponse{Results: results}, nil
}

// A failureLog logs the failures of a batch that are ours: each once, however many items it hit.
type failureLog struct {
	service *Service
	logged  map[string]bool
}

func (l *failureLog) add(ctx context.Context, e *Error) {
	if e.Code != codes.Internal {
		return
	}
	key := fmt.Sprint(e.Message, e.Cause)
	if l.logged[key] {
		return
	}
	if l.logged == nil {
		l.logged = make(map[string]bool)
	}
	l.logged[key] = true
	l.service.logger.LogAttrs(ctx, slog.LevelError, "item of a batch failed", slog.Any("error", e))
}
