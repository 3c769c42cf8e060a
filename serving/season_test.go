package serving

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
)

// A leagueWorld is a world whose stores know another league.
type leagueWorld struct {
	*world
	table   features.Table
	matches []features.Match
}

func (w *leagueWorld) Table(_ context.Context, code string) (features.Table, error) {
	if code != w.table.Competition.Code {
		return features.Table{}, fmt.Errorf("%w: %q", features.ErrCompetitionUnknown, code)
	}
	return w.table, nil
}

func (w *leagueWorld) Competition(ctx context.Context, code string) (features.Competition, error) {
	table, err := w.Table(ctx, code)
	return table.Competition, err
}

func (w *leagueWorld) Matches(ctx context.Context, q features.MatchQuery) (features.Page[features.Match], error) {
	q.Limit = 3 // a league takes several pages
	slices.SortFunc(w.matches, func(a, b features.Match) int { return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.ID, b.ID)) })
	return (&world{fixtures: w.matches}).Matches(ctx, q)
}

// newLeagueWorld is a league of four clubs of which each has met every other once.
func newLeagueWorld(code string) *leagueWorld {
	w := &leagueWorld{world: newWorld()}
	w.teams, w.strengths = nil, map[string]float32{}
	w.table = features.Table{
		Competition: features.Competition{Code: code, Name: "League", Country: "England", Tier: 1, Season: "2024-25"},
		Season:      "2024-25", AsOf: w.asOf,
	}
	for i, points := range []int{7, 6, 4, 0} {
		team := features.Team{ID: fmt.Sprintf("eng-club-%d", i), Name: fmt.Sprintf("Club %d", i), Country: "England", Competition: code}
		w.teams = append(w.teams, team)
		w.strengths[team.ID] = 1.7 - .3*float32(i)
		w.table.Rows = append(w.table.Rows, features.TableRow{Team: team, Played: 3, Won: points / 3, Drawn: points % 3, Lost: 3 - points/3 - points%3, GoalsFor: 5 - i, GoalsAgainst: 2 + i, Points: points})
	}
	for i, pair := range [][2]int{{0, 1}, {2, 3}, {0, 2}, {1, 3}, {0, 3}, {1, 2}} {
		w.play(fmt.Sprintf("2025-06-%02d", 12+7*(i/2)), "2024-25", pair[0], pair[1], features.Scheduled)
	}
	return w
}

func (w *leagueWorld) play(day, season string, home, away int, status features.Status) *features.Match {
	w.matches = append(w.matches, features.Match{
		ID: fmt.Sprintf("%s-%d-%d-%d", day, len(w.matches), home, away), Competition: w.table.Competition.Code, Season: season, Date: date(day),
		Home: w.teams[home].ID, Away: w.teams[away].ID, Status: status,
	})
	return &w.matches[len(w.matches)-1]
}

func (w *leagueWorld) ask(t *testing.T, request *pb.SimulateSeasonRequest) (*pb.SimulateSeasonResponse, error) {
	t.Helper()
	service, _ := w.service(t)
	service.matches = w
	if err := service.rules.check(request); err != nil {
		return nil, err
	}
	response, err := service.SimulateSeason(t.Context(), request)
	if err == nil {
		checkSeason(t, response)
	}
	return response, err
}

// checkSeason asserts what holds of every answer.
func checkSeason(t *testing.T, r *pb.SimulateSeasonResponse) {
	t.Helper()
	n := len(r.Teams)
	byPlace, titles := make([]float64, n), 0.0
	mean := math.Inf(1)
	for _, team := range r.Teams {
		var sum, points, expected float64
		for place, p := range team.PlaceProbabilities {
			sum += p
			byPlace[place] += p
		}
		near(t, "places", sum, 1)
		titles += team.TitleProbability
		for i, p := range team.Points.Probabilities {
			points += p
			expected += p * float64(int(team.Points.Min)+i)
		}
		near(t, "points", points, 1)
		near(t, "mean points", team.Points.Mean, expected)
		if team.Points.Mean > mean {
			t.Errorf("%s is out of order", team.Row.Team.Name)
		}
		mean = team.Points.Mean
		if p := team.Points; p.Quantile_05 > p.Median || p.Median > p.Quantile_95 || p.Min > p.Quantile_05 {
			t.Errorf("quantiles: %v", p)
		}
		if len(team.ZoneProbabilities) != len(r.Zones) {
			t.Errorf("%d zones, want %d", len(team.ZoneProbabilities), len(r.Zones))
		}
		for i, zone := range r.Zones {
			sum = 0
			for place := zone.FirstPlace; place <= zone.LastPlace; place++ {
				sum += team.PlaceProbabilities[place-1]
			}
			near(t, zone.Name, team.ZoneProbabilities[i], sum)
		}
	}
	near(t, "titles", titles, 1)
	for _, sum := range byPlace {
		near(t, "place", sum, 1)
	}
}

