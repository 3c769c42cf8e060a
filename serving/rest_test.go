package serving

import (
	"net/http"
	"strings"
	"testing"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	pb "footballprediction/api/gen/footballprediction/v1"
)

func TestRESTErrors(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	const stored = "/predictions/match/E0-20250614-arsenal-chelsea"
	invalid := func(message string, fields ...string) wrong {
		return wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", message: message, fields: fields}
	}
	good := `{"pairing":{"homeTeam":"Arsenal","awayTeam":"Chelsea"}}`
	tests := []struct {
		name, method, path, body, contentType string
		header                                http.Header
		status                                int
		want                                  wrong
	}{
		{name: "no such path", method: "GET", path: "/prediction", status: 404,
			want: wrong{code: codes.NotFound, reason: "PATH_UNKNOWN", message: `"/prediction"`}},
		{name: "no such RPC", method: "POST", path: "/footballprediction.v1.PredictionService/Guess", body: "{}", status: 404,
			want: wrong{code: codes.NotFound, reason: "PATH_UNKNOWN"}},
		{name: "wrong method", method: "GET", path: "/predictions/batch/", status: 404, want: wrong{code: codes.NotFound, reason: "PATH_UNKNOWN"}},
		{name: "another wrong method", method: "DELETE", path: "/data/teams", status: 405,
			want: wrong{code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED", message: `expected GET, got "DELETE"`}},
		{name: "method of health", method: "POST", path: "/health", status: 405, want: wrong{code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}},
		{name: "method of a stored match", method: "POST", path: stored, body: "{}", status: 405, want: wrong{code: codes.Unimplemented, reason: "METHOD_NOT_ALLOWED"}},
		{name: "unknown parameter", method: "GET", path: "/data/teams?contry=England", status: 400, want: invalid(`"contry"`, "contry")},
		{name: "unknown parameter below", method: "GET", path: stored + "?odds.homer=2", status: 400, want: invalid(`"odds.homer"`, "odds.homer")},
		{name: "parameter below a value", method: "GET", path: stored + "?model.name=x", status: 400, want: invalid(`"model.name"`, "model.name")},
		{name: "a message as parameter", method: "GET", path: stored + "?odds=2", status: 400, want: invalid(`"odds"`, "odds")},
		{name: "parameter without a name", method: "GET", path: stored + "?=2", status: 400, want: invalid(`""`, "")},
		{name: "parameter twice", method: "GET", path: stored + "?model=a&model=b", status: 400, want: invalid("expected once", "model")},
		{name: "parameter by both names", method: "GET", path: stored + "?modelVersion=1&model_version=2", status: 400, want: invalid("expected once", "model_version")},
		{name: "the path's field", method: "GET", path: stored + "?match_id=x", status: 400, want: invalid("the path holds it", "match_id")},
		{name: "the path's field by its JSON name", method: "GET", path: stored + "?matchId=x", status: 400, want: invalid("expected once", "match_id")},
		{name: "no number", method: "GET", path: "/data/teams?pageSize=many", status: 400, want: invalid(`page_size: expected a value of type int32, got "many"`, "page_size")},
		{name: "no whole number", method: "GET", path: "/data/teams?pageSize=1.5", status: 400, want: invalid("page_size", "page_size")},
		{name: "too large a number", method: "GET", path: "/data/teams?pageSize=99999999999", status: 400, want: invalid("page_size", "page_size")},
		{name: "no boolean", method: "GET", path: stored + "?explain=1", status: 400, want: invalid("expected a value of type bool", "explain")},
		{name: "no enum", method: "GET", path: stored + "?markets=MOON", status: 400, want: invalid(`markets: expected a Market, got "MOON"`, "markets")},
		{name: "a value that breaks out", method: "GET", path: `/data/teams?pageSize=1,"query":"x"`, status: 400, want: invalid("page_size", "page_size")},
		{name: "half of the odds", method: "GET", path: stored + "?odds.over_2_5=1.9", status: 400,
			want: wrong{code: codes.InvalidArgument, reason: "ODDS_INVALID", fields: []string{"odds.under_2_5"}}},
		{name: "parameter beside a body", method: "POST", path: "/predictions/match?model=x", body: good, status: 400, want: invalid("for the body holds all fields", "model")},
		{name: "body where none belongs", method: "GET", path: "/data/teams", body: good, status: 400, want: invalid("body: expected none")},
		{name: "a form", method: "POST", path: "/predictions/match", body: good, contentType: "application/x-www-form-urlencoded", status: 400,
			want: invalid(`Content-Type: expected application/json, got "application/x-www-form-urlencoded"`)},
		{name: "a compressed body", method: "POST", path: "/predictions/match", body: good, header: http.Header{"Content-Encoding": {"gzip"}}, status: 400,
			want: invalid(`Content-Encoding: expected none, got "gzip"`)},
		{name: "a semicolon for &", method: "GET", path: "/data/matches?competition=D1;page_size=1", status: 400, want: invalid(`query: expected name=value pairs joined by &, got "competition=D1;page_size=1"`)},
		{name: "a broken escape", method: "GET", path: "/data/matches?competition=%zz", status: 400, want: invalid(`got "competition=%zz"`)},
		{name: "a stored match and a pairing", method: "GET", path: stored + "?pairing.home_team=Arsenal&pairing.away_team=Chelsea", status: 400,
			want: invalid("expected one member of the oneof target, got both match_id and pairing", "pairing.away_team")},
		{name: "a broken path", method: "GET", path: "/data/matches/%FF", status: 400, want: invalid("match_id", "match_id")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			header := test.header
			if header == nil {
				header = http.Header{}
			}
			if test.body != "" {
				header.Set("Content-Type", "application/json; charset=UTF-8")
			}
			if test.contentType != "" {
				header.Set("Content-Type", test.contentType)
			}
			code, got := s.fetch(t.Context(), t, s.http, test.method, strings.ReplaceAll(test.path, `"`, "%22"), test.body, header)
			st := new(spb.Status)
			if err := protojson.Unmarshal(got, st); err != nil {
				t.Fatalf("got %d with no google.rpc.Status: %s", code, got)
			}
			if code != test.status {
				t.Errorf("got status %d, want %d", code, test.status)
			}
			test.want.check(t, st)
		})
	}
}

func TestRESTAllowHeaderAndHead(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	for path, want := range map[string]string{"/data/teams": "GET", "/predictions/batch": "GET, POST", "/predictions/match": "GET, POST"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+s.http+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := s.http1.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
		if got := response.Header.Get("Allow"); response.StatusCode != http.StatusMethodNotAllowed || got != want {
			t.Errorf("PUT %s: got %s, Allow %q", path, response.Status, got)
		}
	}
	code, body := s.fetch(t.Context(), t, s.http, http.MethodHead, "/data/teams", "", http.Header{})
	if code != http.StatusOK || len(body) != 0 {
		t.Errorf("HEAD: got %d %q", code, body)
	}
}

// Ids that need escaping arrive as they are.
func TestRESTPathsAreUnescaped(t *testing.T) {
	w := newWorld()
	w.fixtures[1].ID = "a/b c?"
	s := w.serve(t, ServerOptions{})
	response := new(pb.GetMatchResponse)
	if _, st := s.rest(t.Context(), t, "GET", "/data/matches/a%2Fb%20c%3F", "", response); st != nil || response.GetMatch().GetMatchId() != "a/b c?" {
		t.Errorf("got %s, %v", text(response), st)
	}
}
