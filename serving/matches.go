package serving

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
)

// ListMatches implements MatchService.
func (s *Service) ListMatches(ctx context.Context, request *pb.ListMatchesRequest) (*pb.ListMatchesResponse, error) {
	list := listing{"matches", request.Competition, request.TeamId, request.From, request.To, request.Status.String()}
	query := features.MatchQuery{Competition: request.Competition, TeamID: request.TeamId, Limit: pageSize(request.PageSize)}
	var err error
	if query.From, err = parseBound("from", request.From); err != nil {
		return nil, err
	}
	if query.To, err = parseBound("to", request.To); err != nil {
		return nil, err
	}
	if request.From != "" && request.To != "" && query.From > query.To {
		return nil, errorf(FieldInvalid, "to: expected %s or later, got %s", query.From, query.To).at("to")
	}
	if request.Status != pb.MatchStatus_MATCH_STATUS_UNSPECIFIED {
		query.Statuses = []features.Status{features.Status(request.Status)}
	}
	if query.After, err = list.after(request.PageToken); err != nil {
		return nil, err
	}
	if err := s.checkCompetition(ctx, request.Competition); err != nil {
		return nil, err
	}
	if request.TeamId != "" {
		if err := s.checkTeam(ctx, request.TeamId); err != nil {
			return nil, ExplainField(err, "team_id")
		}
	}
	page, err := s.matches.Matches(ctx, query)
	if err != nil {
		return nil, pageError(err, request.PageToken)
	}
	response := &pb.ListMatchesResponse{NextPageToken: list.token(page.Next)}
	for i := range page.Items {
		match, err := s.match(ctx, &page.Items[i])
		if err != nil {
			return nil, err
		}
		response.Matches = append(response.Matches, match)
	}
	return response, nil
}

// GetMatch implements MatchService.
func (s *Service) GetMatch(ctx context.Context, request *pb.GetMatchRequest) (*pb.GetMatchResponse, error) {
	stored, err := s.matches.Match(ctx, request.MatchId)
	if err != nil {
		return nil, ExplainField(err, "match_id")
	}
	match, err := s.match(ctx, &stored)
	if err != nil {
		return nil, err
	}
	return &pb.GetMatchResponse{Match: match}, nil
}

// ListTeams implements MatchService.
func (s *Service) ListTeams(ctx context.Context, request *pb.ListTeamsRequest) (*pb.ListTeamsResponse, error) {
	list := listing{"teams", request.Competition, request.Query}
	after, err := list.after(request.PageToken)
	if err != nil {
		return nil, err
	}
	if err := s.checkCompetition(ctx, request.Competition); err != nil {
		return nil, err
	}
	page, err := s.matches.Teams(ctx, features.TeamQuery{
		Competition: request.Competition, Query: request.Query, After: after, Limit: pageSize(request.PageSize),
	})
	if err != nil {
		return nil, pageError(err, request.PageToken)
	}
	response := &pb.ListTeamsResponse{NextPageToken: list.token(page.Next)}
	for i := range page.Items {
		response.Teams = append(response.Teams, newTeam(&page.Items[i]))
	}
	return response, nil
}

// ListCompetitions implements MatchService.
func (s *Service) ListCompetitions(ctx context.Context, request *pb.ListCompetitionsRequest) (*pb.ListCompetitionsResponse, error) {
	list := listing{"competitions"}
	after, err := list.after(request.PageToken)
	if err != nil {
		return nil, err
	}
	all, err := s.matches.Competitions(ctx)
	if err != nil {
		return nil, fmt.Errorf("list competitions: %w", err)
	}
	page, next := cut(all, func(c *features.Competition) string { return c.Code }, after, pageSize(request.PageSize))
	response := &pb.ListCompetitionsResponse{NextPageToken: list.token(next)}
	for i := range page {
		response.Competitions = append(response.Competitions, newCompetition(&page[i]))
	}
	return response, nil
}

// GetTable implements MatchService.
func (s *Service) GetTable(ctx context.Context, request *pb.GetTableRequest) (*pb.GetTableResponse, error) {
	table, err := s.matches.Table(ctx, request.Competition)
	if err != nil {
		return nil, ExplainField(err, "competition")
	}
	response := &pb.GetTableResponse{
		Competition: newCompetition(&table.Competition),
		Season:      table.Season,
		AsOf:        timestamppb.New(table.AsOf.Time()),
	}
	for i := range table.Rows {
		response.Rows = append(response.Rows, newTableRow(i, &table.Rows[i]))
	}
	return response, nil
}

