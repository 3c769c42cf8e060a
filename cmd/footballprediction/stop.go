package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameStop is how long after the first signal others count as the same: some that start programs, such
// as timeout and npm, pass each on twice.
const sameStop = 100 * time.Millisecond

// untilStopped returns a context that SIGINT and SIGTERM end, so that what is under way can be finished.
// Whoever does not wait for that sends another, which ends the process.
func untilStopped() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		again := obey(signals, cancel)
		fmt.Fprintf(os.Stderr, "footballprediction: told to stop a second time (%s): ended at once, whatever was under way\n", again)
		os.Exit(exitFailed)
	}()
	return ctx
}

// obey stops at the first signal, and returns the second.
func obey(signals <-chan os.Signal, stop func()) os.Signal {
	<-signals
	stop()
	for first := time.Now(); ; {
		if again := <-signals; time.Since(first) > sameStop {
			return again
		}
	}
}
