package mlflow

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"footballprediction/inference"
)

func TestAuthorization(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("anna:secret"))
	tests := []struct {
		name, user  string
		credentials Credentials
		want        string
	}{
		{"none", "", Credentials{}, ""},
		{"basic", "", Credentials{Username: "anna", Password: "secret", Token: "other"}, basic},
		{"bearer", "", Credentials{Token: "secret"}, "Bearer secret"},
		{"in the address", "anna:secret@", Credentials{}, basic},
		{"a token beside the address", "berta:other@", Credentials{Token: "secret"}, "Bearer secret"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newProxy(t)
			var got atomic.Value
			p.misbehave(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
				got.Store(r.Header.Get("Authorization"))
				w.WriteHeader(http.StatusUnauthorized)
			})
			server, err := ParseServer(strings.Replace(p.URL, "://", "://"+test.user, 1), test.credentials)
			if err != nil {
				t.Fatal(err)
			}
			log := &strings.Builder{}
			logger := slog.New(slog.NewTextHandler(log, nil))
			logger.Info("in force", slog.Any("server", server))
			s, err := New(server, t.TempDir(), inference.NewFolderSource(folder(t, "m/1"), nil), Options{Logger: logger})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			list(t, s, "m")
			wish := list(t, s, "m")
			wants(t, "refused", wish.Err, "401 Unauthorized")
			if got.Load() != test.want {
				t.Errorf("got %q, want %q", got.Load(), test.want)
			}
			if told := log.String() + wish.Err.Error() + fmt.Sprintf("%v %+v %#v", server, server, server); strings.Contains(told, "secret") || strings.Contains(told, "anna") || !strings.Contains(told, p.URL) {
				t.Errorf("tells a secret: %s", told)
			}
		})
	}
}

func TestParseServerRefuses(t *testing.T) {
	for _, address := range []string{
		"", "secret", "127.0.0.1:5000", "secret:5000", "sqlite:///secret.db", "file:///secret", "http://", "http:secret", "http:///secret",
		"http://anna:secret@host/?secret", "http://anna:secret@host/?", "http://anna:secret@host/#secret", "http://anna:secret@host:port", "http://anna:sec%ret@host",
	} {
		server, err := ParseServer(address, Credentials{})
		if err == nil || server.Given() || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, %v", address, server, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(at(t, tracking.URL), file, nil, Options{})
	wants(t, "a file for a folder", err, "mlflow: open the store")
	_, err = New(at(t, tracking.URL), t.TempDir(), nil, Options{Limits: Limits{Files: -1}})
	wants(t, "files", err, "Limits.Files: expected 0 or more, got -1")
	_, err = New(at(t, tracking.URL), t.TempDir(), nil, Options{Limits: Limits{Stall: -time.Second}})
	wants(t, "stall", err, "Limits.Stall: expected 0 or more, got -1s")
}
