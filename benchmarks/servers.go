package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

// program is the server under test, laid out as `make build` does it.
func (b *bench) program() string { return filepath.Join(b.root, "bin", "footballprediction") }

// serve starts the server under test on free ports.
func (b *bench) serve(ctx context.Context, environment []string, arguments ...string) (*process, error) {
	return start(ctx, b.dir, environment, servingLine, b.program(), append([]string{"serve",
		"--http-address", "127.0.0.1:0", "--grpc-address", "127.0.0.1:0", "--operator-address", "127.0.0.1:0"}, arguments...)...)
}

// startEcho starts an echo of the call's procedure.
func (b *bench) startEcho(ctx context.Context, c *call) (*process, error) {
	return start(ctx, b.dir, nil, servingLine, filepath.Join(b.tools, "echo"), "-procedure", c.procedure, "-answer", c.answerFile)
}

// serveFromRedis starts a Redis, fills it, and starts a server that takes its features from there.
func (b *bench) serveFromRedis(ctx context.Context) (server, redis *process, err error) {
	free, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	if err := free.Close(); err != nil {
		return nil, nil, err
	}
	redis, err = start(ctx, b.dir, nil, redisLine, "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no")
	if err != nil {
		return nil, nil, err
	}
	environment := "REDIS_URL=redis://127.0.0.1:" + port
	fill := exec.CommandContext(ctx, b.program(), "features", "materialize")
	fill.Env = append(os.Environ(), environment)
	if said, err := fill.CombinedOutput(); err != nil {
		redis.stop()
		return nil, nil, fmt.Errorf("features materialize: %w\n%s", err, said)
	}
	if server, err = b.serve(ctx, []string{environment}); err != nil {
		redis.stop()
		return nil, nil, err
	}
	return server, redis, nil
}
