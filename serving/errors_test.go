package serving

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/inference"
)

// One row per sentinel, and what nobody foresaw.
func TestExplain(t *testing.T) {
	secret := errors.New("password is hunter2")
	rows := []struct {
		err    error
		code   codes.Code
		reason Reason
		retry  bool
	}{
		{features.ErrTeamUnknown, codes.NotFound, "TEAM_UNKNOWN", false},
		{features.ErrMatchUnknown, codes.NotFound, "MATCH_UNKNOWN", false},
		{features.ErrCompetitionUnknown, codes.NotFound, "COMPETITION_UNKNOWN", false},
		{features.ErrDateBeforeHistory, codes.InvalidArgument, "DATE_BEFORE_HISTORY", false},
		{features.ErrNotKept, codes.FailedPrecondition, "FEATURES_NOT_KEPT", false},
		{features.ErrPageUnknown, codes.InvalidArgument, "FIELD_INVALID", false},
		{inference.ErrModelUnknown, codes.NotFound, "MODEL_UNKNOWN", false},
		{inference.ErrVersionUnknown, codes.NotFound, "MODEL_VERSION_UNKNOWN", false},
		{inference.ErrNotReady, codes.Unavailable, "MODEL_NOT_READY", true},
		{inference.ErrQueueFull, codes.ResourceExhausted, "QUEUE_FULL", true},
		{inference.ErrModelFailed, codes.Internal, "MODEL_FAILED", false},
		{inference.ErrOutputTooLarge, codes.ResourceExhausted, "MESSAGE_TOO_LARGE", false},
		{inference.ErrRefused, codes.FailedPrecondition, "CHANGE_REFUSED", false},
		{inference.ErrSource, codes.Unavailable, "SOURCE_UNAVAILABLE", true},
		{inference.ErrTensorUnknown, codes.InvalidArgument, "TENSOR_UNKNOWN", false},
		{inference.ErrTensorDataType, codes.InvalidArgument, "TENSOR_DATATYPE", false},
		{inference.ErrTensorShape, codes.InvalidArgument, "TENSOR_SHAPE", false},
		{inference.ErrTensorSize, codes.InvalidArgument, "TENSOR_SIZE", false},
		{inference.ErrTensorValue, codes.InvalidArgument, "TENSOR_VALUE", false},
		{errShuttingDown, codes.Unavailable, "SHUTTING_DOWN", true},
		{context.Canceled, codes.Canceled, "", false},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "", false},
		{secret, codes.Internal, "", false},
	}
	covered := make(map[error]bool)
	for _, row := range rows {
		covered[row.err] = true
		e := explain(fmt.Errorf("do something with %q: %w", "x", row.err))
		if e.Code != row.code || e.Reason != row.reason || (e.Retry > 0) != row.retry {
			t.Errorf("%v: got %s, reason %q, retry after %s", row.err, e.Code, e.Reason, e.Retry)
		}
		if !errors.Is(e, row.err) {
			t.Errorf("%v: its cause is lost", row.err)
		}
		if e.Code == codes.Internal && (strings.Contains(e.Message, "something") || strings.Contains(text(e.Status()), "hunter2")) {
			t.Errorf("%v: tells too much: %s", row.err, text(e.Status()))
		}
	}
	for _, s := range sentinels {
		if !covered[s.err] {
			t.Errorf("sentinel %v has no row", s.err)
		}
	}
}

// Who is sent away because the deadline cannot be met is told how long the wait would have been.
func TestExplainDeadline(t *testing.T) {
	e := explain(fmt.Errorf("run: %w", &inference.DeadlineError{Wait: 3 * time.Second, Left: time.Second}))
	if e.Code != codes.ResourceExhausted || e.Reason != QueueFull || e.Retry != 3*time.Second {
		t.Errorf("got %s, reason %q, retry after %s", e.Code, e.Reason, e.Retry)
	}
}

// Every reason has a code, so that none goes out as OK.
func TestEveryReasonHasACode(t *testing.T) {
	for reason, known := range reasons {
		if known.code == codes.OK || reason == "" {
			t.Errorf("reason %q has code %s", reason, known.code)
		}
	}
}

func TestErrorsAreUTF8(t *testing.T) {
	e := errorf(FieldInvalid, "got %s", "\xff").at("field").with("key", "\xfe")
	if st := e.Status(); !proto.Equal(st, e.GRPCStatus().Proto()) || len(st.GetDetails()) != 2 {
		t.Errorf("got %s", text(st))
	}
}

// wrong is what a caller should be told.
type wrong struct {
	code     codes.Code
	reason   string
	fields   []string
	metadata map[string]string // some of it
	message  string            // part of it
	retry    bool
}

