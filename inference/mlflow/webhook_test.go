package mlflow

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"footballprediction/inference"
)

const webhookSecret = "between MLflow and us"

var webhookNow = time.Unix(1_795_401_504, 0)

// delivery is one as MLflow makes it.
func delivery(id string, at time.Time, body string) http.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return http.Header{
		http.CanonicalHeaderKey(deliveryHeader): {id}, http.CanonicalHeaderKey(timestampHeader): {timestamp},
		http.CanonicalHeaderKey(signatureHeader): {signed(webhookSecret, id+"."+timestamp+"."+body)},
	}
}

func signed(secret, content string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(content))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

const aliasEvent = `{"entity": "model_version_alias", "action": "created", "timestamp": "2026-11-23T02:38:24", "data": {"name": "m", "alias": "champion", "version": "2"}}`

// Only what MLflow signed just now, once, has MLflow asked.
func TestWebhook(t *testing.T) {
	header := func(name, value string) func(http.Header) { return func(h http.Header) { h.Set(name, value) } }
	tests := []struct {
		name   string
		at     time.Duration // before or after now
		body   string
		tamper func(http.Header)
		want   string // "": it is taken
	}{
		{"as MLflow sends it", 0, aliasEvent, nil, ""},
		{"a test of the webhook", 0, `{"entity": "registered_model", "action": "created", "data": {}}`, nil, ""},
		{"299 s old", -299 * time.Second, aliasEvent, nil, ""},
		{"299 s ahead", 299 * time.Second, aliasEvent, nil, ""},
		{"stale", -301 * time.Second, aliasEvent, nil, "expected at most 5m0s from the time here, got 5m1s"},
		{"from the future", 301 * time.Second, aliasEvent, nil, "expected at most 5m0s from the time here, got 5m1s"},
		{"stale, its time forged", -time.Hour, aliasEvent, header(timestampHeader, fmt.Sprint(webhookNow.Unix())), "it is not this delivery's"},
		{"forged", 0, aliasEvent, header(signatureHeader, signed("another secret", "x."+fmt.Sprint(webhookNow.Unix())+"."+aliasEvent)), "it is not this delivery's"},
		{"signed for another body", 0, aliasEvent, header(signatureHeader, signed(webhookSecret, "x."+fmt.Sprint(webhookNow.Unix())+".{}")), "it is not this delivery's"},
		{"signed for another id", 0, aliasEvent, header(deliveryHeader, "y"), "it is not this delivery's"},
		{"signed in another version", 0, aliasEvent, func(h http.Header) { h.Set(signatureHeader, strings.Replace(h.Get(signatureHeader), "v1", "v2", 1)) }, "it is not this delivery's"},
		{"no signature's worth", 0, aliasEvent, header(signatureHeader, ""), "it is not this delivery's"},
		{"without a signature", 0, aliasEvent, func(h http.Header) { h.Del(signatureHeader) }, "X-MLflow-Signature: expected once, got 0 times"},
		{"without an id", 0, aliasEvent, func(h http.Header) { h.Del(deliveryHeader) }, "X-MLflow-Delivery-Id: expected once, got 0 times"},
		{"without a time", 0, aliasEvent, func(h http.Header) { h.Del(timestampHeader) }, "X-MLflow-Timestamp: expected once, got 0 times"},
		{"two signatures", 0, aliasEvent, func(h http.Header) { h.Add(signatureHeader, "v1,x") }, "X-MLflow-Signature: expected once, got 2 times"},
		{"an id that could hide a time", 0, aliasEvent, header(deliveryHeader, "x.1"), "expected 1 to 64 letters"},
		{"an endless id", 0, aliasEvent, header(deliveryHeader, strings.Repeat("x", 65)), "expected 1 to 64 letters"},
		{"a time in words", 0, aliasEvent, header(timestampHeader, "now"), `expected seconds since 1970, got "now"`},
		{"a time before all", 0, aliasEvent, header(timestampHeader, "-1"), `expected seconds since 1970, got "-1"`},
		{"a time without end", 0, aliasEvent, header(timestampHeader, strings.Repeat("9", 30)), "expected seconds since 1970"},
		{"no JSON", 0, "alias", nil, "expected an event of MLflow's"},
		{"no event", 0, `{"action": "created"}`, nil, "expected an event of MLflow's"},
		{"no object", 0, `["entity"]`, nil, "expected an event of MLflow's"},
		{"nothing", 0, "", nil, "expected an event of MLflow's"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			polls := 0
			w := NewWebhook(webhookSecret, func() { polls++ }, func() time.Time { return webhookNow })
			h := delivery("x", webhookNow.Add(test.at), test.body)
			if test.tamper != nil {
				test.tamper(h)
			}
			err := w.Accept(h, []byte(test.body))
			if test.want != "" {
				wants(t, "accept", err, test.want)
				if polls != 0 || len(w.seen) != 0 {
					t.Errorf("polled %d times, remembers %d", polls, len(w.seen))
				}
				return
			}
			if err != nil || polls != 1 {
				t.Fatalf("got %v, polled %d times", err, polls)
			}
			wants(t, "replayed", w.Accept(h, []byte(test.body)), "this delivery has come before")
			if polls != 1 {
				t.Errorf("replayed: polled %d times", polls)
			}
		})
	}
}

