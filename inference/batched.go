package inference

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"footballprediction/inference/batch"
)

// batched is a Model whose concurrent Runs share executions of another while that is busy. It
// belongs to one version, so that no execution mixes versions.
type batched struct {
	Model
	meter     Meter // the model, if it is one
	batcher   *batch.Batcher[batchKey, *request]
	merges    sync.Pool // of *merge
	collector *collector
	maxRows   int64 // of an execution, where the model counts rows
	alone     bool  // each request is one execution, whatever its rows
	mixes     bool  // as its rows depend on one another; so they may be no rows at all

	// rowwise: all first dimensions are open, so that requests can be told apart by rows. It turns
	// false when the first dimension of an output has not been that of the inputs after all.
	rowwise atomic.Bool
	tickets atomic.Uint64
}

// batchKey is what requests of one execution have in common.
type batchKey struct {
	outputs uint64 // the outputs that are wanted, a bit each
	shapes  string // what is open in the inputs' shapes beside the rows
	ticket  uint64 // not 0 for a request that must be run alone
}

// request is one Run.
type request struct {
	inputs, outputs []Tensor
	rows            int64
	copied          Copied // while it is run alone
}

// outputsMax is how many outputs a model may have whose requests share executions, or are split.
const outputsMax = 64

var requests = sync.Pool{New: func() any { return new(request) }}

// newBatched takes the model over, unless it fails. observer, if not nil, is told what it does.
func newBatched(m Model, options batch.Options, observer Observer) (*batched, error) {
	b := &batched{Model: m, collector: new(collector), maxRows: int64(cmp.Or(options.MaxRows, batch.MaxRowsDefault))}
	b.meter, _ = m.(Meter)
	told := observers{b.collector}
	if observer != nil {
		told = append(told, observer)
	}
	options.Ran = told.Ran
	options.Rejected = func(reason error, waited time.Duration) { told.Rejected(rejection(reason), waited) }
	b.merges.New = func() any { return new(merge) }
	b.rowwise.Store(len(m.Outputs()) <= outputsMax && countsRows(m.Inputs()) && countsRows(m.Outputs()))
	if !b.rowwise.Load() {
		options.Alone, options.Delay = true, 0 // there is no company to wait for
	}
	b.alone = options.Alone
	var err error
	b.batcher, err = batch.New[batchKey](m.Concurrency(), b.execute, options)
	return b, err
}

func countsRows(specs []TensorSpec) bool {
	for _, spec := range specs {
		if len(spec.Shape) == 0 || spec.Shape[0] != -1 {
			return false
		}
	}
	return len(specs) > 0
}

// Run implements Model, at the default priority.
func (b *batched) Run(ctx context.Context, inputs, outputs []Tensor) error {
	return b.RunAt(ctx, 0, inputs, outputs)
}

// RunAt is Run at a priority; see Handle.RunAt. A request is checked before it joins others, so that it
// can only fail alone.
func (b *batched) RunAt(ctx context.Context, priority uint32, inputs, outputs []Tensor) error {
	rows, err := b.check(inputs)
	if err != nil {
		return err
	}
	if err := CheckOutputs(b.Outputs(), outputs); err != nil {
		return err
	}
	if rows > b.maxRows && !b.alone && b.rowwise.Load() {
		return b.runParts(ctx, priority, rows, inputs, outputs)
	}
	r := requests.Get().(*request)
	r.inputs, r.outputs, r.rows = inputs, outputs, rows
	err = b.batcher.DoPart(ctx, priority, batch.Part{}, b.key(r), int(rows), r)
	*r = request{}
	requests.Put(r)
	return rejection(err)
}

// check is CheckInputs; only where the model counts rows must they agree.
func (b *batched) check(inputs []Tensor) (rows int64, err error) {
	if b.mixes || !b.rowwise.Load() {
		return CheckInputsApart(b.Inputs(), inputs)
	}
	return CheckInputs(b.Inputs(), inputs)
}

// rejection says in this package's terms why a request was not run, and leaves other errors alone.
func rejection(err error) error {
	if errors.Is(err, batch.ErrClosed) {
		return errModelClosed
	}
	return err
}

var errModelClosed = fmt.Errorf("%w: the version has been closed", ErrNotReady)

func (b *batched) key(r *request) batchKey {
	if b.alone {
		return batchKey{}
	}
	if !b.rowwise.Load() {
		return batchKey{ticket: b.tickets.Add(1)}
	}
	var key batchKey
	for i, spec := range b.Outputs() {
		if Find(r.outputs, spec.Name, i) != nil {
			key.outputs |= 1 << i
		}
	}
	for i, spec := range b.Inputs() {
		for j, open := range spec.Shape {
			if j > 0 && open < 0 {
				key.shapes += strconv.FormatInt(Find(r.inputs, spec.Name, i).Shape[j], 10) + ","
			}
		}
	}
	return key
}

// errNotRows makes the batcher run the requests of an execution one by one.
var errNotRows = errors.New("the first dimension of the outputs is not that of the inputs")

// execute runs requests of one key together.
func (b *batched) execute(all []*request) error {
	if len(all) == 1 {
		r := all[0]
		r.copied = Copied{}
		err := b.compute(r.inputs, r.outputs, &r.copied)
		if err == nil {
			b.collector.copied(1, r.rows, r.copied)
		}
		return err
	}
	m := b.merges.Get().(*merge)
	defer b.merges.Put(m)
	began := time.Now()
	m.join(b.Inputs(), all)
	m.copied = Copied{In: time.Since(began)}
	if err := b.compute(m.inputs, m.outputs, &m.copied); err != nil {
		return err
	}
	began = time.Now()
	if !m.split(all) {
		b.rowwise.Store(false)
		return errNotRows
	}
	m.copied.Out += time.Since(began)
	b.collector.copied(len(all), m.rows, m.copied)
	return nil
}

// compute runs the model.
func (b *batched) compute(inputs, outputs []Tensor, copied *Copied) error {
	if b.meter != nil {
		return b.meter.RunMeasured(context.Background(), inputs, outputs, copied)
	}
	return b.Model.Run(context.Background(), inputs, outputs)
}

// Close implements Model.
func (b *batched) Close() error {
	return errors.Join(b.batcher.Close(context.Background()), b.Model.Close()) // nothing runs, so it does not wait
}
