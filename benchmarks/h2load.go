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
func (c *call) saturate(ctx context.Context, address string, calls int) (seconds float64, err error) {
	command := exec.CommandContext(ctx, "h2load", "-n", strconv.Itoa(calls),
		"-c", strconv.Itoa(h2loadConnections), "-m", strconv.Itoa(h2loadStreams), "-t", "1",
		"-H", "content-type: application/grpc", "-H", "te: trailers",
		"-d", c.frameFile, "http://"+address+"/"+c.procedure)
	out, err := command.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("h2load: %w\n%s", err, out)
	}
	elapsed, err := parseH2load(string(out), calls, 5+len(c.answer))
	if err != nil {
		return 0, fmt.Errorf("h2load %s: %w\n%s", c.procedure, err, out)
	}
	return elapsed.Seconds(), nil
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
const answerSlack = 16

// parseH2load returns the time that all calls took. h2load does not look at grpc-status, but an error
// has no message: the data received shows that every call was answered with one of answerBytes.
func parseH2load(out string, calls, answerBytes int) (time.Duration, error) {
	for what, expression := range map[string]*regexp.Regexp{"a time": h2loadFinished, "requests": h2loadRequests, "data": h2loadData} {
		if !expression.MatchString(out) {
			return 0, fmt.Errorf("expected %s in its report, got none", what)
		}
	}
	if got := h2loadRequests.FindStringSubmatch(out)[1]; got != strconv.Itoa(calls) {
		return 0, fmt.Errorf("expected %d calls to succeed, got %s", calls, got)
	}
	data, err := strconv.Atoi(h2loadData.FindStringSubmatch(out)[1])
	if err != nil {
		return 0, err
	}
	if each := float64(data) / float64(calls); each < float64(answerBytes-answerSlack) || each > float64(answerBytes+answerSlack) {
		return 0, fmt.Errorf("expected answers of about %d bytes, got %.1f: not all calls were answered", answerBytes, each)
	}
	took := h2loadFinished.FindStringSubmatch(out)
	return time.ParseDuration(took[1] + took[2])
}