// What is remembered of deliveries is bounded, and none that is forgotten can be replayed.
func TestWebhookForgets(t *testing.T) {
	now := webhookNow
	w := NewWebhook(webhookSecret, func() {}, func() time.Time { return now })
	deliver := func(id string, at time.Time) error {
		return w.Accept(delivery(id, at, aliasEvent), []byte(aliasEvent))
	}
	for i := range deliveriesMax {
		if err := deliver(strconv.Itoa(i), now); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, "one more", deliver("more", now), "expected at most 10000 deliveries within 10m0s, got more")
	now = now.Add(webhookWindow)
	wants(t, "at the end of the window", deliver("0", webhookNow), "this delivery has come before")
	now = now.Add(time.Second)
	if err := deliver("more", now); err != nil || len(w.seen) != 1 {
		t.Errorf("after the window: %v, remembers %d", err, len(w.seen))
	}
	wants(t, "a replay after the window", deliver("1", webhookNow), "from the time here, got 5m1s")
}

// MLflow itself delivers what Accept takes.
func TestWebhookOfMLflow(t *testing.T) {
	polled := make(chan struct{}, 10)
	w := NewWebhook(webhookSecret, func() { polled <- struct{}{} }, nil)
	accepted := make(chan error, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = w.Accept(r.Header, body)
		}
		accepted <- err
		answer.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(receiver.Close)
	files := tiny(t, "half_plus_two")
	name := register(t, files, files)
	tracking.Webhook(t, receiver.URL, webhookSecret)
	tracking.Alias(t, name, inference.Champion, "1")
	select {
	case err := <-accepted:
		if err != nil {
			t.Fatal(err)
		}
		<-polled
	case <-time.After(time.Minute):
		t.Fatal("MLflow delivered nothing")
	}
}

// Nobody who does not have the secret gets in, whatever they send.
func FuzzWebhook(f *testing.F) {
	h := delivery("x", webhookNow, aliasEvent)
	f.Add(h.Get(signatureHeader), "x", h.Get(timestampHeader), []byte(aliasEvent))
	f.Add("v1,", "x.1", "1", []byte("{}"))
	f.Fuzz(func(t *testing.T, signature, id, timestamp string, body []byte) {
		polled := false
		w := NewWebhook(webhookSecret, func() { polled = true }, func() time.Time { return webhookNow })
		h := http.Header{}
		h.Set(signatureHeader, signature)
		h.Set(deliveryHeader, id)
		h.Set(timestampHeader, timestamp)
		err := w.Accept(h, body)
		if (err == nil) != polled || polled && signature != signed(webhookSecret, id+"."+timestamp+"."+string(body)) {
			t.Errorf("got %v, polled %v", err, polled)
		}
	})
}
