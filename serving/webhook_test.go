package serving

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestWebhooks(t *testing.T) {
	taken := 0
	hook := Webhook{Path: "/webhooks/test", Accept: func(header http.Header, body []byte) error {
		if header.Get("Signature") != "good" {
			return errors.New("header Signature: it is not good")
		}
		taken += len(body)
		return nil
	}}
	s := newWorld().serve(t, ServerOptions{Webhooks: []Webhook{hook}})
	good := http.Header{"Signature": {"good"}}
	for _, test := range []struct {
		name, method, path, body string
		header                   http.Header
		code                     int
		want                     string
	}{
		{"taken", "POST", "/webhooks/test", "12345", good, 204, ""},
		{"refused", "POST", "/webhooks/test", "12345", http.Header{}, 401, `"reason":"WEBHOOK_REFUSED"`},
		{"says why", "POST", "/webhooks/test", "12345", http.Header{}, 401, `"message":"header Signature: it is not good"`},
		{"too large", "POST", "/webhooks/test", strings.Repeat("x", webhookBytesMax+1), good, 429, "at most 1048576 bytes"},
		{"read", "GET", "/webhooks/test", "", good, 405, "METHOD_NOT_ALLOWED"},
		{"another", "POST", "/webhooks/other", "", good, 404, "PATH_UNKNOWN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, body := s.fetch(t.Context(), t, s.http, test.method, test.path, test.body, test.header)
			if code != test.code || !strings.Contains(strings.ReplaceAll(string(body), `": "`, `":"`), test.want) {
				t.Errorf("got %d %s, want %d %s", code, body, test.code, test.want)
			}
		})
	}
	if taken != 5 {
		t.Errorf("took %d bytes, want 5", taken)
	}
}
