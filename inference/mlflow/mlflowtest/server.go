// Package mlflowtest runs a real MLflow tracking server for tests, and registers models with it.
package mlflowtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	startTimeout = 2 * time.Minute
	stopTimeout  = 20 * time.Second
)

// Server is a running tracking server with a fresh store, which serves its artifacts itself.
type Server struct {
	// URL is its address, such as "http://127.0.0.1:5000".
	URL string

	dir     string
	process *os.Process
	life    io.Closer     // while it is open, and so while this process lives, the server does
	exited  chan struct{} // closed when it has
	logged  string
}

// Start starts a server on a free loopback port and waits until it answers. It needs what
// `make setup` lays into models/.venv.
func Start() (*Server, error) {
	python, err := interpreter()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mlflow-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, exited: make(chan struct{})}
	if err := s.start(python); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(python string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	s.URL = "http://127.0.0.1:" + port
	s.logged = filepath.Join(s.dir, "server.log")
	log, err := os.Create(s.logged)
	if err != nil {
		return err
	}
	defer log.Close()
	// MLflow runs in the shell's place, and beside it what ends the whole process group, its workers
	// too, when nobody holds the other end of standard input any more, however this process ends.
	const script = `exec 3<&0; { read -r _; kill -TERM 0; } <&3 & exec "$@" </dev/null 3<&-`
	cmd := exec.Command("sh", "-c", script, "sh", //nolint:noctx // Close ends it
		python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1",
		"--backend-store-uri", "sqlite:///"+filepath.Join(s.dir, "mlflow.db"),
		"--serve-artifacts", "--artifacts-destination", filepath.Join(s.dir, "artifacts"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	cmd.Env = []string{
		"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "DO_NOT_TRACK=true", "MLFLOW_DISABLE_TELEMETRY=true",
		"MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false",
		// Webhooks go to this machine, and to those that were registered just now.
		"MLFLOW_WEBHOOK_ALLOWED_SCHEMES=http", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true", "MLFLOW_WEBHOOK_CACHE_TTL=0",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.life, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process = cmd.Process
	go func() {
		_ = cmd.Wait() // a server that was told to stop has no good status
		close(s.exited)
	}()
	return s.await()
}

// await waits until the server answers.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	defer http.DefaultClient.CloseIdleConnections()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := s.call(ctx, http.MethodGet, "/health", nil, nil); err == nil {
			return nil
		}
		select {
		case <-tick.C:
			continue
		case <-s.exited:
		case <-ctx.Done():
		}
		log, err := os.ReadFile(s.logged)
		return errors.Join(fmt.Errorf("MLflow did not come up:\n%s", log), err)
	}
}

// Close stops the server with all its processes and removes its store.
func (s *Server) Close() error {
	var err error
	if s.process != nil {
		_ = s.life.Close() // the shell has what it waits for
		select {
		case <-s.exited:
		case <-time.After(stopTimeout):
		}
		err = s.end()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// end waits until the whole process group has gone.
func (s *Server) end() error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(stopTimeout)
	for {
		if err := syscall.Kill(-s.process.Pid, 0); errors.Is(err, syscall.ESRCH) {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			return errors.Join(errors.New("MLflow did not stop"), syscall.Kill(-s.process.Pid, syscall.SIGKILL))
		}
	}
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it waits for nothing
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}

// interpreter finds models/.venv beside the go.mod above the working directory.
func interpreter() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
	python := filepath.Join(dir, "models", ".venv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		return "", fmt.Errorf("MLflow: %w: run `make setup`", err)
	}
	return python, nil
}
