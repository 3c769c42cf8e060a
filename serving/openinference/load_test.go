package openinference

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"

	pb "footballprediction/api/gen/inference"
	"footballprediction/inference"
	"footballprediction/serving"
)

// toil asks the model toil for ids, after rounds of work.
func toil(rounds int64, ids ...int64) *pb.ModelInferRequest {
	shape := []int64{int64(len(ids))}
	return &pb.ModelInferRequest{ModelName: "toil", Inputs: inputs{
		input("id", shape, ids...), input("rounds", shape, slices.Repeat([]int64{rounds}, len(ids))...),
	}}
}

type infer = func(context.Context, *pb.ModelInferRequest) (*pb.ModelInferResponse, *spb.Status)

// roundsFor returns how many rounds of toil take d at least, by the fastest of some runs.
func roundsFor(t *testing.T, call infer, d time.Duration) int64 {
	t.Helper()
	const sample = 1000
	fastest := time.Hour
	for range 5 {
		began := time.Now()
		if _, st := call(t.Context(), toil(sample, 1)); st != nil {
			t.Fatal(st)
		}
		fastest = min(fastest, time.Since(began))
	}
	return 1 + int64(d)*sample/int64(fastest)
}

// statisticsOf returns what the model has done.
func statisticsOf(t *testing.T, s *site, model string) *pb.ModelStatistics {
	t.Helper()
	response, err := pb.NewGRPCInferenceServiceClient(s.native).ModelStatistics(t.Context(), &pb.ModelStatisticsRequest{Name: model})
	if err != nil {
		t.Fatal(err)
	}
	return response.GetModelStats()[0]
}

// 64 callers of a model that takes its time each get exactly their own rows, from far fewer
// executions than there are requests.
func TestCallersShareExecutions(t *testing.T) {
	const callers, calls = 64, 8
	s := newSite(t, tinyModels(t, "toil"), newOpener(t, 0))
	all := inferrers(s)
	rounds := roundsFor(t, all[0].call, 20*time.Millisecond)
	before := statisticsOf(t, s, "toil")
	rows := 0
	var group sync.WaitGroup
	for caller := range callers {
		count := 1 + caller%3
		rows += calls * count
		group.Go(func() {
			c := all[caller%len(all)]
			for call := range calls {
				ids := make([]int64, count)
				for i := range ids {
					ids[i] = int64(caller*1_000_000 + call*1000 + i)
				}
				request := toil(rounds, ids...)
				if call%2 == 0 {
					request = raw(request)
				}
				response, st := c.call(t.Context(), request)
				if st != nil {
					t.Errorf("%s: %v", c.name, st)
					return
				}
				got := response.GetOutputs()[0].GetContents().GetInt64Contents()
				if call%2 == 0 {
					got = inference.ElementsOf[int64](response.GetRawOutputContents()[0])
				}
				if !slices.Equal(got, ids) {
					t.Errorf("%s: got %v, want %v", c.name, got, ids)
				}
			}
		})
	}
	group.Wait()
	after := statisticsOf(t, s, "toil")
	executions := after.GetExecutionCount() - before.GetExecutionCount()
	inferences := after.GetInferenceCount() - before.GetInferenceCount()
	computed := after.GetInferenceStats().GetComputeInfer().GetNs() - before.GetInferenceStats().GetComputeInfer().GetNs()
	mean := time.Duration(computed / (callers * calls))
	t.Logf("%d rows of %d requests in %d executions of %s", inferences, callers*calls, executions, mean)
	if inferences != uint64(rows) || executions == 0 || executions > callers*calls/4 || mean < 5*time.Millisecond {
		t.Errorf("%d rows of %d requests in %d executions of %s, want %d rows, a quarter of the requests at most, 5 ms at least",
			inferences, callers*calls, executions, mean, rows)
	}
	if got := after.GetInferenceStats().GetSuccess().GetCount() - before.GetInferenceStats().GetSuccess().GetCount(); got != callers*calls {
		t.Errorf("%d requests succeeded, want %d", got, callers*calls)
	}
}