// checkCompetition refuses a filter by a competition that is not known: an empty list would hide a
// slip of the pen.
func (s *Service) checkCompetition(ctx context.Context, code string) error {
	if code == "" {
		return nil
	}
	if _, err := s.matches.Competition(ctx, code); err != nil {
		return ExplainField(err, "competition")
	}
	return nil
}

// checkTeam returns a *features.TeamUnknownError with suggestions for an id that is not known; a team's
// name is not its id, but suggests it.
func (s *Service) checkTeam(ctx context.Context, id string) error {
	_, err := s.matches.Team(ctx, id)
	if !errors.Is(err, features.ErrTeamUnknown) {
		return err
	}
	meant, err := s.matches.FindTeam(ctx, id, "")
	if err != nil {
		return err
	}
	return &features.TeamUnknownError{Name: id, Suggestions: []features.Team{meant}}
}

// match returns a stored match with its teams.
func (s *Service) match(ctx context.Context, match *features.Match) (*pb.Match, error) {
	home, err := s.matches.Team(ctx, match.Home)
	if err != nil {
		return nil, unresolved(match, err)
	}
	away, err := s.matches.Team(ctx, match.Away)
	if err != nil {
		return nil, unresolved(match, err)
	}
	out := &pb.Match{HomeTeam: newTeam(&home), AwayTeam: newTeam(&away), Kickoff: timestamppb.New(kickoff(match))}
	fillMatch(out, match)
	return out, nil
}

// unresolved is a stored match whose team is not known: no fault of the caller's, whatever the store
// said.
func unresolved(match *features.Match, err error) error {
	return internal(fmt.Errorf("teams of match %q: %w", match.ID, err))
}

// fillMatch sets all but the messages within a match that every match has.
func fillMatch(out *pb.Match, match *features.Match) {
	out.MatchId = match.ID
	out.Competition = match.Competition
	out.Season = match.Season
	out.Status = pb.MatchStatus(match.Status)
	out.Illustrative = match.Illustrative
	switch match.Status {
	case features.Live, features.Finished, features.Awarded:
		out.Score = &pb.Score{Home: int32(match.HomeGoals), Away: int32(match.AwayGoals)}
	}
}

// kickoff is when a match begins, at midnight UTC where only its date is known.
func kickoff(match *features.Match) time.Time {
	if match.Kickoff.IsZero() {
		return match.Date.Time()
	}
	return match.Kickoff
}

func newTeam(team *features.Team) *pb.Team {
	out := new(pb.Team)
	fillTeam(out, team)
	return out
}

func fillTeam(out *pb.Team, team *features.Team) {
	out.TeamId = team.ID
	out.Name = team.Name
	out.Country = team.Country
	out.Competition = team.Competition
}

// newTableRow is the row at a place of a table, counted from 0.
func newTableRow(place int, row *features.TableRow) *pb.TableRow {
	return &pb.TableRow{
		Position: int32(place + 1), Team: newTeam(&row.Team),
		Played: int32(row.Played), Won: int32(row.Won), Drawn: int32(row.Drawn), Lost: int32(row.Lost),
		GoalsFor: int32(row.GoalsFor), GoalsAgainst: int32(row.GoalsAgainst), Points: int32(row.Points),
	}
}

func newCompetition(c *features.Competition) *pb.Competition {
	return &pb.Competition{Code: c.Code, Name: c.Name, Country: c.Country, Tier: int32(c.Tier), Season: c.Season}
}

// parseDate reads a date of a field, YYYY-MM-DD; an empty one is the zero date.
func parseDate(field, text string) (features.Date, error) {
	if text == "" {
		return 0, nil
	}
	date, err := features.ParseDate(text)
	if err != nil {
		return 0, errorf(FieldInvalid, "%s: expected a date YYYY-MM-DD, got %q", field, clip(text)).at(field)
	}
	return date, nil
}

// parseBound reads a date that bounds a listing. Date 0, 1970-01-01, leaves a listing open, and no match
// of ours is older: so such a date is refused, and not taken for none.
func parseBound(field, text string) (features.Date, error) {
	date, err := parseDate(field, text)
	if err == nil && text != "" && date <= 0 {
		return 0, errorf(FieldInvalid, "%s: expected a date after %s, got %s", field, features.Date(0), date).at(field)
	}
	return date, err
}

// pageError explains a failed listing; a token can hold a key that the store cannot read.
func pageError(err error, token string) error {
	if errors.Is(err, features.ErrPageUnknown) {
		return errPageToken(token)
	}
	return fmt.Errorf("list: %w", err)
}
