// Package conformance runs the conformance suite of connectrpc against the server as it is: the
// suite's own service is mounted beside the product's, behind the same listeners, policy, codecs and
// bounds, and the suite's reference client calls it in every way that the protocols allow.
package conformance

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes the test's binary the server under test as well, where the suite's runner starts it
// as "BINARY serve PORT".
func TestMain(m *testing.M) {
	if len(os.Args) != 3 || os.Args[1] != "serve" {
		goleak.VerifyTestMain(m)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, os.Args[2], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestHTTPPort(t *testing.T) { conforms(t, "http", 1900) }

func TestGRPCPort(t *testing.T) { conforms(t, "grpc", 374) }

// conforms runs the suite against a port, which has to pass every case.
func conforms(t *testing.T, port string, cases int) {
	var problems bytes.Buffer
	build := exec.CommandContext(t.Context(), "go", "tool", "-modfile=../../tools/go.mod", "-n", "connectconformance")
	build.Stderr = &problems
	runner, err := build.Output() // says where the tool is, once it is built
	if err != nil {
		t.Fatalf("build the suite: %v\n%s", err, problems.Bytes())
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	suite := exec.CommandContext(t.Context(), strings.TrimSpace(string(runner)),
		"--mode", "server", "--conf", port+".yaml", "--", self, "serve", port)
	report, err := suite.CombinedOutput()
	if want := fmt.Sprintf("Total cases: %d\n%d passed, 0 failed\n", cases, cases); err != nil || !strings.HasSuffix(string(report), want) {
		t.Errorf("%v: the suite reports\n%s\nwant %s", err, report, want)
	}
}
