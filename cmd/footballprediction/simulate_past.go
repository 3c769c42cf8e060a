package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/features/store"
	"footballprediction/inference"
	"footballprediction/serving"
)

// simulatePast answers a request as it would have been answered on the evening of a past day, and says
// at which place each club, by id, then ended; it says nothing where the history ends before the season.
func simulatePast(cmd *cobra.Command, request *pb.SimulateSeasonRequest, data []string, date, models string) (*pb.SimulateSeasonResponse, map[string]int, error) {
	day, err := features.ParseDate(date)
	if err != nil {
		return nil, nil, usagef("--date: %w", err)
	}
	h, err := readHistory(cmd, data, false)
	if err != nil {
		return nil, nil, err
	}
	recipe := features.DefaultRecipe()
	replay := features.NewReplay(recipe)
	if err := replay.Advance(until(h.played, features.Date(-1<<31), day), nil); err != nil {
		return nil, nil, err
	}
	registry, err := openRegistry(cmd.Context(), inference.NewFolderSource(models, nil), recipe.Schema)
	if err != nil {
		return nil, nil, err
	}
	service, err := pastService(registry, replay, day)
	if err != nil {
		return nil, nil, closing(err, registry)
	}
	season := cmp.Or(request.Season, features.SeasonOf(day))
	if request.Matches = seasonMatches(h, request.Competition, season, day); len(request.Matches) == 0 {
		return nil, nil, closing(usagef("--data: no match of %s %s", request.Competition, season), registry)
	}
	request.Season = ""
	bar := newProgress(cmd.ErrOrStderr(), "simulating")
	response, err := service.Simulate(cmd.Context(), request, bar.update)
	bar.finish()
	var ended map[string]int
	if err == nil {
		response.Season = season
		ended, err = endOfSeason(cmd.Context(), service, h, request.Competition, season)
	}
	return response, ended, closing(err, registry)
}

// until are the matches after one day and up to another.
func until(played []features.Played, after, day features.Date) []features.Played {
	var some []features.Played
	for _, m := range played {
		if m.Date > after && m.Date <= day {
			some = append(some, m)
		}
	}
	return some
}

// pastService answers with what the replay has learned, on the day after. It is of no use once the
// replay goes on.
func pastService(registry *inference.Registry, replay *features.Replay, day features.Date) (*serving.Service, error) {
	tomorrow := (day + 1).Time()
	memory, err := store.NewMemory(store.State{Snapshot: named(replay.Snapshot())}, tomorrow)
	if err != nil {
		return nil, err
	}
	return serving.NewService(memory.Recipe().Schema, registry, memory, memory, serving.ServiceOptions{Now: tomorrow.Local})
}

// seasonMatches are a season's matches as they were known on a day: what was played later is to come.
func seasonMatches(h *history, competition, season string, day features.Date) []*pb.SeasonMatch {
	var all []*pb.SeasonMatch
	for i := range h.Matches {
		m := &h.Matches[i]
		if m.Competition != competition || m.Season != season {
			continue
		}
		told := &pb.SeasonMatch{HomeTeam: m.Home, AwayTeam: m.Away}
		if (m.Status == features.Finished || m.Status == features.Awarded) && m.Date <= day {
			told.Score = &pb.Score{Home: int32(m.HomeGoals), Away: int32(m.AwayGoals)}
		} else {
			told.Date = max(m.Date, day+1).String()
		}
		all = append(all, told)
	}
	return all
}

// endOfSeason is each club's place, by id, once all is played; nil where it is not.
func endOfSeason(ctx context.Context, service *serving.Service, h *history, competition, season string) (map[string]int, error) {
	request := &pb.SimulateSeasonRequest{Competition: competition, Matches: seasonMatches(h, competition, season, 1<<30), Simulations: 1}
	for _, m := range request.Matches {
		if m.Score == nil {
			return nil, nil
		}
	}
	final, err := service.Simulate(ctx, request, nil)
	if err != nil {
		return nil, fmt.Errorf("end of %s %s: %w", competition, season, err)
	}
	places := make(map[string]int)
	for _, team := range final.Teams {
		for place, p := range team.PlaceProbabilities {
			if p == 1 {
				places[team.Row.Team.TeamId] = place + 1
			}
		}
	}
	return places, nil
}
