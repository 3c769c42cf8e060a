package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the real binary, laid out as `make build` does it: beside it the library, above it the
// released models.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	root, err := os.MkdirTemp("", "footballprediction-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(root) }() // the system clears its temporary folder
	repository, err := filepath.Abs("../..")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = filepath.Join(root, "bin", "footballprediction")
	build := exec.Command("go", "build", "-race", "-o", program, ".")
	build.Stderr = os.Stderr
	err = errors.Join(build.Run(),
		os.Symlink(filepath.Join(repository, "bin", "lib"), filepath.Join(root, "bin", "lib")),
		os.Symlink(filepath.Join(repository, "models"), filepath.Join(root, "models")))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// result is what a run of the program came to.
type result struct {
	stdout, stderr string
	status         int
}

// run runs the program from a folder that has nothing to do with it.
func run(t *testing.T, args ...string) result {
	t.Helper()
	return runWith(t, nil, args...)
}

// runWith is run with more in the environment, as NAME=value.
func runWith(t *testing.T, environment []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"HOME=" + cmd.Dir}, environment...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// runOK runs the program and expects it to succeed.
func runOK(t *testing.T, args ...string) result {
	t.Helper()
	r := run(t, args...)
	if r.status != 0 {
		t.Fatalf("%v: status %d\n%s", args, r.status, r.stderr)
	}
	return r
}

// server is a running `serve`.
type server struct {
	http, grpc, operator string // addresses
	process              *os.Process
	exited               chan int // its exit status, once
}

var servingLine = regexp.MustCompile(`msg=serving http=(\S+) grpc=(\S+) operators=(\S+)`)

// startServer starts `serve` on free ports and waits until it is ready. It is stopped with the test.
func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	return startServerWith(t, nil, args...)
}

// startServerWith is startServer with more in the environment, as NAME=value.
func startServerWith(t *testing.T, environment []string, args ...string) *server {
	t.Helper()
	cmd := exec.Command(program, append([]string{"serve",
		"--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0", "--operator-address", "127.0.0.1:0"}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"HOME=" + cmd.Dir}, environment...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{process: cmd.Process, exited: make(chan int, 1)}
	started, ended := make(chan []string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			t.Log(lines.Text())
			if found := servingLine.FindStringSubmatch(lines.Text()); found != nil {
				started <- found[1:]
			}
		}
		_ = cmd.Wait() // the status says how it ended
		s.exited <- cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Error("the server did not stop")
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	select {
	case addresses := <-started:
		s.http, s.grpc, s.operator = "http://"+addresses[0], addresses[1], "http://"+addresses[2]
	case <-ended:
		t.Fatal("the server ended before it served")
	case <-time.After(time.Minute):
		t.Fatal("the server did not come up")
	}
	s.await(t, "/readyz", http.StatusOK)
	return s
}

// await asks the operators' port until it answers with the status.
func (s *server) await(t *testing.T, path string, status int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s to answer %d", path, status), func() bool {
		response, err := http.Get(s.operator + path)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode == status
	})
}

// eventually polls until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// writeHistory writes three seasons of two made-up leagues in the layout of football-data.co.uk,
// the last of them 2025-26, and returns the folder.
func writeHistory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(11, 12))
	for year := 2023; year <= 2025; year++ {
		folder := filepath.Join(dir, fmt.Sprintf("%02d%02d", year%100, (year+1)%100))
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, division := range []string{"E0", "D1"} {
			var csv strings.Builder
			csv.WriteString("Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HTHG,HTAG,HTR,HS,AS,HST,AST,HC,AC,B365H,B365D,B365A\n")
			start := time.Date(year, 8, 12, 0, 0, 0, 0, time.UTC)
			for i := range 10 {
				for j := range 10 {
					if i == j {
						continue
					}
					home, away := random.IntN(4), random.IntN(3)
					letter := "D"
					if home > away {
						letter = "H"
					} else if home < away {
						letter = "A"
					}
					day := start.AddDate(0, 0, 7*((i+j)%9)+126*(i/5)+random.IntN(3))
					fmt.Fprintf(&csv, "%s,%s,%s Town %c,%s Town %c,%d,%d,%s,0,0,D,%d,%d,%d,%d,5,4,2.1,3.4,3.5\n", division,
						day.Format("02/01/2006"), division, 'A'+i, division, 'A'+j, home, away, letter,
						home+8, away+6, home+3, away+2)
				}
			}
			if err := os.WriteFile(filepath.Join(folder, division+".csv"), []byte(csv.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}
