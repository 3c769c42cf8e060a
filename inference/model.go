package inference

import (
	"context"
	"errors"
	"time"

	"footballprediction/inference/batch"
)

// Errors that callers tell apart with errors.Is. What went wrong exactly is in the error's text.
var (
	// ErrModelUnknown: no model of that name is configured.
	ErrModelUnknown = errors.New("model unknown")
	// ErrVersionUnknown: the model exists, that version or alias does not.
	ErrVersionUnknown = errors.New("model version unknown")
	// ErrNotReady: the model is known, and no version of it can serve now.
	ErrNotReady = errors.New("model not ready")
	// ErrQueueFull: the model is busy, and as many requests wait for it as may.
	ErrQueueFull = batch.ErrQueueFull
	// ErrDeadlineUnmeetable: the model is busy, and so many requests wait for it that this one's turn
	// would come after its deadline. It is a *DeadlineError, and an ErrQueueFull.
	ErrDeadlineUnmeetable = batch.ErrDeadlineUnmeetable
	// ErrModelFailed: the model ran and failed.
	ErrModelFailed = errors.New("model failed")
	// ErrOutputTooLarge: the outputs of one run would be larger than MaxOutputBytes.
	ErrOutputTooLarge = errors.New("output too large")
	// ErrTensorUnknown, ErrTensorDataType, ErrTensorShape, ErrTensorSize and ErrTensorValue: what was
	// given or asked for does not fit the model's signature; the model was not run.
	ErrTensorUnknown  = errors.New("tensor unknown")
	ErrTensorDataType = errors.New("tensor datatype")
	ErrTensorShape    = errors.New("tensor shape")
	ErrTensorSize     = errors.New("tensor size")
	ErrTensorValue    = errors.New("tensor value")
)

// MaxOutputBytes bounds the outputs of one run whose size only the run tells.
const MaxOutputBytes = 64 << 20

// DeadlineError is an ErrDeadlineUnmeetable, with the wait that was expected.
type DeadlineError = batch.DeadlineError

// Model is one opened model: a signature and a way to run it. Implementations are safe for
// concurrent use and immutable.
type Model interface {
	// Inputs and Outputs are the signature, in the model's own order. Callers must not change them.
	Inputs() []TensorSpec
	Outputs() []TensorSpec

	// Run computes outputs from inputs. inputs hold one tensor per input of the signature, in any
	// order. outputs name the outputs wanted, at least one; Run sets their Type and Shape and writes
	// their Data, into the capacity that Shape and Data have or else into new arrays, so that a
	// caller who keeps its tensors allocates nothing. Where Run fails, what outputs hold is
	// undefined. Run waits for a free session no longer than ctx allows; a run that has begun is
	// finished. Neither slice nor their Data are kept.
	Run(ctx context.Context, inputs, outputs []Tensor) error

	// Concurrency is how many Runs can proceed at once.
	Concurrency() int

	// Close releases the model. The caller has made sure that no Run is under way or follows.
	Close() error
}

// Copied is how long a run took to copy inputs to where the model reads them, and outputs from where it
// writes them.
type Copied struct{ In, Out time.Duration }

// A Meter is a Model that can say how long it copied.
type Meter interface {
	Model
	// RunMeasured is Run, and adds what it copied to copied.
	RunMeasured(ctx context.Context, inputs, outputs []Tensor, copied *Copied) error
}

// Opener opens the model in a folder: an MLflow ONNX model folder, or one with a bare model.onnx; either
// may have a config.json, see Config.
type Opener interface {
	Open(ctx context.Context, dir string) (Model, error)
}

// Source says what should be served. It starts nothing by itself.
type Source interface {
	// List returns every model that should be served; IsModelName holds for each name, and IsVersion
	// for each version and for no alias. An error means that nothing is known just now, and what is
	// served goes on.
	List(ctx context.Context) ([]Aspired, error)
	// Fetch makes the files of one listed version available and returns their folder, which stays
	// unchanged until the process ends, or, of a Keeper, until the Registry does not hold the version
	// any more.
	Fetch(ctx context.Context, name, version string) (dir string, err error)
}

// Keeper is a Source that keeps copies of what it fetches.
type Keeper interface {
	// Keep is told, after each poll, all that the Registry holds: copies of other versions may go.
	Keep(ctx context.Context, held Status)
}

// Champion is the alias that names the version to serve.
const Champion = "champion"

// Previous is the alias of the version that was the champion before, where a Source keeps it.
const Previous = "previous"

// Aspired is a model as its Source wants it served.
type Aspired struct {
	Name string
	// Versions are all versions to be loaded and addressable, highest last.
	Versions []string
	// Aliases maps an alias such as Champion to one of Versions.
	Aliases map[string]string
	// Revisions tells versions of one number apart, where a Source has such: a version whose
	// revision changes is another version, and replaces the one that is loaded. What a revision
	// says is the Source's own affair; a version that is not in the map has the empty one.
	Revisions map[string]string
	// Metrics are measurements of versions by name, where the Source has some: finite numbers.
	Metrics map[string]map[string]float64
	// Serving is the version that answers where a request names none: the one that Champion names,
	// else the highest.
	Serving string
	// Err says what is not known of this model just now, or contradicts itself. What the other
	// fields hold is followed as far as it goes, and nothing that is loaded is taken away.
	Err error
}
