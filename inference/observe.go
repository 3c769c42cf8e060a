package inference

import (
	"time"

	"footballprediction/inference/batch"
)

// Execution is one run of a model over a number of Rows, for one request or for several (Items) that
// share it. If one of several fails, each of its requests is run again, alone. A request of more rows
// than an execution may have is run in Parts, all but the last of which are counted there.
type Execution = batch.Run

// Release is why an execution began when it did and as it did.
type Release = batch.Release

// Releases is how many reasons there are, from 0.
const Releases = int(batch.Retry) + 1

// Observer is told what one loaded version of a model does, as it happens; golden rows and warm-up
// are not part of that. Its methods are called by many goroutines at once, Ran while the session that
// ran is still held, so they had better be quick.
type Observer interface {
	// Ran is told of every execution, before any of its requests is answered. Waited belongs to the
	// caller again when it returns.
	Ran(Execution)
	// Rejected is told of every request that was given back without having been run, or between two of
	// its parts, why (one of ErrQueueFull, ErrDeadlineUnmeetable, ErrNotReady, context.Canceled and
	// context.DeadlineExceeded) and how long it had waited. Requests that do not fit the model's signature are not among them.
	Rejected(reason error, waited time.Duration)
}

// observers tells each what all are told.
type observers []Observer

func (all observers) Ran(e Execution) {
	for _, o := range all {
		o.Ran(e)
	}
}

func (all observers) Rejected(reason error, waited time.Duration) {
	for _, o := range all {
		o.Rejected(reason, waited)
	}
}
