package serving

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/serving/season"
)

// Bounds of SimulateSeasonRequest.simulations.
const (
	simulationsDefault = 100_000
	simulationsMax     = 1_000_000
)

// seasonDrift is how far the strengths of clubs come to lie from what the model says. It was estimated
// from the top five leagues, 2005-06 to 2024-25, predicted from what was known on 15 October, 10 January
// and 10 March: the product of the errors of two matches of one club, in log rates, has a mean of
// .0069 + .00023·(weeks to the earlier match); 95% intervals over seasons are .0057 to .0080 and .00016
// to .00031. The model had seen these seasons, which takes little from so few numbers.
var seasonDrift = season.Drift{Now: math.Sqrt(.0069), Week: math.Sqrt(.00023)}

// Degradations of a simulation.
const (
	headToHeadUnknown = "HEAD_TO_HEAD_UNKNOWN" // played matches are not known one by one
	matchesMissing    = "MATCHES_MISSING"      // the stored ones are no double round robin
)

// SimulateSeason implements PredictionService.
func (s *Service) SimulateSeason(ctx context.Context, request *pb.SimulateSeasonRequest) (*pb.SimulateSeasonResponse, error) {
	return s.Simulate(ctx, request, nil)
}

// Simulate is SimulateSeason that tells progress, if it is not nil, how many seasons have been
// simulated.
func (s *Service) Simulate(ctx context.Context, request *pb.SimulateSeasonRequest, progress func(done, total int)) (*pb.SimulateSeasonResponse, error) {
	simulations := cmp.Or(int(request.Simulations), simulationsDefault)
	if simulations < 1 || simulations > simulationsMax {
		return nil, errorf(FieldInvalid, "simulations: expected 1 to %d, got %d", simulationsMax, simulations).at("simulations")
	}
	c, err := s.campaign(ctx, request)
	if err != nil {
		return nil, err
	}
	rule := seasonRuleOf(c.competition.Code)
	zones := request.Zones
	if len(zones) == 0 {
		zones = rule.zones(len(c.rows))
	}
	if err := checkZones(zones, len(c.rows)); err != nil {
		return nil, err
	}
	response := &pb.SimulateSeasonResponse{
		Competition: newCompetition(&c.competition), Season: c.season, Zones: zones,
		MatchesPlayed: int32(c.played), MatchesRemaining: int32(len(c.toCome)), Illustrative: c.illustrative,
		Simulations: int32(simulations), Seed: request.Seed, TieBreak: pb.TieBreak_TIE_BREAK_GOAL_DIFFERENCE,
	}
	league := &season.League{Table: make([]season.Standing, len(c.rows))}
	for i := range c.rows {
		row := &c.rows[i]
		league.Table[i] = season.Standing{Points: row.Points, GoalsFor: row.GoalsFor, GoalsAgainst: row.GoalsAgainst}
	}
	switch {
	case rule.headToHead && c.complete:
		league.HeadToHead, league.Played = true, c.results
		response.TieBreak = pb.TieBreak_TIE_BREAK_HEAD_TO_HEAD
	case rule.headToHead:
		response.Degradations = append(response.Degradations, &pb.Degradation{
			Reason: headToHeadUnknown,
			Detail: "the league looks at the matches among clubs level on points first, and those played are not stored one by one",
		})
	}
	if all := len(c.rows) * (len(c.rows) - 1); rule.meetings == 1 && c.season != "" && c.played+len(c.toCome) < all {
		response.Degradations = append(response.Degradations, &pb.Degradation{
			Reason: matchesMissing,
			Detail: fmt.Sprintf("%d of the season's %d matches are stored neither as played nor as to come, and are left out", all-c.played-len(c.toCome), all),
		})
	}
	if err := s.simulations.take(ctx); err != nil {
		return nil, err
	}
	defer s.simulations.give()
	if err := s.foresee(ctx, request, c, league, response); err != nil {
		return nil, err
	}
	result, err := season.Run(ctx, league, season.Options{
		Seasons: simulations, Seed: request.Seed, Drift: seasonDrift, Progress: progress,
		Workers: max(1, runtime.GOMAXPROCS(0)/2), // the rest is Predict's
	})
	if err != nil {
		return nil, err
	}
	fillSeason(response, c.rows, result)
	return response, nil
}

// campaign is the season that a request is about, within the bounds of a simulation.
func (s *Service) campaign(ctx context.Context, request *pb.SimulateSeasonRequest) (*campaign, error) {
	if len(request.Matches) == 0 {
		c, err := s.storedCampaign(ctx, request.Competition, request.Season)
		if err == nil && (len(c.toCome) > season.MaxMatches || len(c.rows) > season.MaxTeams) {
			err = errorf(SeasonIncomplete, "%s %s: expected at most %d teams and %d matches to come, got %d and %d",
				request.Competition, c.season, season.MaxTeams, season.MaxMatches, len(c.rows), len(c.toCome)).at("competition")
		}
		return c, err
	}
	if request.Season != "" {
		return nil, errorf(FieldInvalid, "season: expected none beside matches, got %q", clip(request.Season)).at("season")
	}
	c, err := s.toldCampaign(ctx, request)
	if err != nil {
		return nil, err
	}
	if len(c.rows) > season.MaxTeams {
		return nil, errorf(FieldInvalid, "matches: expected at most %d teams, got %d", season.MaxTeams, len(c.rows)).at("matches")
	}
	for i := range c.rows {
		if row := &c.rows[i]; max(row.GoalsFor, row.GoalsAgainst) > season.MaxCount {
			return nil, errorf(FieldInvalid, "matches: expected at most %d goals of a team, got more of %s", season.MaxCount, row.Team.Name).at("matches")
		}
	}
	toCome := make([]int, len(c.rows))
	for _, e := range c.toCome {
		for _, team := range []int{e.home, e.away} {
			if toCome[team]++; toCome[team] > season.MaxTeamMatches {
				return nil, errorf(FieldInvalid, "%s: expected at most %d matches of a team to come, got more of %s",
					e.field, season.MaxTeamMatches, c.rows[team].Team.Name).at(e.field)
			}
		}
	}
	return c, nil
}

