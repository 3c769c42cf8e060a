package serving

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
)

// ask calls a procedure over every transport and REST, and returns the one answer or error that all
// give.
func ask[Req, Res any, In pointer[Req], Out pointer[Res]](t *testing.T, s *site, procedure, path string, request *Req, want wrong) *Res {
	t.Helper()
	all := callers[Req, Res, In, Out](s, procedure, true)
	var first *Res
	for _, c := range all {
		response, st := c.call(t.Context(), request)
		if want.reason != "" {
			want.check(t, st)
			continue
		}
		if st != nil {
			t.Fatalf("%s: %s", c.name, st)
		}
		if first == nil {
			first = response
		}
		if !proto.Equal(Out(response), Out(first)) {
			t.Errorf("%s: got %s, want %s", c.name, text(Out(response)), text(Out(first)))
		}
	}
	response := new(Res)
	_, st := s.rest(t.Context(), t, http.MethodGet, path, "", Out(response))
	if want.reason != "" {
		want.check(t, st)
		return nil
	}
	if st != nil {
		t.Fatalf("GET %s: %s", path, st)
	}
	if !proto.Equal(Out(response), Out(first)) {
		t.Errorf("GET %s: got %s, want %s", path, text(Out(response)), text(Out(first)))
	}
	return first
}

func TestListMatches(t *testing.T) {
	w := newWorld()
	s := w.serve(t, ServerOptions{})
	list := func(path string, request *pb.ListMatchesRequest, want wrong) *pb.ListMatchesResponse {
		t.Helper()
		return ask[pb.ListMatchesRequest, pb.ListMatchesResponse](t, s, pb.MatchService_ListMatches_FullMethodName, path, request, want)
	}
	all := list("/data/matches", &pb.ListMatchesRequest{}, wrong{})
	if len(all.GetMatches()) != 3 || all.GetNextPageToken() != "" {
		t.Fatalf("got %s", text(all))
	}
	played := all.GetMatches()[0]
	if played.GetStatus() != pb.MatchStatus_MATCH_STATUS_FINISHED || played.GetScore().GetHome() != 2 || played.GetScore().GetAway() != 1 ||
		played.GetHomeTeam().GetName() != "Arsenal" || !played.GetKickoff().AsTime().Equal(time.Date(2025, 5, 18, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %s", text(played))
	}
	if coming := all.GetMatches()[1]; coming.GetScore() != nil || !coming.GetIllustrative() {
		t.Errorf("got %s", text(coming))
	}

	first := list("/data/matches?pageSize=2&competition=E0&teamId=eng-chelsea",
		&pb.ListMatchesRequest{PageSize: 2, Competition: "E0", TeamId: "eng-chelsea"}, wrong{})
	if len(first.GetMatches()) != 2 || first.GetNextPageToken() == "" {
		t.Fatalf("first page: got %s", text(first))
	}
	token := first.GetNextPageToken()
	second := list("/data/matches?page_size=2&competition=E0&team_id=eng-chelsea&page_token="+token,
		&pb.ListMatchesRequest{PageSize: 2, Competition: "E0", TeamId: "eng-chelsea", PageToken: token}, wrong{})
	if len(second.GetMatches()) != 1 || second.GetNextPageToken() != "" || second.GetMatches()[0].GetMatchId() != "E0-20250621-arsenal-chelsea" {
		t.Errorf("second page: got %s", text(second))
	}

	some := list("/data/matches?from=2025-06-01&to=2025-06-14&status=MATCH_STATUS_SCHEDULED",
		&pb.ListMatchesRequest{From: "2025-06-01", To: "2025-06-14", Status: pb.MatchStatus_MATCH_STATUS_SCHEDULED}, wrong{})
	if len(some.GetMatches()) != 1 {
		t.Errorf("by date and status: got %s", text(some))
	}

	field := func(path string) wrong {
		return wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{path}}
	}
	list("/data/matches?from=yesterday", &pb.ListMatchesRequest{From: "yesterday"}, field("from"))
	list("/data/matches?from=2025-02-02&to=2025-02-01", &pb.ListMatchesRequest{From: "2025-02-02", To: "2025-02-01"}, field("to"))
	list("/data/matches?to=1970-01-01", &pb.ListMatchesRequest{To: "1970-01-01"}, field("to"))
	list("/data/matches?from=1872-11-30", &pb.ListMatchesRequest{From: "1872-11-30"}, field("from"))
	list("/data/matches?pageSize=-1", &pb.ListMatchesRequest{PageSize: -1}, field("page_size"))
	list("/data/matches?pageSize=1001", &pb.ListMatchesRequest{PageSize: 1001}, field("page_size"))
	list("/data/matches?status=99", &pb.ListMatchesRequest{Status: 99}, field("status"))
	list("/data/matches?pageToken=x", &pb.ListMatchesRequest{PageToken: "x"}, field("page_token"))
	list("/data/matches?pageToken="+token, &pb.ListMatchesRequest{PageToken: token}, field("page_token")) // of other filters
	list("/data/matches?competition=E9", &pb.ListMatchesRequest{Competition: "E9"},
		wrong{code: codes.NotFound, reason: "COMPETITION_UNKNOWN", fields: []string{"competition"}})
	list("/data/matches?teamId=nobody", &pb.ListMatchesRequest{TeamId: "nobody"},
		wrong{code: codes.NotFound, reason: "TEAM_UNKNOWN", fields: []string{"team_id"}, metadata: map[string]string{"suggestions": "eng-arsenal,eng-chelsea"}})
	list("/data/matches?teamId=Everton", &pb.ListMatchesRequest{TeamId: "Everton"},
		wrong{code: codes.NotFound, reason: "TEAM_UNKNOWN", fields: []string{"team_id"}, metadata: map[string]string{"team": "Everton", "suggestions": "eng-everton"}})
}

