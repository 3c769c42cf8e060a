// Package redistest starts real Redis servers for tests, on loopback, with a folder of their own.
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a Redis that a test has started. It ends with the test.
type Server struct {
	Address  string // host:port, the same after a restart
	Password string // empty: none

	t      testing.TB
	dir    string
	output bytes.Buffer // of the process that runs or ran last; read it when that has ended
	cmd    *exec.Cmd
}

// Start starts a Redis that keeps nothing beyond its process and asks for no password.
func Start(t testing.TB) *Server { return StartWithPassword(t, "") }

// StartWithPassword starts a Redis that asks for a password.
func StartWithPassword(t testing.TB, password string) *Server {
	t.Helper()
	s := Reserve(t)
	s.Password = password
	s.Launch()
	return s
}

// Reserve returns a server that is down until Launch.
func Reserve(t testing.TB) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatalf("%v: `make test` installs it", err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := &Server{Address: listener.Addr().String(), t: t, dir: t.TempDir()}
	t.Cleanup(s.Kill)
	return s
}

// URL is where the server answers, as in REDIS_URL.
func (s *Server) URL() string { return s.URLWith(s.Password) }

// URLWith is URL with a password that need not be the right one; empty: none.
func (s *Server) URLWith(password string) string {
	u := url.URL{Scheme: "redis", Host: s.Address, Path: "/0"}
	if password != "" {
		u.User = url.UserPassword("default", password)
	}
	return u.String()
}

// Launch starts the server and waits until it answers.
func (s *Server) Launch() {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	settings := []string{"--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "no", "--daemonize", "no"}
	if s.Password != "" {
		settings = append(settings, "--requirepass", s.Password)
	}
	s.output.Reset()
	s.cmd = exec.CommandContext(context.Background(), "redis-server", settings...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, &s.output, &s.output
	s.cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := s.Do("PING"); err == nil {
			return
		}
		select {
		case <-deadline:
			s.Kill()
			s.t.Fatalf("redis-server does not answer:\n%s", s.output.String())
		case <-tick.C:
		}
	}
}

// Kill ends the server at once, as a crash does. It may have been frozen, or ended before.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended
	_ = s.cmd.Wait()         // it was killed: that is its error
	s.cmd = nil
}

// Freeze stops the process where it is: its connections stay open and silent.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// Do sends one command over a connection of its own and returns the start of the raw reply.
func (s *Server) Do(command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", err
	}
	if s.Password != "" {
		if _, err := exchange(conn, "AUTH", s.Password); err != nil {
			return "", err
		}
	}
	return exchange(conn, command...)
}

func exchange(conn net.Conn, command ...string) (string, error) {
	request := fmt.Appendf(nil, "*%d\r\n", len(command))
	for _, word := range command {
		request = fmt.Appendf(request, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := conn.Write(request); err != nil {
		return "", err
	}
	reply := make([]byte, 4096)
	n, err := conn.Read(reply)
	if err != nil {
		return "", err
	}
	if text := string(reply[:n]); !strings.HasPrefix(text, "-") {
		return text, nil
	}
	return "", fmt.Errorf("redis: %s", strings.TrimSpace(string(reply[1:n])))
}