// foresee has the model predict the matches to come, all in one run, as Predict would.
func (s *Service) foresee(ctx context.Context, request *pb.SimulateSeasonRequest, c *campaign, league *season.League, response *pb.SimulateSeasonResponse) error {
	if len(c.toCome) == 0 {
		return nil
	}
	w := s.workspaces.Get().(*workspace)
	defer s.recycle(w)
	for i := range c.toCome {
		e := &c.toCome[i]
		w.ask(&pb.PredictRequest{
			Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{
				Competition: c.competition.Code, HomeTeam: e.homeID, AwayTeam: e.awayID, Date: e.date.String(),
			}},
			Model: request.Model, ModelVersion: request.ModelVersion,
		})
	}
	if err := s.compute(ctx, w); err != nil {
		return err
	}
	var asOf features.Date
	var unlinked bool
	degraded := make(map[string]bool)
	league.Matches = make([]season.Match, len(c.toCome))
	for i := range w.questions {
		q, e := &w.questions[i], &c.toCome[i]
		if q.err != nil {
			return e.fault(q.err)
		}
		grid, err := q.run.grid(q.row)
		if err != nil {
			return err
		}
		league.Matches[i] = season.Match{Home: e.home, Away: e.away, Grid: season.Grid(grid)}
		vector := &w.vectors[q.vector]
		asOf = max(asOf, vector.AsOf)
		unlinked = unlinked || vector.Unlinked
		if vector.Degraded != "" && !degraded[vector.Degraded] {
			degraded[vector.Degraded] = true
			response.Degradations = append(response.Degradations, &pb.Degradation{Reason: vector.Degraded, Detail: vector.Detail})
		}
	}
	for i := range league.Matches {
		league.Matches[i].Week = min(int(c.toCome[i].date-asOf)/7, season.MaxWeek)
	}
	if unlinked {
		response.Degradations = append(response.Degradations, &pb.Degradation{Reason: ratingsNotLinked, Detail: "teams of two countries meet"})
	}
	q := &w.questions[0]
	response.Model = &pb.ModelRef{Name: q.run.handle.Name(), Version: q.run.handle.Version(), Variant: q.variant}
	response.FeaturesAsOf = timestamppb.New(asOf.Time())
	response.FeatureStatus = featureStatus(asOf, s.now())
	return nil
}

// fault is an error of the match's question, with the fields that the request knows it by.
func (e *encounter) fault(err error) error {
	moved := *explain(err)
	fields := moved.Fields
	moved.Fields = nil
	for _, f := range fields {
		if below, ok := strings.CutPrefix(f.Path, "pairing"); ok {
			if e.field == "" {
				continue
			}
			f.Path = e.field + below
		}
		moved.Fields = append(moved.Fields, f)
	}
	return &moved
}

// fillSeason writes what became of the teams, the highest expected points first.
func fillSeason(response *pb.SimulateSeasonResponse, rows []features.TableRow, result *season.Result) {
	for i := range result.Teams {
		simulated, row := &result.Teams[i], newTableRow(i, &rows[i])
		team := &pb.SimulatedTeam{
			Row: row, TitleProbability: simulated.Places[0], PlaceProbabilities: simulated.Places,
			Points: &pb.FinalPoints{
				Mean: simulated.Points.Mean(), Quantile_05: int32(simulated.Points.Quantile(.05)),
				Median: int32(simulated.Points.Quantile(.5)), Quantile_95: int32(simulated.Points.Quantile(.95)),
				Min: int32(simulated.Points.Min), Probabilities: simulated.Points.Probabilities,
			},
		}
		for _, zone := range response.Zones {
			var sum float64
			for _, p := range simulated.Places[zone.FirstPlace-1 : zone.LastPlace] {
				sum += p
			}
			sum = min(sum, 1) // which rounding may pass
			team.ZoneProbabilities = append(team.ZoneProbabilities, sum)
			if zone.Name == relegation {
				team.RelegationProbability = sum
			}
		}
		response.Teams = append(response.Teams, team)
	}
	slices.SortStableFunc(response.Teams, func(a, b *pb.SimulatedTeam) int { return cmp.Compare(b.Points.Mean, a.Points.Mean) })
}

// turns lets one simulation run at a time, so that they leave processors to the rest of the server,
// and a few wait for it.
type turns struct {
	free    chan struct{}
	waiting *atomic.Int32
}

// maxWaitingSimulations bounds the wait to a few seconds of simulations of the usual size.
const maxWaitingSimulations = 16

func newTurns() turns { return turns{make(chan struct{}, 1), new(atomic.Int32)} }

// take waits for its turn, which give ends.
func (t turns) take(ctx context.Context) error {
	defer t.waiting.Add(-1)
	if t.waiting.Add(1) > maxWaitingSimulations {
		return errorf(QueueFull, "%d simulations wait already", maxWaitingSimulations)
	}
	select {
	case t.free <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turns) give() { <-t.free }
