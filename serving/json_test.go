package serving

import (
	"encoding/json"
	"net/http"
	"testing"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// Unknown fields are ignored; unknown names of an enum are refused wherever they stand.
func TestUnmarshalJSON(t *testing.T) {
	for _, test := range []struct{ name, body, field string }{
		{"all is known", `{"markets":["MARKET_TOTAL_GOALS",4]}`, ""},
		{"an unknown field", `{"planet":"MOON","markets":["MARKET_TOTAL_GOALS"]}`, ""},
		{"an unknown field with an object", `{"planet":{"markets":["MOON"]},"pairing":{"planet":[1,null]}}`, ""},
		{"no names", `{"planet":1,"markets":null}`, ""},
		{"an unknown name", `{"markets":["MARKET_TOTAL_GOALS","MARKET_TOTAL_GOAL"]}`, "markets[1]"},
		{"an unknown name beside an unknown field", `{"planet":1,"markets":["MOON"]}`, "markets[0]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := unmarshalJSON([]byte(test.body), new(pb.PredictRequest))
			if test.field == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if e := explain(err); e.Reason != FieldInvalid || len(e.Fields) != 1 || e.Fields[0].Path != test.field {
				t.Errorf("got %v", err)
			}
		})
	}
	err := unmarshalJSON([]byte(`{"requests":[{},{"markets":["MOON"]}]}`), new(pb.BatchPredictRequest))
	if err == nil || err.Error() != `requests[1].markets[0]: expected a Market, got "MOON"` {
		t.Errorf("of a batch: got %v", err)
	}
	if err := unmarshalJSON([]byte(`{"markets":[true]}`), new(pb.PredictRequest)); err == nil {
		t.Error("a boolean for an enum: got no error")
	}
}

func TestUnknownEnumNames(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	for _, test := range []struct{ path, body, message, field string }{
		{"/predictions/match", `{"pairing":{"homeTeam":"Arsenal","awayTeam":"Chelsea"},"markets":["MARKET_TOTAL_GOAL"]}`,
			`markets[0]: expected a Market, got "MARKET_TOTAL_GOAL"`, "markets[0]"},
		{predictPath, `{"pairing":{"homeTeam":"Arsenal","awayTeam":"Chelsea"},"markets":["MARKET_TOTAL_GOAL"]}`,
			`markets[0]: expected a Market, got "MARKET_TOTAL_GOAL"`, ""},
		{pb.MatchService_ListMatches_FullMethodName, `{"status":"MATCH_STATUS_FINSHED"}`,
			`status: expected a MatchStatus, got "MATCH_STATUS_FINSHED"`, ""},
	} {
		status, got := s.fetch(t.Context(), t, s.http, http.MethodPost, test.path, test.body, http.Header{"Content-Type": {"application/json"}})
		st := new(spb.Status)
		if test.field == "" { // Connect's own form of an error
			var form struct{ Code, Message string }
			if err := json.Unmarshal(got, &form); err != nil || status != http.StatusBadRequest || form.Code != "invalid_argument" || form.Message != test.message {
				t.Errorf("%s: got %d %s", test.path, status, got)
			}
			continue
		}
		if err := protojson.Unmarshal(got, st); err != nil || status != http.StatusBadRequest {
			t.Fatalf("%s: got %d %s", test.path, status, got)
		}
		wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{test.field}, message: test.message}.check(t, st)
	}
}
