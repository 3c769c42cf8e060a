// Command serve serves an echo on free ports of the loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof" // tells how much was allocated
	"os"
	"os/signal"
	"syscall"
	"time"

	"footballprediction/benchmarks/echo"
)

func main() {
	procedure := flag.String("procedure", "", "package.Service/Method")
	answer := flag.String("answer", "", "file with the encoded answer")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *procedure, *answer)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, procedure, answerFile string) error {
	answer, err := os.ReadFile(answerFile)
	if err != nil {
		return err
	}
	server, err := echo.New(procedure, answer)
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	calls, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	operators, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, calls.Close())
	}
	profiles := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(calls) }()
	go func() { ended <- profiles.Serve(operators) }()
	slog.New(slog.NewTextHandler(os.Stderr, nil)).InfoContext(ctx, "serving",
		slog.String("grpc", calls.Addr().String()), slog.String("operators", operators.Addr().String()))
	select {
	case <-ctx.Done():
	case err = <-ended:
	}
	server.Stop()
	return errors.Join(err, profiles.Close())
}