// check compares a status with what it should be.
func (w wrong) check(t *testing.T, st *spb.Status) {
	t.Helper()
	if st == nil {
		t.Fatalf("got an answer, want %s", w.reason)
	}
	var (
		info   errdetails.ErrorInfo
		fields []string
		retry  bool
	)
	for _, detail := range st.GetDetails() {
		message, err := detail.UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		switch message := message.(type) {
		case *errdetails.ErrorInfo:
			proto.Merge(&info, message)
		case *errdetails.BadRequest:
			for _, violation := range message.GetFieldViolations() {
				fields = append(fields, violation.GetField())
				if violation.GetDescription() == "" {
					t.Errorf("field %s: no description", violation.GetField())
				}
			}
		case *errdetails.RetryInfo:
			retry = message.GetRetryDelay().AsDuration() > 0
		}
	}
	if codes.Code(st.GetCode()) != w.code || info.GetReason() != w.reason || !slices.Equal(fields, w.fields) || retry != w.retry ||
		!strings.Contains(st.GetMessage(), w.message) || w.reason != "" && info.GetDomain() != "footballprediction" {
		t.Errorf("got %s %s %v %q retry %t, want %+v", codes.Code(st.GetCode()), info.GetReason(), fields, st.GetMessage(), retry, w)
	}
	for key, value := range w.metadata {
		if info.GetMetadata()[key] != value {
			t.Errorf("metadata %s: got %q, want %q", key, info.GetMetadata()[key], value)
		}
	}
}

// predictErrors are wrong requests, each with a change to a request that would be answered.
var predictErrors = []struct {
	name   string
	change func(*pb.PredictRequest)
	want   wrong
}{
	{"no target", func(r *pb.PredictRequest) { r.Target = nil },
		wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"target"}}},
	{"home team empty", func(r *pb.PredictRequest) { r.GetPairing().HomeTeam = "" },
		wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"pairing.home_team"}}},
	{"both teams too long", func(r *pb.PredictRequest) {
		r.GetPairing().HomeTeam, r.GetPairing().AwayTeam = strings.Repeat("é", 101), strings.Repeat("x", 201)
	}, wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"pairing.home_team", "pairing.away_team"}}},
	{"team unknown", func(r *pb.PredictRequest) { r.GetPairing().AwayTeam = "Chelsae" },
		wrong{code: codes.NotFound, reason: "TEAM_UNKNOWN", fields: []string{"pairing.away_team"}, message: `"Chelsae"; did you mean "Arsenal" or "Chelsea"`,
			metadata: map[string]string{"team": "Chelsae", "suggestions": "eng-arsenal,eng-chelsea"}}},
	{"same team twice", func(r *pb.PredictRequest) { r.GetPairing().AwayTeam = "the gunners" },
		wrong{code: codes.InvalidArgument, reason: "SAME_TEAM_TWICE", fields: []string{"pairing.away_team"}}},
	{"competition unknown", func(r *pb.PredictRequest) { r.GetPairing().Competition = "E9" },
		wrong{code: codes.NotFound, reason: "COMPETITION_UNKNOWN", fields: []string{"pairing.competition"}, message: `"E9"`}},
	{"no date", func(r *pb.PredictRequest) { r.GetPairing().Date = "5.12.2025" },
		wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"pairing.date"}, message: `expected a date YYYY-MM-DD, got "5.12.2025"`}},
	{"no day", func(r *pb.PredictRequest) { r.GetPairing().Date = "2025-02-30" },
		wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"pairing.date"}}},
	{"date before history", func(r *pb.PredictRequest) { r.GetPairing().Date = "2025-05-25" },
		wrong{code: codes.InvalidArgument, reason: "DATE_BEFORE_HISTORY", fields: []string{"pairing.date"}, message: "after 2025-05-25, got 2025-05-25"}},
	{"match unknown", func(r *pb.PredictRequest) { r.Target = &pb.PredictRequest_MatchId{MatchId: "E0-1"} },
		wrong{code: codes.NotFound, reason: "MATCH_UNKNOWN", fields: []string{"match_id"}, message: `"E0-1"`}},
	{"match finished", func(r *pb.PredictRequest) {
		r.Target = &pb.PredictRequest_MatchId{MatchId: "E0-20250518-arsenal-chelsea"}
	}, wrong{code: codes.FailedPrecondition, reason: "FEATURES_NOT_KEPT", fields: []string{"match_id"}}},
	{"model unknown", func(r *pb.PredictRequest) { r.Model = "oracle" },
		wrong{code: codes.NotFound, reason: "MODEL_UNKNOWN", fields: []string{"model"}, message: "oracle"}},
	{"model version unknown", func(r *pb.PredictRequest) { r.ModelVersion = "7" },
		wrong{code: codes.NotFound, reason: "MODEL_VERSION_UNKNOWN", fields: []string{"model_version"}, message: `"7"`}},
	{"no match model", func(r *pb.PredictRequest) { r.Model = "half-plus-two" },
		wrong{code: codes.FailedPrecondition, reason: "SCHEMA_MISMATCH", fields: []string{"model"}, metadata: map[string]string{"model": "half-plus-two", "version": "1"}}},
	{"model not ready", func(r *pb.PredictRequest) { r.Model = "broken" },
		wrong{code: codes.Unavailable, reason: "MODEL_NOT_READY", retry: true}},
	{"market unspecified", func(r *pb.PredictRequest) { r.Markets = []pb.Market{1, 0} },
		wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"markets[1]"}}},
	{"market of another age", func(r *pb.PredictRequest) { r.Markets = []pb.Market{99} },
		wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"markets[0]"}, message: "99"}},
	{"market twice", func(r *pb.PredictRequest) { r.Markets = []pb.Market{1, 1} },
		wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID", fields: []string{"markets"}}},
	{"odds that say nothing", func(r *pb.PredictRequest) { r.Odds = &pb.Odds{} },
		wrong{code: codes.InvalidArgument, reason: "ODDS_INVALID", fields: []string{"odds"}, message: "expected home, draw and away, or over_2_5 and under_2_5, got none"}},
	{"odds of 1", func(r *pb.PredictRequest) { r.Odds = &pb.Odds{Home: 1, Draw: 3, Away: 4} },
		wrong{code: codes.InvalidArgument, reason: "ODDS_INVALID", fields: []string{"odds.home"}, message: "odds.home: expected a finite decimal number over 1, got 1"}},
	{"no odds of a draw", func(r *pb.PredictRequest) { r.Odds = &pb.Odds{Home: 2, Away: 4} },
		wrong{code: codes.InvalidArgument, reason: "ODDS_INVALID", fields: []string{"odds.draw"}, message: "got 0"}},
	{"odds NaN", func(r *pb.PredictRequest) { r.Odds = &pb.Odds{Home: 2, Draw: 3, Away: math.NaN()} },
		wrong{code: codes.InvalidArgument, reason: "ODDS_INVALID", fields: []string{"odds.away"}, message: "got NaN"}},
	{"odds infinite", func(r *pb.PredictRequest) { r.Odds = &pb.Odds{Over_2_5: math.Inf(1), Under_2_5: 1.01} },
		wrong{code: codes.InvalidArgument, reason: "ODDS_INVALID", fields: []string{"odds.over_2_5"}, message: "got +Inf"}},
	{"odds negative", func(r *pb.PredictRequest) { r.Odds = &pb.Odds{Home: 2, Draw: 3, Away: 4, Over_2_5: 2, Under_2_5: -2} },
		wrong{code: codes.InvalidArgument, reason: "ODDS_INVALID", fields: []string{"odds.under_2_5"}, message: "got -2"}},
	{"over without under", func(r *pb.PredictRequest) { r.Odds = &pb.Odds{Home: 2, Draw: 3.4, Away: 4, Over_2_5: 1.9} },
		wrong{code: codes.InvalidArgument, reason: "ODDS_INVALID", fields: []string{"odds.under_2_5"}, message: "got 0"}},
	{"odds of a sure loss", func(r *pb.PredictRequest) { r.Odds = &pb.Odds{Home: 4, Draw: 4, Away: 4} },
		wrong{code: codes.InvalidArgument, reason: "ODDS_INVALID", fields: []string{"odds.home", "odds.draw", "odds.away"}, message: "from 0.98 to 1.25, got 0.75"}},
	{"odds that nobody takes", func(r *pb.PredictRequest) { r.Odds = &pb.Odds{Over_2_5: 1.5, Under_2_5: 1.6} },
		wrong{code: codes.InvalidArgument, reason: "ODDS_INVALID", fields: []string{"odds.over_2_5", "odds.under_2_5"}, message: "from 0.98 to 1.25, got 1.29"}},
}

