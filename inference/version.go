package inference

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// version is a loaded version of a model: immutable but for the count of those who hold it.
type version struct {
	name, version string
	model         *batched
	metadata      any
	config        Config
	// holders counts the Registry's own hold and every handle; once it was 0 it stays below that.
	holders atomic.Int64
	unload  func() // called once, when nobody holds v, on the goroutine of the last holder

	overdue *time.Timer // says that v is held for long; Registry.mu guards it

	health health
	sicken func() // called once, when v has failed too often
}

// retired is so far below 0 that no number of late holders brings the count back up.
const retired = math.MinInt64 / 2

// hold takes hold of v, unless it has been given up already. It is a single addition, because the
// processors that serve requests all contend for this one count.
func (v *version) hold() bool { return v.holders.Add(1) > 0 }

func (v *version) release() {
	// Between the two, somebody may take hold of v again; the last of these then gets here.
	if v.holders.Add(-1) == 0 && v.holders.CompareAndSwap(0, retired) {
		v.unload()
	}
}

// Handle is a hold on one loaded version of a model, which stays loaded, and the same, until Release.
// It is a small value, safe for concurrent use.
type Handle struct {
	v *version
}

// Name returns the model's name.
func (h Handle) Name() string { return h.v.name }

// Version returns the version, never an alias.
func (h Handle) Version() string { return h.v.version }

// Metadata returns what Options.Admit returned for this version.
func (h Handle) Metadata() any { return h.v.metadata }

// Config returns what config.json in the version's folder said when it was loaded.
func (h Handle) Config() Config { return h.v.config }

// Model returns the model. It must not be used after Release, nor closed.
func (h Handle) Model() Model { return h.v.model }

// Statistics returns what the version has done since it was loaded.
func (h Handle) Statistics() Statistics { return h.v.model.collector.statistics() }

// CheckInputs tells whether inputs are what the model takes, and how many rows they hold; see the
// function. Where the first dimensions are no rows they need not agree.
func (h Handle) CheckInputs(inputs []Tensor) (rows int64, err error) { return h.v.model.check(inputs) }

// Run runs the model; see Model.Run. A request of more rows than an execution may have is run in
// several, one after another, if the model counts rows.
func (h Handle) Run(ctx context.Context, inputs, outputs []Tensor) error {
	return h.v.model.Run(ctx, inputs, outputs)
}

// RunAt is Run for a request of that priority: 1 is the highest of Config.PriorityLevels, and 0 and
// what is beyond them stand for the default. While all sessions are busy, higher priorities go first;
// none starves. Priorities are those of one model: between models, the operating system shares the
// processors out among the sessions that run.
func (h Handle) RunAt(ctx context.Context, priority uint32, inputs, outputs []Tensor) error {
	return h.v.model.RunAt(ctx, priority, inputs, outputs)
}

// Answered is told whether what the model answered can be used, by callers who gave it inputs that it
// must be able to answer: one whose outputs are of no use is failing, though it runs. A version that
// fails too often is taken out of service; see Registry. What strangers sent must not be told, since
// they could take a model away from everybody.
func (h Handle) Answered(ok bool) { h.v.answered(ok) }

// Release gives the hold back. Each handle that Acquire returned is released exactly once.
func (h Handle) Release() { h.v.release() }
