package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func TestConfigPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("http-address: 127.0.0.1:1\ngrpc-address: 127.0.0.1:2\noperator-address: 127.0.0.1:3\npoll-interval: 9s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := []string{
		"FOOTBALLPREDICTION_CONFIG=" + file,
		"FOOTBALLPREDICTION_GRPC_ADDRESS=127.0.0.1:22",
		"FOOTBALLPREDICTION_OPERATOR_ADDRESS=127.0.0.1:33",
		"FOOTBALLPREDICTION_ONNXRUNTIME=/elsewhere",
		"HTTP_ADDRESS=127.0.0.1:99",
	}
	c, err := parse(t, environment, "--operator-address", "127.0.0.1:333", "--state", "/s")
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]any{
		"file beats default":        {c.HTTPAddress, "127.0.0.1:1"},
		"environment beats file":    {c.GRPCAddress, "127.0.0.1:22"},
		"flag beats environment":    {c.OperatorAddress, "127.0.0.1:333"},
		"duration out of the file":  {c.PollInterval, 9 * time.Second},
		"flag":                      {c.State, "/s"},
		"default":                   {c.Insecure, false},
		"models of the release":     {filepath.Base(c.Models), "released"},
		"data folder has a default": {filepath.Base(c.DataDir), "footballprediction"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %v, expected %v", name, pair[0], pair[1])
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("http-addr: 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		args        []string
		environment []string
		want        string
	}{
		{"every interface", []string{"--http-address", ":8000"}, nil, "--insecure"},
		{"a public address", []string{"--grpc-address", "192.0.2.1:8001"}, nil, "grpc-address"},
		{"a name", []string{"--operator-address", "example.com:8002"}, nil, "operator-address"},
		{"no port", []string{"--http-address", "127.0.0.1"}, nil, "host:port"},
		{"no time", []string{"--poll-interval", "0s"}, nil, "poll-interval"},
		{"no room", []string{"--mlflow-store-bytes", "0"}, nil, "mlflow-store-bytes: expected more than 0"},
		{"no verification", nil, []string{"MLFLOW_TRACKING_URI=https://h", "MLFLOW_TRACKING_INSECURE_TLS=true"}, "MLFLOW_TRACKING_SERVER_CERT_PATH"},
		{"no such certificate", nil, []string{"MLFLOW_TRACKING_URI=https://h", "MLFLOW_TRACKING_SERVER_CERT_PATH=" + file + ".none"}, "MLFLOW_TRACKING_URI: server certificate: open "},
		{"no certificate", nil, []string{"MLFLOW_TRACKING_URI=https://h", "MLFLOW_TRACKING_CLIENT_CERT_PATH=" + file}, "MLFLOW_TRACKING_URI: client certificate: expected a certificate and its key in PEM"},
		{"not a time", nil, []string{"FOOTBALLPREDICTION_POLL_INTERVAL=soon"}, "poll-interval"},
		{"unknown in file", []string{"--config", file}, nil, "http-addr"},
		{"no such file", []string{"--config", file + ".none"}, nil, "config.yaml.none"},
	} {
		_, err := parse(t, c.environment, c.args...)
		var usage usageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected a usage error naming %q", c.name, err, c.want)
		}
	}
	if _, err := parse(t, nil, "--http-address", "0.0.0.0:8000", "--insecure"); err != nil {
		t.Errorf("--insecure: %v", err)
	}
	if _, err := parse(t, nil, "--http-address", "[::1]:8000", "--grpc-address", "localhost:0"); err != nil {
		t.Errorf("loopback: %v", err)
	}
}

// A secret is read and never shown.
func TestConfigHidesSecrets(t *testing.T) {
	c, err := parse(t, []string{"FOOTBALLPREDICTION_MLFLOW_WEBHOOK_SECRET=s3cret"})
	if err != nil || string(c.WebhookSecret) != "s3cret" {
		t.Fatalf("got %q, %v", string(c.WebhookSecret), err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %v", c, c, c, c.LogValue()); strings.Contains(shown, "s3cret") || !strings.Contains(shown, "mlflow_webhook=true") {
		t.Errorf("shown: %s", shown)
	}
}

func parse(t *testing.T, environment []string, args ...string) (Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	configFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return loadConfig(flags, environment)
}
