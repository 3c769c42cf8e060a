// Package serving answers the RPCs of footballprediction.v1. Service holds the answers as plain
// functions; Server puts them behind one policy and serves them over grpc-go's transport, over
// net/http (Connect, gRPC-Web, gRPC, REST) and, for operators, over a port of its own.
package serving

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/api/gen/footballprediction/v1/footballpredictionv1connect"
	"footballprediction/features"
	"footballprediction/inference"
)

// Service answers every RPC, without transport and policy. It is safe for concurrent use.
type Service struct {
	schema    features.Schema
	models    *inference.Registry
	matches   features.MatchStore
	vectors   features.VectorStore
	logger    *slog.Logger
	now       func() time.Time
	rules     rules
	telemetry *Telemetry
	loaded    <-chan struct{}

	workspaces  sync.Pool
	simulations turns
	watched     roster
}

// ServiceOptions of a Service.
type ServiceOptions struct {
	// Logger is told what goes wrong; nil means that nobody is.
	Logger *slog.Logger
	// Now is the clock: today's date is its date in UTC. nil means time.Now.
	Now func() time.Time
	// Telemetry measures the service and whoever serves it; nil means that nothing is measured.
	Telemetry *Telemetry
	// Loaded is closed when what there was to load at the start has been loaded. Before, the service is
	// not ready, and a Server answers operators alone. nil means that nothing is waited for.
	Loaded <-chan struct{}
}

var (
	_ footballpredictionv1connect.PredictionServiceHandler = (*Service)(nil)
	_ footballpredictionv1connect.FeatureServiceHandler    = (*Service)(nil)
	_ footballpredictionv1connect.MatchServiceHandler      = (*Service)(nil)
)

// NewService returns a Service whose vectors are of the schema.
func NewService(schema features.Schema, models *inference.Registry, matches features.MatchStore, vectors features.VectorStore, options ServiceOptions) (*Service, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Loaded == nil {
		loaded := make(chan struct{})
		close(loaded)
		options.Loaded = loaded
	}
	rules, err := newRules()
	if err != nil {
		return nil, err
	}
	return &Service{
		schema: schema, models: models, matches: matches, vectors: vectors, rules: rules,
		logger: options.Logger, now: options.Now, telemetry: options.Telemetry, loaded: options.Loaded,
		workspaces:  sync.Pool{New: func() any { return new(workspace) }},
		simulations: newTurns(),
		watched:     roster{registry: models},
	}, nil
}

// Ready returns nil when all models have been loaded that there were at the start, and the default
// model can answer, else why it cannot.
func (s *Service) Ready() error {
	select {
	case <-s.loaded:
	default:
		return fmt.Errorf("%w: models are being loaded", inference.ErrNotReady)
	}
	handle, err := s.models.Acquire(DefaultModel, "")
	if err != nil {
		return err
	}
	handle.Release()
	return nil
}

// procedures is every RPC of the product: who may call it, and what answers. Those that would go on
// for ever end when draining is closed.
func (s *Service) procedures(draining <-chan struct{}) []Procedure {
	return append([]Procedure{
		Unary(pb.PredictionService_Predict_FullMethodName, Viewer, s.Predict),
		Unary(pb.PredictionService_BatchPredict_FullMethodName, Viewer, s.BatchPredict),
		Unary(pb.PredictionService_ListPredictions_FullMethodName, Viewer, s.ListPredictions),
		Unary(pb.PredictionService_GetPrediction_FullMethodName, Viewer, s.GetPrediction),
		Unary(pb.PredictionService_SimulateSeason_FullMethodName, Viewer, s.SimulateSeason),
		Unary(pb.FeatureService_GetMatchFeatures_FullMethodName, Viewer, s.GetMatchFeatures),
		Unary(pb.ModelService_ListModels_FullMethodName, Viewer, s.ListModels),
		Unary(pb.ModelService_GetModel_FullMethodName, Viewer, s.GetModel),
		Unary(pb.MatchService_ListMatches_FullMethodName, Viewer, s.ListMatches),
		Unary(pb.MatchService_GetMatch_FullMethodName, Viewer, s.GetMatch),
		Unary(pb.MatchService_ListTeams_FullMethodName, Viewer, s.ListTeams),
		Unary(pb.MatchService_ListCompetitions_FullMethodName, Viewer, s.ListCompetitions),
		Unary(pb.MatchService_GetTable_FullMethodName, Viewer, s.GetTable),
		ServerStream(pb.LiveService_Watch_FullMethodName, Viewer, s.Watch),
	}, s.operations(draining)...)
}

// ListPredictions implements PredictionService.
func (s *Service) ListPredictions(context.Context, *pb.ListPredictionsRequest) (*pb.ListPredictionsResponse, error) {
	return nil, notBuilt("PredictionService.ListPredictions")
}

// GetPrediction implements PredictionService.
func (s *Service) GetPrediction(context.Context, *pb.GetPredictionRequest) (*pb.GetPredictionResponse, error) {
	return nil, notBuilt("PredictionService.GetPrediction")
}

// Watch implements LiveService.
func (s *Service) Watch(context.Context, *pb.WatchRequest, func(*pb.WatchResponse) error) error {
	return notBuilt("LiveService.Watch")
}
