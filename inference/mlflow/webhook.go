package mlflow

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// webhookWindow is how far a delivery's time may be from ours, either way.
	webhookWindow = 5 * time.Minute
	// deliveriesMax is how many deliveries are remembered for as long as they could be replayed.
	deliveriesMax = 10_000
	deliveryIDMax = 64 // bytes; MLflow's are UUIDs
)

// The headers of a delivery, as MLflow names them.
const (
	signatureHeader = "X-MLflow-Signature"
	deliveryHeader  = "X-MLflow-Delivery-Id"
	timestampHeader = "X-MLflow-Timestamp"
)

// Webhook receives what MLflow's webhooks deliver. Whatever a delivery tells, all it brings about is
// that MLflow is asked: a delivery may be lost, late or out of order, and MLflow is what counts. It is
// safe for concurrent use.
type Webhook struct {
	secret []byte
	poll   func()
	now    func() time.Time

	mu   sync.Mutex
	seen map[string]time.Time // when a delivery, by its id, has become too old to be replayed
}

// NewWebhook returns a Webhook that takes what was signed with a secret, and then calls poll, which
// must not wait. now is the clock; nil means time.Now.
func NewWebhook(secret string, poll func(), now func() time.Time) *Webhook {
	if now == nil {
		now = time.Now
	}
	return &Webhook{secret: []byte(secret), poll: poll, now: now, seen: map[string]time.Time{}}
}

// Accept takes a delivery, unless it was not signed with the secret, not just now, is a replay or no
// event of MLflow's. Errors say which, and nothing of the secret.
func (w *Webhook) Accept(header http.Header, body []byte) error {
	var values [3]string
	for i, name := range []string{signatureHeader, deliveryHeader, timestampHeader} {
		all := header.Values(name)
		if len(all) != 1 {
			return fmt.Errorf("header %s: expected once, got %d times", name, len(all))
		}
		values[i] = all[0]
	}
	signature, id, timestamp := values[0], values[1], values[2]
	if !isDeliveryID(id) {
		return fmt.Errorf("header %s: expected 1 to %d letters, digits, dashes and underscores", deliveryHeader, deliveryIDMax)
	}
	seconds, err := strconv.ParseUint(timestamp, 10, 40)
	if err != nil {
		return fmt.Errorf("header %s: expected seconds since 1970, got %q", timestampHeader, clip(timestamp))
	}
	mac := hmac.New(sha256.New, w.secret)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); !hmac.Equal([]byte(signature), []byte(want)) {
		return fmt.Errorf("header %s: it is not this delivery's, by the secret that is known here", signatureHeader)
	}
	now, sent := w.now(), time.Unix(int64(seconds), 0)
	if age := now.Sub(sent); age > webhookWindow || age < -webhookWindow {
		return fmt.Errorf("header %s: expected at most %s from the time here, got %s", timestampHeader, webhookWindow, age.Abs().Round(time.Second))
	}
	var event struct {
		Entity string `json:"entity"`
		Action string `json:"action"`
	}
	if err := json.Unmarshal(body, &event); err != nil || event.Entity == "" || event.Action == "" {
		return errors.New("expected an event of MLflow's as JSON, with entity and action")
	}
	if err := w.remember(id, sent.Add(webhookWindow), now); err != nil {
		return err
	}
	w.poll()
	return nil
}

// isDeliveryID tells whether an id is one that no other split of what was signed could have.
func isDeliveryID(id string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return id != "" && len(id) <= deliveryIDMax && strings.Trim(id, plain) == ""
}

// remember refuses a delivery that has come before. Only what was signed gets here.
func (w *Webhook) remember(id string, until, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.seen[id]; ok { // of one that could not be replayed any more, too: an id is used once
		return fmt.Errorf("header %s: this delivery has come before", deliveryHeader)
	}
	if len(w.seen) >= deliveriesMax {
		for id, until := range w.seen {
			if until.Before(now) {
				delete(w.seen, id)
			}
		}
	}
	if len(w.seen) >= deliveriesMax {
		return fmt.Errorf("expected at most %d deliveries within %s, got more", deliveriesMax, 2*webhookWindow)
	}
	w.seen[id] = until
	return nil
}