func TestGetMatchAndFeatures(t *testing.T) {
	w := newWorld()
	s := w.serve(t, ServerOptions{})
	const id = "E0-20250614-arsenal-chelsea"
	unknown := wrong{code: codes.NotFound, reason: "MATCH_UNKNOWN", fields: []string{"match_id"}}

	match := ask[pb.GetMatchRequest, pb.GetMatchResponse](t, s, pb.MatchService_GetMatch_FullMethodName, "/data/matches/"+id, &pb.GetMatchRequest{MatchId: id}, wrong{})
	if match.GetMatch().GetMatchId() != id || match.GetMatch().GetAwayTeam().GetTeamId() != "eng-chelsea" {
		t.Errorf("got %s", text(match))
	}
	ask[pb.GetMatchRequest, pb.GetMatchResponse](t, s, pb.MatchService_GetMatch_FullMethodName, "/data/matches/x", &pb.GetMatchRequest{MatchId: "x"}, unknown)

	got := ask[pb.GetMatchFeaturesRequest, pb.GetMatchFeaturesResponse](t, s, pb.FeatureService_GetMatchFeatures_FullMethodName, "/features/match/"+id,
		&pb.GetMatchFeaturesRequest{MatchId: id}, wrong{})
	if f := got.GetFeatures(); len(f) != 2 || f[0].GetName() != "home_strength" || f[0].GetUnit() != "goals" || f[0].GetValue() != 1.8 || f[1].GetValue() != 1.2 ||
		got.GetMatchId() != id || got.GetSchemaHash() != testSchema.Hash || got.GetStatus() != pb.FeatureStatus_FEATURE_STATUS_PRESENT ||
		!got.GetAsOf().AsTime().Equal(w.asOf.Time()) {
		t.Errorf("got %s", text(got))
	}
	ask[pb.GetMatchFeaturesRequest, pb.GetMatchFeaturesResponse](t, s, pb.FeatureService_GetMatchFeatures_FullMethodName, "/features/match/x",
		&pb.GetMatchFeaturesRequest{MatchId: "x"}, unknown)
	ask[pb.GetMatchFeaturesRequest, pb.GetMatchFeaturesResponse](t, s, pb.FeatureService_GetMatchFeatures_FullMethodName, "/features/match/E0-20250518-arsenal-chelsea",
		&pb.GetMatchFeaturesRequest{MatchId: "E0-20250518-arsenal-chelsea"},
		wrong{code: codes.FailedPrecondition, reason: "FEATURES_NOT_KEPT", fields: []string{"match_id"}})
}

