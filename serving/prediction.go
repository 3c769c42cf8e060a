package serving

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/serving/scoreline"
)

// staleAfter is the age from which features are reported as stale.
const staleAfter = 30 * 24 * time.Hour

// ratingsNotLinked is the degradation of a match between teams whose ratings were never compared.
const ratingsNotLinked = "RATINGS_NOT_LINKED"

// Predict implements PredictionService.
func (s *Service) Predict(ctx context.Context, request *pb.PredictRequest) (*pb.PredictResponse, error) {
	w := s.workspaces.Get().(*workspace)
	defer s.recycle(w)
	w.ask(request)
	if err := s.compute(ctx, w); err != nil {
		return nil, err
	}
	watch := s.telemetry.stopwatch(ctx)
	out := new(struct {
		response pb.PredictResponse
		answer   answer
	})
	if err := s.answer(&out.answer, w, 0, s.now()); err != nil {
		return nil, err
	}
	out.response.Prediction = &out.answer.prediction
	watch.lap(stageAnswer)
	return &out.response, nil
}

// An answer is the messages of one prediction, allocated in one piece.
type answer struct {
	prediction    pb.Prediction
	match         pb.Match
	home, away    pb.Team
	result        pb.MatchResult
	goals         pb.ExpectedGoals
	model         pb.ModelRef
	kickoff, asOf timestamppb.Timestamp
	at            timestamppb.Timestamp
}

// answer fills a with the answer to question i of a workspace that has been computed, or returns why
// there is none.
func (s *Service) answer(a *answer, w *workspace, i int, now time.Time) error {
	q := &w.questions[i]
	if q.err != nil {
		return q.err
	}
	run := q.run
	var grid scoreline.Grid
	var err error
	if q.odds == nil {
		err = run.fill(&grid, q.row)
	} else {
		err = run.blend(&grid, q.row, q.odds)
	}
	if err != nil {
		return err
	}
	run.handle.Answered(true)
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	if q.routed {
		s.Expose(Exposure{
			Model: run.handle.Name(), Version: run.handle.Version(), Variant: q.variant,
			AssignmentKey: q.request.AssignmentKey, ID: slog.String("prediction_id", id.String()),
		})
	}
	vector := &w.vectors[q.vector]

	p := &a.prediction
	p.PredictionId = id.String()
	p.Match, p.MatchResult, p.ExpectedGoals, p.Model = &a.match, &a.result, &a.goals, &a.model
	a.result.HomeProbability, a.result.DrawProbability, a.result.AwayProbability = grid.MatchResult()
	a.goals.Home, a.goals.Away = grid.Means()
	p.Markets = newMarkets(q.request.Markets, &grid)
	p.Explanation = q.explanation
	a.model.Name, a.model.Version, a.model.Variant = run.handle.Name(), run.handle.Version(), q.variant
	p.Source = pb.PredictionSource_PREDICTION_SOURCE_INFERENCE

	fillMatch(&a.match, &q.match)
	fillTeam(&a.home, &q.home)
	fillTeam(&a.away, &q.away)
	a.match.HomeTeam, a.match.AwayTeam, a.match.Kickoff = &a.home, &a.away, &a.kickoff
	fillTime(&a.kickoff, kickoff(&q.match))

	fillTime(&a.asOf, vector.AsOf.Time())
	fillTime(&a.at, now)
	p.FeaturesAsOf, p.PredictedAt = &a.asOf, &a.at
	p.FeatureStatus = featureStatus(vector.AsOf, now)
	if vector.Unlinked {
		p.Degradations = append(p.Degradations, &pb.Degradation{
			Reason: ratingsNotLinked,
			Detail: "the teams play in two countries, and no chain of matches compares their ratings",
		})
	}
	if vector.Degraded != "" {
		p.Degradations = append(p.Degradations, &pb.Degradation{Reason: vector.Degraded, Detail: vector.Detail})
	}
	return nil
}

func fillTime(out *timestamppb.Timestamp, t time.Time) {
	out.Seconds, out.Nanos = t.Unix(), int32(t.Nanosecond())
}

// featureStatus says whether features that saw matches up to a day are fresh.
func featureStatus(asOf features.Date, now time.Time) pb.FeatureStatus {
	if now.Sub(asOf.Time()) > staleAfter {
		return pb.FeatureStatus_FEATURE_STATUS_STALE
	}
	return pb.FeatureStatus_FEATURE_STATUS_PRESENT
}

// resolve finds out which match a question is about.
func (s *Service) resolve(ctx context.Context, q *question) error {
	if err := checkMarkets(q.request.Markets); err != nil {
		return err
	}
	if q.request.Odds != nil {
		var err error
		if q.odds, err = readOdds(q.request.Odds); err != nil {
			return err
		}
	}
	switch target := q.request.Target.(type) {
	case *pb.PredictRequest_MatchId:
		return s.resolveMatch(ctx, q, target.MatchId)
	case *pb.PredictRequest_Pairing:
		return s.resolvePairing(ctx, q, target.Pairing)
	default:
		return errorf(FieldInvalid, "target: expected match_id or pairing, got neither").at("target")
	}
}

func (s *Service) resolveMatch(ctx context.Context, q *question, id string) (err error) {
	if q.match, err = s.matches.Match(ctx, id); err != nil {
		return ExplainField(err, "match_id")
	}
	if q.home, err = s.matches.Team(ctx, q.match.Home); err != nil {
		return unresolved(&q.match, err)
	}
	if q.away, err = s.matches.Team(ctx, q.match.Away); err != nil {
		return unresolved(&q.match, err)
	}
	return nil
}

func (s *Service) resolvePairing(ctx context.Context, q *question, pairing *pb.Pairing) (err error) {
	var country string
	if pairing.GetCompetition() != "" {
		competition, err := s.matches.Competition(ctx, pairing.Competition)
		if err != nil {
			return ExplainField(err, "pairing.competition")
		}
		country = competition.Country
	}
	if q.home, err = s.findTeam(ctx, pairing.GetHomeTeam(), country); err != nil {
		return ExplainField(err, "pairing.home_team")
	}
	if country == "" {
		country = q.home.Country
	}
	if q.away, err = s.findTeam(ctx, pairing.GetAwayTeam(), country); err != nil {
		return ExplainField(err, "pairing.away_team")
	}
	if q.home.ID == q.away.ID {
		return errorf(SameTeamTwice, "away_team: expected another team than home_team, got %q twice", q.home.Name).
			with("team", q.home.ID).at("pairing.away_team")
	}
	date := features.DateOf(s.now())
	if pairing.GetDate() != "" {
		if date, err = parseDate("pairing.date", pairing.Date); err != nil {
			return err
		}
	}
	q.match = features.Match{
		Competition: pairing.GetCompetition(), Season: features.SeasonOf(date), Date: date,
		Home: q.home.ID, Away: q.away.ID, Status: features.Scheduled,
	}
	if q.match.Competition == "" {
		q.match.Competition = q.home.Competition
	}
	return nil
}

// findTeam looks for a name in a country first, so that a name that two countries know is the one
// that is meant, and then everywhere. The error suggests teams of that country, if any are alike.
func (s *Service) findTeam(ctx context.Context, name, country string) (features.Team, error) {
	team, err := s.matches.FindTeam(ctx, name, country)
	if err == nil || country == "" {
		return team, err
	}
	elsewhere, anyErr := s.matches.FindTeam(ctx, name, "")
	if unknown, ok := errors.AsType[*features.TeamUnknownError](err); anyErr == nil || ok && len(unknown.Suggestions) == 0 {
		return elsewhere, anyErr
	}
	return team, err
}
