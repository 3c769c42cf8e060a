package main

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/inference"
)

// A past season is simulated as it was known on a day, and how it ended is printed beside it.
func TestSimulatePast(t *testing.T) {
	data := writeHistory(t)
	simulate := func(date string) string {
		return runOK(t, "simulate", "E0", "--data", data, "--date", date, "--seasons", "500").stdout
	}
	half := simulate("2025-01-10")
	if !strings.Contains(half, "2024-25") || !strings.Contains(half, " ended ") || strings.Contains(half, " 0 to come") || strings.Contains(half, "90 to come") {
		t.Errorf("half a season:\n%s", half)
	}
	if over := simulate("2025-06-30"); !strings.Contains(over, "90 matches played, 0 to come") || strings.Count(over, "100.0%") != 4 {
		t.Errorf("a whole season:\n%s", over)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--data", data}, "expected --data and --date together"},
		{[]string{"--date", "2025-01-10"}, "expected --data and --date together"},
		{[]string{"--data", data, "--date", "soon"}, `--date: date "soon": expected YYYY-MM-DD`},
		{[]string{"--data", data, "--date", "2030-01-10"}, "no match of E0 2029-30"},
	} {
		if r := run(t, append([]string{"simulate", "E0"}, c.args...)...); r.status != exitUsage || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: status %d, %s", c.args, r.status, r.stderr)
		}
	}
}

// seasonScore compares what was simulated with what happened, over clubs.
type seasonScore struct {
	clubs, within                   int     // clubs, and those whose points lay within their 5% to 95%
	title, relegation               float64 // sums of squared errors
	titleBlind, relegationBlind     float64 // of the clubs' share of the places
	titleByTable, relegationByTable float64 // of the table of the day
}

func (s *seasonScore) add(r *pb.SimulateSeasonResponse, ended map[string]int, points map[string]int32, down int) {
	n := len(r.Teams)
	square := func(p float64, happened bool) float64 {
		if happened {
			p = 1 - p
		}
		return p * p
	}
	certain := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	for _, team := range r.Teams {
		id := team.Row.Team.TeamId
		first, last := ended[id] == 1, ended[id] > n-down
		s.clubs++
		s.title += square(team.TitleProbability, first)
		s.relegation += square(team.RelegationProbability, last)
		s.titleBlind += square(1/float64(n), first)
		s.relegationBlind += square(float64(down)/float64(n), last)
		s.titleByTable += square(certain(team.Row.Position == 1), first)
		s.relegationByTable += square(certain(int(team.Row.Position) > n-down), last)
		if points[id] >= team.Points.Quantile_05 && points[id] <= team.Points.Quantile_95 {
			s.within++
		}
	}
}

// The seasons of the top five leagues, simulated from the tables of 10 January: better than the table
// and than nothing known, and neither too sure nor too unsure of the points. The model has seen all of
// them but the last, which its version 1 has not.
func TestSimulatedSeasonsAgainstHistory(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "open", "pddl")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no real match data: %v", err) //nolint:forbidigo // it may not be committed, so that a clone lacks it
	}
	library, err := filepath.Abs(filepath.Join("..", "..", "bin", "lib", "libonnxruntime.so"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(onnxRuntimeVariable, library)
	cmd := new(cobra.Command)
	cmd.SetContext(t.Context())
	cmd.SetErr(io.Discard)
	h, err := readHistory(cmd, []string{dir}, false)
	if err != nil {
		t.Fatal(err)
	}
	recipe := features.DefaultRecipe()
	registry, err := openRegistry(t.Context(), inference.NewFolderSource(filepath.Join("..", "..", "models", "released"), nil), recipe.Schema)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := closing(nil, registry); err != nil {
			t.Error(err)
		}
	}()
	replay := features.NewReplay(recipe)
	var seen, unseen seasonScore
	for year := 2015; year <= 2024; year++ {
		season := features.SeasonName(year)
		day, err := features.ParseDate(season[:2] + season[5:] + "-01-10")
		if err != nil {
			t.Fatal(err)
		}
		if err := replay.Advance(until(h.played, replay.AsOf(), day), nil); err != nil {
			t.Fatal(err)
		}
		service, err := pastService(registry, replay, day)
		if err != nil {
			t.Fatal(err)
		}
		for competition, down := range map[string]int{"E0": 3, "D1": 2, "F1": 2, "I1": 3, "SP1": 3} {
			request := &pb.SimulateSeasonRequest{Competition: competition, Matches: seasonMatches(h, competition, season, day), Simulations: 2_000, Seed: 1}
			score := &seen
			if year == 2024 {
				request.ModelVersion, score = "1", &unseen
			}
			response, err := service.Simulate(t.Context(), request, nil)
			if err != nil {
				t.Fatal(season, competition, err)
			}
			if n := len(response.Teams); len(request.Matches) != n*(n-1) {
				continue // broken off, or with awarded matches missing
			}
			ended, err := endOfSeason(t.Context(), service, h, competition, season)
			if err != nil {
				t.Fatal(err)
			}
			points := make(map[string]int32)
			for _, m := range seasonMatches(h, competition, season, 1<<30) {
				switch home, away := m.Score.Home, m.Score.Away; {
				case home > away:
					points[m.HomeTeam] += 3
				case home < away:
					points[m.AwayTeam] += 3
				default:
					points[m.HomeTeam]++
					points[m.AwayTeam]++
				}
			}
			score.add(response, ended, points, down)
		}
	}
	for name, s := range map[string]seasonScore{"2015-16 to 2023-24, in sample": seen, "2024-25, out of sample": unseen} {
		n := float64(s.clubs)
		within := float64(s.within) / n
		t.Logf("%s: %d clubs; Brier of title %.4f (blind %.4f, by the table %.4f), of relegation %.4f (blind %.4f, by the table %.4f); points within 5%% to 95%%: %.3f",
			name, s.clubs, s.title/n, s.titleBlind/n, s.titleByTable/n, s.relegation/n, s.relegationBlind/n, s.relegationByTable/n, within)
		// A share of 90% of a hundred clubs is known to 6%.
		if !(s.title < .7*s.titleBlind && s.relegation < .7*s.relegationBlind && s.relegation < s.relegationByTable) || math.Abs(within-.92) > .08 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
