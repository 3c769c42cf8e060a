package serving

import (
	"net/url"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// Whatever a URL holds is either set or refused with a field, never a panic.
func FuzzBindParameters(f *testing.F) {
	for _, seed := range []string{
		"model=x&markets=1&markets=MARKET_TOTAL_GOALS", "pairing.homeTeam=a&pairing.away_team=b", "odds.over_2_5=NaN&explain=true",
		"=", "model.x=1", "pairing=1", "match_id=x&pairing.date=y", "markets=-1", "%ff=%ff", "odds.home=1e999",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		request := new(pb.PredictRequest)
		if err := bindParameters(request, values); err != nil {
			e := explain(err)
			if e.Reason != FieldInvalid || len(e.Fields) == 0 || e.Status() == nil {
				t.Errorf("%q: got %v", query, e)
			}
			return
		}
		if _, err := proto.Marshal(request); err != nil {
			t.Errorf("%q: %v", query, err)
		}
	})
}

// A token continues its own list where it was made, and nothing else does.
func FuzzPageToken(f *testing.F) {
	f.Add("", "")
	f.Add("AAAAAAAAAAAAAAAA", "key")
	f.Add("!", "2025-06-14/E0-20250614-arsenal-chelsea")
	f.Fuzz(func(t *testing.T, token, key string) {
		list, other := listing{"matches", "E0", ""}, listing{"matches", "", "E0"}
		if got, err := list.after(list.token(key)); err != nil || got != key {
			t.Errorf("key %q came back as %q, %v", key, got, err)
		}
		if _, err := other.after(list.token(key)); (err == nil) != (key == "") {
			t.Errorf("key %q continues another list", key)
		}
		if got, err := list.after(token); err == nil && list.token(got) != token {
			t.Errorf("token %q is taken for %q", token, got)
		}
	})
}
