package serving

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// However much is wrong with a message, it is soon said, and in as few words as a header holds.
func TestMuchThatIsWrong(t *testing.T) {
	s := newWorld().serve(t, ServerOptions{})
	unknown := slices.Repeat([]pb.Market{99}, 1_000_000)
	invalid := wrong{code: codes.InvalidArgument, reason: "FIELD_INVALID"}
	asked := pairing("Arsenal", "Chelsea")
	asked.Markets = unknown[:300_000] // as JSON, more are over the limit
	for _, c := range predictors(t, s) {
		if c.name == "connect get" {
			continue // no URL is that long
		}
		_, st := c.call(t.Context(), asked)
		want := invalid
		want.fields, want.message = []string{"markets"}, "markets: repeated value must contain unique items"
		want.check(t, st)
		if size := proto.Size(st); size > 1000 {
			t.Errorf("%s: the error takes %d bytes", c.name, size)
		}
	}
	short := pairing("", "")
	short.Markets = slices.Repeat([]pb.Market{99}, 100)
	long := &pb.SimulateSeasonRequest{Competition: "E0", Matches: slices.Repeat([]*pb.SeasonMatch{{}}, 1_000_000)}
	for _, c := range callers[pb.PredictRequest, pb.PredictResponse](s, predictPath, false) {
		_, st := c.call(t.Context(), short)
		want := invalid
		want.fields = []string{"pairing.home_team", "pairing.away_team", "markets", "markets[0]", "markets[1]", "markets[2]", "markets[3]", "markets[4]"}
		want.check(t, st)
	}
	_, st := callers[pb.SimulateSeasonRequest, pb.SimulateSeasonResponse](s, pb.PredictionService_SimulateSeason_FullMethodName, false)[0].call(t.Context(), long)
	invalid.fields = []string{"matches"}
	invalid.check(t, st)

	batch := new(pb.BatchPredictRequest)
	for range 1000 {
		request := pairing("Arsenal", "Chelsea")
		request.Markets = unknown[:4000]
		batch.Requests = append(batch.Requests, request)
	}
	got, st := callers[pb.BatchPredictRequest, pb.BatchPredictResponse](s, pb.PredictionService_BatchPredict_FullMethodName, false)[0].call(t.Context(), batch)
	if st != nil || len(got.GetResults()) != 1000 {
		t.Fatalf("a batch: got %s", st)
	}
	invalid.fields = []string{"requests[999].markets"}
	invalid.check(t, got.GetResults()[999].GetError())
}

// A message is cut between characters.
func TestMessagesAreBounded(t *testing.T) {
	for _, text := range []string{"", strings.Repeat("x", 1000), "x" + strings.Repeat("é", 600), strings.Repeat("🙂", 300)} {
		got := bounded(text)
		if len(text) <= 1000 && got != text || len(got) > 1003 || !strings.HasPrefix(text, strings.TrimSuffix(got, "…")) {
			t.Errorf("%d bytes: got %d, %q", len(text), len(got), got)
		}
	}
	if e := errorf(FieldInvalid, "%s", strings.Repeat("\xff", 2000)); len(e.Message) > 1003 {
		t.Errorf("got %d bytes", len(e.Message))
	}
}