// The stored season: its table and the matches to come.
func TestSimulateStoredSeason(t *testing.T) {
	w := newLeagueWorld("E0")
	w.play("2025-06-14", "2024-25", 3, 0, features.Scheduled).Illustrative = true   // real matches are known
	w.matches[1].Status, w.matches[1].Date = features.Postponed, date("2025-05-10") // still to come
	w.play("2025-08-14", "2025-26", 0, 1, features.Scheduled)                       // another season
	w.play("2025-05-01", "2024-25", 3, 1, features.Finished)                        // counts in the table
	got, err := w.ask(t, &pb.SimulateSeasonRequest{Competition: "E0", Simulations: 2_000, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if got.Season != "2024-25" || got.MatchesPlayed != 6 || got.MatchesRemaining != 6 || got.Illustrative || got.Simulations != 2_000 || got.Seed != 3 ||
		got.TieBreak != pb.TieBreak_TIE_BREAK_GOAL_DIFFERENCE || len(got.Degradations) != 0 || got.Competition.Code != "E0" {
		t.Errorf("got %s", text(got))
	}
	if got.Model.GetName() != DefaultModel || got.Model.GetVersion() != "2" || got.Model.GetVariant() != "champion" ||
		!got.FeaturesAsOf.AsTime().Equal(w.asOf.Time()) || got.FeatureStatus != pb.FeatureStatus_FEATURE_STATUS_PRESENT {
		t.Errorf("model and features: got %s", text(got))
	}
	best := got.Teams[0]
	if best.Row.Team.TeamId != "eng-club-0" || best.Row.Position != 1 || best.Row.Points != 7 || best.TitleProbability < .5 || best.Points.Min < 7 {
		t.Errorf("the best: got %s", text(best))
	}
	if zones := got.Zones; len(zones) != 1 || zones[0].Name != "relegation" || zones[0].FirstPlace != 2 || zones[0].LastPlace != 4 {
		t.Errorf("zones: got %v", zones)
	}
	near(t, "relegation", best.RelegationProbability, 1-best.TitleProbability)
	if runs := w.versions[DefaultModel]["2"].runs(); len(runs) == 0 || runs[len(runs)-1] != 6 {
		t.Errorf("the model ran over %v rows, want 6 at once", runs)
	}

	next, err := w.ask(t, &pb.SimulateSeasonRequest{Competition: "E0", Season: "2025-26", Simulations: 100})
	if err != nil || next.MatchesPlayed != 0 || next.MatchesRemaining != 1 || len(next.Teams) != 2 || len(next.Degradations) != 1 || next.Degradations[0].Reason != "MATCHES_MISSING" {
		t.Errorf("the season to come: got %s, %v", text(next), err)
	}
}

// A league of an odd number of clubs is a league: somebody rests every round.
func TestSimulateOddNumberOfTeams(t *testing.T) {
	w := newLeagueWorld("E0")
	w.table.Rows = w.table.Rows[:3]
	w.matches = slices.DeleteFunc(w.matches, func(m features.Match) bool { return m.Home == "eng-club-3" || m.Away == "eng-club-3" })
	for i := range w.table.Rows {
		w.table.Rows[i].Played = 2
	}
	got, err := w.ask(t, &pb.SimulateSeasonRequest{Competition: "E0", Simulations: 1_000})
	if err != nil || len(got.Teams) != 3 || got.MatchesRemaining != 3 {
		t.Errorf("got %s, %v", text(got), err)
	}
}

func TestSimulateSeasonThatIsOver(t *testing.T) {
	w := newLeagueWorld("D1")
	w.matches = nil
	for i := range w.table.Rows {
		w.table.Rows[i].Played = 6
	}
	w.play("2025-08-14", "2025-26", 0, 1, features.Scheduled).Illustrative = true
	got, err := w.ask(t, &pb.SimulateSeasonRequest{Competition: "D1", Season: "2024-25"})
	if err != nil {
		t.Fatal(err)
	}
	for place, team := range got.Teams {
		want := make([]float64, 4)
		want[place] = 1
		if team.Row.Team.Name != fmt.Sprintf("Club %d", place) || !slices.Equal(team.PlaceProbabilities, want) || team.Points.Mean != float64(team.Row.Points) {
			t.Errorf("place %d: got %s", place+1, text(team))
		}
	}
	if got.Model != nil || got.FeaturesAsOf != nil || got.MatchesRemaining != 0 || got.Teams[3].RelegationProbability != 1 || got.Teams[1].RelegationProbability != 0 {
		t.Errorf("got %s", text(got))
	}
	// Without a season it is the one to come, of made-up matches.
	got, err = w.ask(t, &pb.SimulateSeasonRequest{Competition: "D1", Simulations: 10})
	if err != nil || got.Season != "2025-26" || !got.Illustrative {
		t.Errorf("got %s, %v", text(got), err)
	}
}

// Head-to-head counts where all results are known one by one, and else the answer says so.
func TestSimulateHeadToHead(t *testing.T) {
	stored, err := newLeagueWorld("SP1").ask(t, &pb.SimulateSeasonRequest{Competition: "SP1", Simulations: 100})
	if err != nil || stored.TieBreak != pb.TieBreak_TIE_BREAK_GOAL_DIFFERENCE || len(stored.Degradations) != 1 || stored.Degradations[0].Reason != "HEAD_TO_HEAD_UNKNOWN" {
		t.Errorf("got %s, %v", text(stored), err)
	}
	// Club 1 has the better difference, Club 0 won their matches.
	told := []*pb.SeasonMatch{
		{HomeTeam: "Club 0", AwayTeam: "Club 1", Score: &pb.Score{Home: 1}}, {HomeTeam: "Club 1", AwayTeam: "Club 0", Score: &pb.Score{}},
		{HomeTeam: "Club 2", AwayTeam: "Club 0", Score: &pb.Score{Home: 1}}, {HomeTeam: "Club 0", AwayTeam: "Club 2", Score: &pb.Score{Away: 1}},
		{HomeTeam: "Club 1", AwayTeam: "Club 2", Score: &pb.Score{Home: 9}}, {HomeTeam: "Club 2", AwayTeam: "Club 1", Score: &pb.Score{Home: 3}},
	}
	for code, first := range map[string]string{"SP1": "Club 0", "E0": "Club 1"} {
		got, err := newLeagueWorld(code).ask(t, &pb.SimulateSeasonRequest{Competition: code, Matches: told, Simulations: 50})
		if err != nil {
			t.Fatal(err)
		}
		second := got.Teams[slices.IndexFunc(got.Teams, func(team *pb.SimulatedTeam) bool { return team.Row.Team.Name == first })]
		if second.PlaceProbabilities[1] != 1 || got.MatchesPlayed != 6 || got.Season != "" || len(got.Degradations) != 0 {
			t.Errorf("%s: want %s second, got %s", code, first, text(got))
		}
	}
}

// The answer to one match is the market of the match itself, but for the drift, on every transport.
func TestSimulateToldSeasonOverEveryTransport(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	request := &pb.SimulateSeasonRequest{Competition: "E0", Seed: 1, Matches: []*pb.SeasonMatch{
		{HomeTeam: "The Gunners", AwayTeam: "Everton", Score: &pb.Score{Home: 2}},
		{HomeTeam: "chelsea", AwayTeam: "Everton", Score: &pb.Score{Home: 2}},
		{HomeTeam: "eng-arsenal", AwayTeam: "Chelsea", Date: "2025-06-14"},
	}, Zones: []*pb.Zone{{Name: "podium", FirstPlace: 1, LastPlace: 2}}}
	call := func(request *pb.SimulateSeasonRequest) *pb.SimulateSeasonResponse {
		var first *pb.SimulateSeasonResponse
		for _, c := range callers[pb.SimulateSeasonRequest, pb.SimulateSeasonResponse](s, pb.PredictionService_SimulateSeason_FullMethodName, false) {
			got, st := c.call(t.Context(), request)
			if st != nil {
				t.Fatal(c.name, st)
			}
			if first == nil {
				first = got
			}
			if !proto.Equal(got, first) {
				t.Errorf("%s: another answer", c.name)
			}
		}
		body, err := protojson.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		got := new(pb.SimulateSeasonResponse)
		if _, st := s.rest(t.Context(), t, http.MethodPost, "/predictions/season", string(body), got); st != nil || !proto.Equal(got, first) {
			t.Errorf("rest: got %s, %s", text(got), st)
		}
		checkSeason(t, first)
		return first
	}
	got := call(request)
	if got.Simulations != 100_000 || got.MatchesPlayed != 2 || got.MatchesRemaining != 1 || got.Season != "" {
		t.Errorf("got %s", text(got))
	}
	// The fake model says .45, .25, .3; a draw is settled by lot. Both keep 3 points from before.
	arsenal := got.Teams[0]
	if arsenal.Row.Team.Name != "Arsenal" || math.Abs(arsenal.TitleProbability-.575) > .012 || arsenal.Points.Min != 3 || arsenal.ZoneProbabilities[0] != 1 || arsenal.RelegationProbability != 0 {
		t.Errorf("got %s", text(arsenal))
	}
	if other := call(&pb.SimulateSeasonRequest{Competition: "E0", Seed: 2, Matches: request.Matches}); other.Teams[0].TitleProbability == arsenal.TitleProbability {
		t.Error("another seed: the same answer")
	}
}

func TestSimulateErrors(t *testing.T) {
	match := func(home, away string) *pb.SeasonMatch { return &pb.SeasonMatch{HomeTeam: home, AwayTeam: away} }
	for _, c := range []struct {
		name   string
		change func(*leagueWorld, *pb.SimulateSeasonRequest)
		want   wrong
	}{
		{"unknown competition", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) { r.Competition = "E9" },
			wrong{code: codes.NotFound, reason: "COMPETITION_UNKNOWN", fields: []string{"competition"}}},
		{"unknown competition of told matches", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Competition, r.Matches = "E9", []*pb.SeasonMatch{match("Club 0", "Club 1")}
		}, wrong{code: codes.NotFound, reason: "COMPETITION_UNKNOWN", fields: []string{"competition"}}},
		{"no competition", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) { r.Competition = "" },
			wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"competition"}}},
		{"unknown season", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) { r.Season = "1999-00" },
			wrong{code: codes.NotFound, reason: "SEASON_UNKNOWN", fields: []string{"season"}, metadata: map[string]string{"season": "1999-00"}}},
		{"a season beside matches", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Season, r.Matches = "2024-25", []*pb.SeasonMatch{match("Club 0", "Club 1")}
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"season"}}},
		{"negative", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) { r.Simulations = -1 },
			wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"simulations"}}},
		{"too many seasons", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) { r.Simulations = 1_000_001 },
			wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"simulations"}}},
		{"left unknown", func(w *leagueWorld, _ *pb.SimulateSeasonRequest) { w.matches = nil },
			wrong{code: codes.FailedPrecondition, reason: "SEASON_INCOMPLETE", fields: []string{"matches"}, message: "has played 3 matches of at least 6"}},
		{"stored twice", func(w *leagueWorld, _ *pb.SimulateSeasonRequest) {
			w.play("2025-07-30", "2024-25", 2, 3, features.Scheduled)
		},
			wrong{code: codes.FailedPrecondition, reason: "SEASON_INCOMPLETE", fields: []string{"matches"}, message: "Club 2 against Club 3 is stored once more"}},
		{"stored as played and to come", func(w *leagueWorld, _ *pb.SimulateSeasonRequest) { w.table.Rows[0].Played = 4 },
			wrong{code: codes.FailedPrecondition, reason: "SEASON_INCOMPLETE", fields: []string{"matches"}, message: "4 matches played and 3 to come"}},
		{"told twice", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Matches = []*pb.SeasonMatch{match("Club 0", "Club 1"), match("Club 1", "Club 0"), match("eng-club-0", "club 1")}
			r.Matches[0].Score = &pb.Score{Home: 1}
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"matches[2]"}}},
		{"unknown team", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Matches = []*pb.SeasonMatch{match("Club 0", "Nobody")}
		},
			wrong{code: codes.NotFound, reason: "TEAM_UNKNOWN", fields: []string{"matches[0].away_team"}, metadata: map[string]string{"team": "Nobody"}}},
		{"one team twice", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Matches = []*pb.SeasonMatch{match("Club 0", "eng-club-0")}
		}, wrong{code: codes.InvalidArgument, reason: "SAME_TEAM_TWICE", fields: []string{"matches[0].away_team"}}},
		{"no date", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Matches = []*pb.SeasonMatch{match("Club 0", "Club 1")}
			r.Matches[0].Date = "soon"
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"matches[0].date"}}},
		{"a date before history", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Matches = []*pb.SeasonMatch{match("Club 0", "Club 1"), match("Club 1", "Club 0")}
			r.Matches[1].Date = "2025-05-25"
		}, wrong{code: codes.InvalidArgument, reason: "DATE_BEFORE_HISTORY", fields: []string{"matches[1].date"}}},
		{"negative goals", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Matches = []*pb.SeasonMatch{match("Club 0", "Club 1")}
			r.Matches[0].Score = &pb.Score{Home: -1}
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"matches[0].score"}}},
		{"too many goals", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Matches = []*pb.SeasonMatch{match("Club 0", "Club 1")}
			r.Matches[0].Score = &pb.Score{Away: 100}
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"matches[0].score"}}},
		{"too many matches", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Matches = slices.Repeat([]*pb.SeasonMatch{match("Club 0", "Club 1")}, 1001)
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"matches"}}},
		{"too many goals of a team", func(w *leagueWorld, r *pb.SimulateSeasonRequest) {
			w.table.Competition.Code, r.Competition = "XX", "XX" // where clubs meet as often as they like
			one := match("Club 0", "Club 1")
			one.Score = &pb.Score{Home: 99}
			r.Matches = slices.Repeat([]*pb.SeasonMatch{one}, 1000)
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"matches"}}},
		{"too many matches of a team", func(w *leagueWorld, r *pb.SimulateSeasonRequest) {
			w.table.Competition.Code, r.Competition = "XX", "XX"
			r.Matches = slices.Repeat([]*pb.SeasonMatch{match("Club 0", "Club 1")}, 201)
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"matches[200]"}}},
		{"a zone beyond the league", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Zones = []*pb.Zone{{Name: "a", FirstPlace: 1, LastPlace: 4}, {Name: "b", FirstPlace: 4, LastPlace: 5}}
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"zones[1].last_place"}}},
		{"a zone upside down", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Zones = []*pb.Zone{{Name: "a", FirstPlace: 3, LastPlace: 2}}
		},
			wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"zones[0].last_place"}}},
		{"two zones of a name", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) {
			r.Zones = []*pb.Zone{{Name: "a", FirstPlace: 1, LastPlace: 1}, {Name: "a", FirstPlace: 2, LastPlace: 2}}
		}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"zones[1].name"}}},
		{"unknown model", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) { r.Model = "oracle" },
			wrong{code: codes.NotFound, reason: "MODEL_UNKNOWN", fields: []string{"model"}}},
		{"unknown version", func(_ *leagueWorld, r *pb.SimulateSeasonRequest) { r.ModelVersion = "9" },
			wrong{code: codes.NotFound, reason: "MODEL_VERSION_UNKNOWN", fields: []string{"model_version"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newLeagueWorld("E0")
			request := &pb.SimulateSeasonRequest{Competition: "E0", Simulations: 10}
			c.change(w, request)
			_, err := w.ask(t, request)
			if err == nil {
				t.Fatal("got an answer")
			}
			c.want.check(t, explain(err).Status())
		})
	}
}