// 500 calls that have gone when their turn comes: the model is run for a handful of them.
func TestExpiredCallsAreNotRun(t *testing.T) {
	const calls = 500
	s := newSite(t, tinyModels(t, "toil"), newOpener(t, 1))
	all := inferrers(s)
	native := all[0].call
	rounds := roundsFor(t, native, time.Second)
	before := statisticsOf(t, s, "toil").GetExecutionCount()
	var group sync.WaitGroup
	for i := range calls {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			c := all[i%2] // both ports
			if _, st := c.call(ctx, toil(rounds, int64(i))); codes.Code(st.GetCode()) != codes.DeadlineExceeded {
				t.Errorf("%s: got %v", c.name, st)
			}
		})
	}
	group.Wait()
	if _, st := native(t.Context(), toil(0, 1)); st != nil { // waits until the model is free again
		t.Fatal(st)
	}
	ran := statisticsOf(t, s, "toil").GetExecutionCount() - before - 1
	t.Logf("the model ran %d times", ran)
	if ran > 5 {
		t.Errorf("the model ran %d times for %d calls that had no time", ran, calls)
	}
}

// gate is a Model that runs when the test lets it: y = x.
type gate struct{ enter, leave chan struct{} }

var gateSpecs = [2][]inference.TensorSpec{
	{{Name: "x", Type: inference.Bool, Shape: []int64{-1}}}, {{Name: "y", Type: inference.Bool, Shape: []int64{-1}}},
}

func (*gate) Inputs() []inference.TensorSpec  { return gateSpecs[0] }
func (*gate) Outputs() []inference.TensorSpec { return gateSpecs[1] }
func (*gate) Concurrency() int                { return 1 }
func (*gate) Close() error                    { return nil }
func (g *gate) Run(_ context.Context, inputs, outputs []inference.Tensor) error {
	if len(inputs[0].Data) == gateRows {
		g.enter <- struct{}{}
		<-g.leave
	}
	outputs[0].Type, outputs[0].Shape = inference.Bool, append(outputs[0].Shape[:0], inputs[0].Shape...)
	outputs[0].Data = append(outputs[0].Data[:0], inputs[0].Data...)
	return nil
}

// gateModel has the model gate, for a gate to open, which runs as many rows at once as may wait.
func gateModel(t *testing.T) inference.Source {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "gate", "1"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := fmt.Appendf(nil, `{"max_batch_rows": %d, "warm_up_rows": [1]}`, gateRows)
	if err := os.WriteFile(filepath.Join(dir, "gate", "1", "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	return inference.NewFolderSource(dir, nil)
}

// gateRows are as many rows as may wait.
const gateRows = 8192

// Open implements inference.Opener.
func (g *gate) Open(context.Context, string) (inference.Model, error) { return g, nil }

// A model with as much waiting as may wait refuses more, and says when to come again.
func TestQueueFull(t *testing.T) {
	g := &gate{make(chan struct{}), make(chan struct{})}
	s := newSite(t, gateModel(t), g)
	all := inferrers(s)
	full := &pb.ModelInferRequest{ModelName: "gate", Inputs: inputs{input("x", []int64{gateRows}, make([]bool, gateRows)...)}}
	var group sync.WaitGroup
	send := func() {
		group.Go(func() {
			for { // where a probe waits, there is no room
				_, st := all[0].call(t.Context(), full)
				if codes.Code(st.GetCode()) != codes.ResourceExhausted {
					if st != nil {
						t.Error(st)
					}
					return
				}
			}
		})
	}
	send()
	<-g.enter
	send()
	probe := &pb.ModelInferRequest{ModelName: "gate", Inputs: inputs{input("x", []int64{1}, true)}}
	for _, c := range all {
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			_, st := c.call(ctx, probe)
			cancel()
			if codes.Code(st.GetCode()) == codes.DeadlineExceeded {
				continue // it has waited: the queue was not full yet
			}
			wrong{code: codes.ResourceExhausted, reason: serving.QueueFull}.check(t, c.name, st)
			break
		}
	}
	g.leave <- struct{}{}
	<-g.enter
	g.leave <- struct{}{}
	group.Wait()
	if got := statisticsOf(t, s, "gate").GetInferenceStats().GetFail().GetCount(); got < uint64(len(all)) {
		t.Errorf("%d requests failed, want %d at least", got, len(all))
	}
}