func TestTeamsCompetitionsAndTable(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	teams := ask[pb.ListTeamsRequest, pb.ListTeamsResponse](t, s, pb.MatchService_ListTeams_FullMethodName, "/data/teams?competition=E0&query=el",
		&pb.ListTeamsRequest{Competition: "E0", Query: "el"}, wrong{})
	if len(teams.GetTeams()) != 1 || teams.GetTeams()[0].GetName() != "Chelsea" || teams.GetTeams()[0].GetCountry() != "England" {
		t.Errorf("got %s", text(teams))
	}
	var ids []string
	for token := ""; ; {
		page := ask[pb.ListTeamsRequest, pb.ListTeamsResponse](t, s, pb.MatchService_ListTeams_FullMethodName, "/data/teams?pageSize=3&pageToken="+token,
			&pb.ListTeamsRequest{PageSize: 3, PageToken: token}, wrong{})
		for _, team := range page.GetTeams() {
			ids = append(ids, team.GetTeamId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.Equal(ids, []string{"eng-arsenal", "eng-chelsea", "eng-everton", "ger-bayern-munich"}) {
		t.Errorf("by pages: got %v", ids)
	}
	ask[pb.ListTeamsRequest, pb.ListTeamsResponse](t, s, pb.MatchService_ListTeams_FullMethodName, "/data/teams?competition=E9",
		&pb.ListTeamsRequest{Competition: "E9"}, wrong{code: codes.NotFound, reason: "COMPETITION_UNKNOWN", fields: []string{"competition"}})

	one := ask[pb.ListCompetitionsRequest, pb.ListCompetitionsResponse](t, s, pb.MatchService_ListCompetitions_FullMethodName, "/data/competitions?pageSize=1",
		&pb.ListCompetitionsRequest{PageSize: 1}, wrong{})
	if c := one.GetCompetitions(); len(c) != 1 || c[0].GetCode() != "D1" || c[0].GetTier() != 1 || one.GetNextPageToken() == "" {
		t.Fatalf("got %s", text(one))
	}
	two := ask[pb.ListCompetitionsRequest, pb.ListCompetitionsResponse](t, s, pb.MatchService_ListCompetitions_FullMethodName,
		"/data/competitions?pageToken="+one.GetNextPageToken(), &pb.ListCompetitionsRequest{PageToken: one.GetNextPageToken()}, wrong{})
	if c := two.GetCompetitions(); len(c) != 1 || c[0].GetName() != "Premier League" || two.GetNextPageToken() != "" {
		t.Errorf("got %s", text(two))
	}

	table := ask[pb.GetTableRequest, pb.GetTableResponse](t, s, pb.MatchService_GetTable_FullMethodName, "/data/tables/E0", &pb.GetTableRequest{Competition: "E0"}, wrong{})
	if r := table.GetRows(); len(r) != 2 || r[0].GetPosition() != 1 || r[0].GetTeam().GetName() != "Arsenal" || r[1].GetPoints() != 69 ||
		r[0].GetWon() != 25 || r[0].GetDrawn() != 9 || r[0].GetLost() != 4 || r[0].GetGoalsFor() != 80 || r[0].GetGoalsAgainst() != 30 || r[0].GetPlayed() != 38 ||
		table.GetSeason() != "2024-25" || table.GetCompetition().GetCode() != "E0" {
		t.Errorf("got %s", text(table))
	}
	ask[pb.GetTableRequest, pb.GetTableResponse](t, s, pb.MatchService_GetTable_FullMethodName, "/data/tables/E9", &pb.GetTableRequest{Competition: "E9"},
		wrong{code: codes.NotFound, reason: "COMPETITION_UNKNOWN", fields: []string{"competition"}})
}

func TestListModels(t *testing.T) {
	s := oddWorld().serve(t, ServerOptions{})
	got := ask[pb.ListModelsRequest, pb.ListModelsResponse](t, s, pb.ModelService_ListModels_FullMethodName, "/models/info", &pb.ListModelsRequest{}, wrong{})
	var names []string
	for _, model := range got.GetModels() {
		names = append(names, model.GetName()+" "+model.GetServingVersion())
	}
	if !slices.Equal(names, []string{"broken ", "half-plus-two 1", "match-outcome 2"}) {
		t.Fatalf("got %s", text(got))
	}
	broken := got.GetModels()[0].GetVersions()[0]
	if broken.GetState() != pb.ModelState_MODEL_STATE_FAILED || broken.GetLoadedAt() != nil ||
		!strings.Contains(broken.GetStateReason(), "expected "+testSchema.Hash) || !strings.Contains(broken.GetStateReason(), strings.Repeat("cd", 32)) {
		t.Errorf("a failed version: got %s", text(broken))
	}
	v := got.GetModels()[2].GetVersions()[1]
	if v.GetVersion() != "2" || v.GetState() != pb.ModelState_MODEL_STATE_AVAILABLE || v.GetMetrics()["rps"] != .198 || !v.GetLoadedAt().AsTime().Equal(today) ||
		!v.GetDataCutoff().AsTime().Equal(time.Date(2025, 5, 25, 0, 0, 0, 0, time.UTC)) || len(v.GetOutputs()) != 2 ||
		v.GetInputs()[0].GetName() != "features" || v.GetInputs()[0].GetDatatype() != "FP32" || !slices.Equal(v.GetInputs()[0].GetShape(), []int64{-1, 2}) {
		t.Errorf("a version: got %s", text(v))
	}
	page := ask[pb.ListModelsRequest, pb.ListModelsResponse](t, s, pb.ModelService_ListModels_FullMethodName, "/models/info?pageSize=2", &pb.ListModelsRequest{PageSize: 2}, wrong{})
	rest := ask[pb.ListModelsRequest, pb.ListModelsResponse](t, s, pb.ModelService_ListModels_FullMethodName, "/models/info?pageToken="+page.GetNextPageToken(),
		&pb.ListModelsRequest{PageToken: page.GetNextPageToken()}, wrong{})
	if len(page.GetModels()) != 2 || len(rest.GetModels()) != 1 || rest.GetNextPageToken() != "" {
		t.Errorf("pages: got %s and %s", text(page), text(rest))
	}
}

// What the contract names and nobody has built says so.
func TestNotBuilt(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	want := func(what string) wrong {
		return wrong{code: codes.Unimplemented, reason: "NOT_BUILT", message: what, metadata: map[string]string{"what": what}}
	}
	ask[pb.ListPredictionsRequest, pb.ListPredictionsResponse](t, s, pb.PredictionService_ListPredictions_FullMethodName, "/predictions",
		&pb.ListPredictionsRequest{}, want("PredictionService.ListPredictions"))
	ask[pb.GetPredictionRequest, pb.GetPredictionResponse](t, s, pb.PredictionService_GetPrediction_FullMethodName, "/predictions/x",
		&pb.GetPredictionRequest{PredictionId: "x"}, want("PredictionService.GetPrediction"))
}

// The wire's numbers of a match's status are those of features.
func TestMatchStatusNumbers(t *testing.T) {
	for status := features.StatusUnknown; status <= features.Abandoned; status++ {
		want := "MATCH_STATUS_" + strings.ToUpper(status.String())
		if status == features.StatusUnknown {
			want = "MATCH_STATUS_UNSPECIFIED"
		}
		if got := pb.MatchStatus(status).String(); got != want {
			t.Errorf("%s: got %s", status, got)
		}
	}
}

// A store that fails is nobody's fault but ours: the caller learns nothing of it, the log everything.
func TestStoreFailures(t *testing.T) {
	hidden := errors.New("disk at /secret is full")
	w := newWorld()
	w.matchErr = fmt.Errorf("read match: %w", hidden)
	s := w.serve(t, ServerOptions{})
	for _, c := range callers[pb.GetMatchRequest, pb.GetMatchResponse](s, pb.MatchService_GetMatch_FullMethodName, true) {
		_, st := c.call(t.Context(), &pb.GetMatchRequest{MatchId: "x"})
		wrong{code: codes.Internal, message: "internal error"}.check(t, st)
		if strings.Contains(text(st), "secret") {
			t.Errorf("%s: tells too much: %s", c.name, text(st))
		}
	}
	if n := strings.Count(w.logged(), "/secret is full"); n != 7 {
		t.Errorf("logged %d times, want once a call: %s", n, w.logged())
	}
}
