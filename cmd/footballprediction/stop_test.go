package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A server that waits for a request which does not arrive is told to stop a second time, and ends.
func TestStopTwice(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd := exec.Command(program, "serve", "--data-dir", t.TempDir(),
				"--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0", "--operator-address", "127.0.0.1:0")
			cmd.Env = []string{"HOME=" + t.TempDir()}
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			hung := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // it may have ended
			defer hung.Stop()
			var last string
			draining, ended := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				for lines := bufio.NewScanner(stderr); lines.Scan(); {
					last = lines.Text()
					if found := servingLine.FindStringSubmatch(last); found != nil {
						half := sendHalf(t, found[1])
						defer half.Close()
						if err := cmd.Process.Signal(signal); err != nil {
							t.Error(err)
						}
					}
					if strings.Contains(last, "msg=draining") {
						close(draining)
					}
				}
			}()
			select {
			case <-draining:
			case <-ended:
				t.Fatal("it ended before it drained: ", last)
			}
			told := time.Now()
			eventually(t, "its end", func() bool {
				_ = cmd.Process.Signal(signal) // it may have ended
				select {
				case <-ended:
					return true
				default:
					return false
				}
			})
			took := time.Since(told)
			_ = cmd.Wait() // the status says how it ended
			if status := cmd.ProcessState.ExitCode(); status != exitFailed || !strings.Contains(last, "told to stop a second time ("+signal.String()+")") {
				t.Errorf("status %d after %s: %s", status, took, last)
			}
			if took > 5*time.Second { // half of what a request that does not arrive is given
				t.Errorf("it took %s", took)
			}
		})
	}
}

// sendHalf sends half a request.
func sendHalf(t *testing.T, address string) net.Conn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return nil
	}
	if _, err := conn.Write([]byte("POST /predictions/match HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Error(err)
	}
	return conn
}

// Signals that come together are one.
func TestObey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal)
		stopped := 0
		second := make(chan os.Signal, 1)
		go func() { second <- obey(signals, func() { stopped++ }) }()
		for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGTERM, os.Interrupt} {
			signals <- signal
		}
		synctest.Wait()
		if stopped != 1 || len(second) != 0 {
			t.Errorf("three signals together: stopped %d times, %d more", stopped, len(second))
		}
		<-time.After(sameStop + 1)
		signals <- os.Interrupt
		if got := <-second; got != os.Interrupt || stopped != 1 {
			t.Errorf("got %s, stopped %d times", got, stopped)
		}
	})
}
