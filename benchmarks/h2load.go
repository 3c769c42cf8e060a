package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// How h2load saturates a server: enough streams that it is never idle.
const (
	h2loadConnections = 16
	h2loadStreams     = 8
)

// saturate sends calls of a prepared request as fast as they are answered.
func (c *call) saturate(ctx context.Context, address string, calls int) (r saturated, err error) {
	command := exec.CommandContext(ctx, "h2load", "-n", strconv.Itoa(calls),
		"-c", strconv.Itoa(h2loadConnections), "-m", strconv.Itoa(h2loadStreams), "-t", "1",
		"-H", "content-type: application/grpc", "-H", "te: trailers",
		"-d", c.frameFile, "http://"+address+"/"+c.procedure)
	out, err := command.CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("h2load: %w\n%s", err, out)
	}
	if r, err = parseH2load(string(out), calls); err != nil {
		return r, fmt.Errorf("h2load %s: %w\n%s", c.procedure, err, out)
	}
	if r.bytes < c.least() {
		return r, fmt.Errorf("h2load %s: expected answers of %d bytes, got %.1f: not all calls were answered", c.procedure, len(c.answer), r.bytes)
	}
	return r, nil
}

// saturated is what h2load says of a round.
type saturated struct {
	seconds float64 // for all calls
	bytes   float64 // of an answer, on average
}

// writeFrame writes the request as gRPC puts it into HTTP/2: not compressed, its length, itself.
func writeFrame(dir string, message []byte) (string, error) {
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
	path := filepath.Join(dir, "frame")
	return path, os.WriteFile(path, frame, 0o600)
}

var (
	h2loadFinished = regexp.MustCompile(`finished in ([\d.]+)(us|ms|s|m)\b`)
	h2loadRequests = regexp.MustCompile(`(\d+) succeeded`)
	h2loadData     = regexp.MustCompile(`\((\d+)\) data`)
)

// answerSlack is by how many bytes answers to one request may differ in length: times of day.
const answerSlack = 3

// least is how many bytes an answer has at least. An error has none, and nobody looks at its status:
// its length gives it away.
func (c *call) least() float64 { return .9 * float64(len(c.answer)) }

func parseH2load(out string, calls int) (r saturated, err error) {
	finished, requests, data := h2loadFinished.FindStringSubmatch(out), h2loadRequests.FindStringSubmatch(out), h2loadData.FindStringSubmatch(out)
	if finished == nil || requests == nil || data == nil {
		return r, fmt.Errorf("expected a report with times, requests and data, got another")
	}
	if requests[1] != strconv.Itoa(calls) {
		return r, fmt.Errorf("expected %d calls to succeed, got %s", calls, requests[1])
	}
	bytes, err := strconv.Atoi(data[1])
	if err != nil {
		return r, err
	}
	took, err := time.ParseDuration(finished[1] + finished[2])
	const prefix = 5 // of a message in gRPC
	return saturated{seconds: took.Seconds(), bytes: float64(bytes)/float64(calls) - prefix}, err
}
