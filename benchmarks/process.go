package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startTimeout and stopTimeout bound how long a server takes to come and go.
const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
)

// A process is a running server: ours, the echo or Redis.
type process struct {
	grpc, operator string // addresses, of ours and the echo
	command        *exec.Cmd
	ended          chan struct{}
}

// What servers say once they serve.
var (
	servingLine = regexp.MustCompile(`msg=serving .*grpc=(\S+) operators=(\S+)`)
	redisLine   = regexp.MustCompile(`Ready to accept connections`)
)

// start starts a server in a folder of its own and waits until it says that it serves.
func start(ctx context.Context, home string, environment []string, ready *regexp.Regexp, program string, args ...string) (*process, error) {
	p := &process{command: exec.CommandContext(ctx, program, args...), ended: make(chan struct{})}
	p.command.Dir = home
	p.command.Env = append(append(os.Environ(), "HOME="+home), environment...)
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.command.Stderr = p.command.Stdout
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	serving, said := make(chan []string, 1), new(bytes.Buffer)
	go func() {
		defer close(p.ended)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if found := ready.FindStringSubmatch(lines.Text()); found != nil {
				serving <- found[1:]
				break
			}
			fmt.Fprintln(said, lines.Text())
		}
		_, _ = io.Copy(io.Discard, output) // so that the server can go on to log
		_ = p.command.Wait()               // a server that is stopped has nothing left to tell
	}()
	select {
	case found := <-serving:
		if len(found) == 2 {
			p.grpc, p.operator = found[0], found[1]
		}
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s ended before it served:\n%s", program, said)
	case <-time.After(startTimeout):
		p.stop()
		return nil, fmt.Errorf("%s did not serve within %v:\n%s", program, startTimeout, said)
	}
}

// stop ends the server and waits until it is gone.
func (p *process) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		_ = p.command.Process.Kill()
		<-p.ended
	}
}

// ticksPerSecond is the unit of CPU time in /proc, the same on every Linux.
const ticksPerSecond = 100

// cpu returns how much CPU time the server has used, to 10 ms.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	return parseCPU(string(stat))
}

// parseCPU reads user and system time, the 14th and 15th field. The second is the program's name in
// parentheses, with whatever is in it.
func parseCPU(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system = 14 - 3, 15 - 3
	if len(fields) <= system {
		return 0, fmt.Errorf("/proc: expected at least 15 fields, got %q", stat)
	}
	var ticks int64
	for _, field := range []int{user, system} {
		n, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// memory is what a server has allocated since it started.
type memory struct{ objects, bytes uint64 }

var memoryLine = regexp.MustCompile(`(?m)^# (Mallocs|TotalAlloc) = (\d+)$`)

// memory asks the server's heap profile, whose head tells it.
func (p *process) memory(ctx context.Context) (memory, error) {
	profile, err := p.get(ctx, "/debug/pprof/heap?debug=1")
	if err != nil {
		return memory{}, err
	}
	return parseMemory(profile)
}

// get fetches what the server tells operators.
func (p *process) get(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.operator+path, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return string(text), nil
}

func parseMemory(profile string) (m memory, err error) {
	found := memoryLine.FindAllStringSubmatch(profile, -1)
	if len(found) != 2 {
		return m, fmt.Errorf("heap profile: expected Mallocs and TotalAlloc, got %d of them", len(found))
	}
	for _, line := range found {
		n, err := strconv.ParseUint(line[2], 10, 64)
		if err != nil {
			return m, fmt.Errorf("heap profile: %w", err)
		}
		if line[1] == "Mallocs" {
			m.objects = n
		} else {
			m.bytes = n
		}
	}
	return m, nil
}