// Whatever rates a model gives, the answer is a table or an error, never nonsense.
func TestSimulateRatesOfZeroFiftyAndNaN(t *testing.T) {
	for _, c := range []struct {
		rate float32
		fine bool
	}{{0, true}, {50, true}, {float32(math.NaN()), false}, {float32(math.Inf(1)), false}, {-1, false}} {
		w := newLeagueWorld("E0")
		w.versions[DefaultModel]["2"].run = func(_ context.Context, features, outcomes, goals []float32) error {
			for i := range goals {
				goals[i] = c.rate
			}
			if len(goals) == 2 { // the golden row
				copy(outcomes, []float32{.5, .25, .25})
				copy(goals, []float32{2, 1})
			}
			return nil
		}
		got, err := w.ask(t, &pb.SimulateSeasonRequest{Competition: "E0", Simulations: 500})
		switch {
		case c.fine && err != nil:
			t.Errorf("rates of %v: %v", c.rate, err)
		case !c.fine:
			if err == nil {
				t.Fatalf("rates of %v: got %s", c.rate, text(got))
			}
			wrong{code: codes.Internal, reason: "MODEL_FAILED"}.check(t, explain(err).Status())
		}
	}
}

// The rules name places that a league of the usual size has, and leagues that are known.
func TestSeasonRules(t *testing.T) {
	for _, league := range features.Competitions() {
		if _, known := seasonRules[league.Code]; !known {
			t.Errorf("%s: no rule", league.Code)
		}
		zones := seasonRuleOf(league.Code).zones(18)
		if err := checkZones(zones, 18); err != nil {
			t.Errorf("%s: %v", league.Code, err)
		}
		if league.Tier > 1 && (len(zones) == 0 || !strings.HasPrefix(zones[0].Name, "promotion")) {
			t.Errorf("%s: zones %v", league.Code, zones)
		}
	}
	if zones := seasonRuleOf("D1").zones(18); len(zones) != 2 || zones[0].FirstPlace != 16 || zones[0].LastPlace != 16 || zones[1].FirstPlace != 17 || zones[1].LastPlace != 18 {
		t.Errorf("D1: got %v", zones)
	}
	if zones := seasonRuleOf("E1").zones(4); zones != nil {
		t.Errorf("a league too small for its zones: got %v", zones)
	}
}
