package serving

import (
	"context"
	"fmt"
	"math"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
)

// GetMatchFeatures implements FeatureService.
func (s *Service) GetMatchFeatures(ctx context.Context, request *pb.GetMatchFeaturesRequest) (*pb.GetMatchFeaturesResponse, error) {
	match, err := s.matches.Match(ctx, request.MatchId)
	if err != nil {
		return nil, ExplainField(err, "match_id")
	}
	fixture := features.Fixture{
		MatchID: match.ID, Competition: match.Competition, Season: match.Season,
		Home: match.Home, Away: match.Away, Date: match.Date,
	}
	var vector [1]features.Vector
	if err := s.vectors.Vectors(ctx, []features.Fixture{fixture}, vector[:]); err != nil {
		return nil, fmt.Errorf("features of match %q: %w", match.ID, err)
	}
	if err := vector[0].Err; err != nil {
		return nil, ExplainField(err, "match_id")
	}
	if err := s.checkVector(&vector[0], match.ID); err != nil {
		return nil, err
	}
	response := &pb.GetMatchFeaturesResponse{
		MatchId:    match.ID,
		SchemaHash: s.schema.Hash,
		AsOf:       timestamppb.New(vector[0].AsOf.Time()),
		Status:     featureStatus(vector[0].AsOf, s.now()),
		Features:   make([]*pb.Feature, len(s.schema.Features)),
	}
	block := make([]pb.Feature, len(s.schema.Features))
	for i := range block {
		feature := &block[i]
		feature.Name, feature.Unit, feature.Value = s.schema.Features[i].Name, s.schema.Features[i].Unit, vector[0].Values[i]
		response.Features[i] = feature
	}
	return response, nil
}

// checkVector returns an error, which is no caller's fault, where a store does not keep its promise: a
// model would make a forecast of infinite features, too.
func (s *Service) checkVector(vector *features.Vector, match string) error {
	if want := len(s.schema.Features); len(vector.Values) != want {
		return fmt.Errorf("features of match %q: expected %d values, got %d", match, want, len(vector.Values))
	}
	for i, value := range vector.Values {
		if math.IsNaN(float64(value)) || math.IsInf(float64(value), 0) {
			return fmt.Errorf("features of match %q: expected a finite %s, got %v", match, s.schema.Features[i].Name, value)
		}
	}
	return nil
}