// oddWorld has models besides the good one: one that predicts no matches, one that cannot be loaded,
// one that fails, and those that answer what is no forecast.
func oddWorld() *world {
	w := newWorld()
	other := matchModel()
	other.manifest = ""
	w.versions["half-plus-two"] = map[string]*fakeModel{"1": other}
	foreign := matchModel()
	foreign.manifest = manifest(strings.Repeat("cd", 32))
	w.versions["broken"] = map[string]*fakeModel{"1": foreign}
	return w
}

func TestPredictErrorsOverEveryTransport(t *testing.T) {
	s := oddWorld().serve(t, ServerOptions{})
	for _, c := range predictors(t, s) {
		for _, test := range predictErrors {
			t.Run(c.name+"/"+test.name, func(t *testing.T) {
				request := pairing("Arsenal", "Chelsea")
				test.change(request)
				_, st := c.call(t.Context(), request)
				test.want.check(t, st)
			})
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for retry, want := range map[time.Duration]string{0: "", time.Millisecond: "1", 1500 * time.Millisecond: "2"} {
		w := httptest.NewRecorder()
		writeError(w, &Error{Code: codes.ResourceExhausted, Reason: QueueFull, Retry: retry})
		if got := w.Header().Get("Retry-After"); got != want || w.Code != http.StatusTooManyRequests {
			t.Errorf("%s: got %d, Retry-After %q, want %q", retry, w.Code, got, want)
		}
	}
}
