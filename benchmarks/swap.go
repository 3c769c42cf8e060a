package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"connectrpc.com/connect"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/api/gen/footballprediction/v1/footballpredictionv1connect"
	"footballprediction/serving"
)

// A swapped server looks for other versions all the time. Odd versions of the match model are copies of
// one released version, even ones of another.
type swapped struct {
	*process
	*callers
	watch    *connect.ServerStreamForClient[pb.WatchModelsResponse]
	dir      string            // of models
	released map[string]string // by model: what its version 1 was
	serving  map[string]int    // versions, by model
	offline  forecasts
}

// releasedVersions are the match models that take turns.
var releasedVersions = [2]string{"2", "1"}

// serveSwapped starts a server in a folder of its own, with the match model and others, each by the
// folder that it is in.
func (b *bench) serveSwapped(ctx context.Context, others map[string]string, arguments ...string) (*swapped, error) {
	home, err := os.MkdirTemp(b.dir, "swapped-")
	if err != nil {
		return nil, err
	}
	s := &swapped{dir: filepath.Join(home, "models"), released: map[string]string{}, serving: map[string]int{}, offline: forecasts{}}
	for model, folder := range others {
		if err := s.place(model, 1, folder); err != nil {
			return nil, err
		}
	}
	if err := s.place(serving.DefaultModel, 1, b.releasedMatchModel(1)); err != nil {
		return nil, err
	}
	s.process, err = b.serve(ctx, nil, append([]string{"--models", s.dir, "--data-dir", filepath.Join(home, "data"),
		"--state", filepath.Join(b.root, "models", "released", "state"), "--poll-interval", "20ms"}, arguments...)...)
	if err != nil {
		return nil, err
	}
	s.watch, err = footballpredictionv1connect.NewModelServiceClient(http.DefaultClient, "http://"+s.operator).
		WatchModels(ctx, &pb.WatchModelsRequest{})
	if err != nil {
		s.process.stop()
		return nil, err
	}
	if s.callers, err = dialCallers(s.grpc, pairing("Arsenal", "Chelsea"), s.checked); err != nil {
		s.process.stop()
		return nil, err
	}
	if err := s.predictOffline(ctx, b); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (b *bench) releasedMatchModel(version int) string {
	return filepath.Join(b.root, "models", "released", serving.DefaultModel, releasedVersions[version%2])
}

// stop ends the server.
func (s *swapped) stop() {
	_, _ = s.hangUp(), s.watch.Close() // all have been answered
	s.process.stop()
}

// place puts a version beside the others, at once.
func (s *swapped) place(model string, version int, folder string) error {
	if err := os.MkdirAll(filepath.Join(s.dir, model), 0o700); err != nil {
		return err
	}
	s.serving[model], s.released[model] = version, folder
	return os.Symlink(folder, filepath.Join(s.dir, model, strconv.Itoa(version)))
}

// predictOffline asks the released versions in this process.
func (s *swapped) predictOffline(ctx context.Context, b *bench) (err error) {
	e, err := openEngine(ctx, b.root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.registry.Close(ctx)) }()
	for _, version := range releasedVersions {
		answer, err := e.service.Predict(ctx, &pb.PredictRequest{Target: s.request.Target, ModelVersion: version})
		if err != nil {
			return err
		}
		s.offline[version] = answer.GetPrediction().GetMatchResult()
	}
	return nil
}

// checked returns what is wrong with an answer: it is to be that of the released version which the
// version that it names is a copy of.
func (s *swapped) checked(p *pb.Prediction) error {
	version, err := strconv.Atoi(p.GetModel().GetVersion())
	if err != nil {
		return err
	}
	return s.offline.check(releasedVersions[version%2], p)
}

// swap has the next version of a model take the place of the one that serves, and returns when the
// latter is closed. The span is from when the server began to load the one until it had closed the
// other.
func (s *swapped) swap(model, folder string) (swap span, err error) {
	last := strconv.Itoa(s.serving[model])
	if err := s.place(model, s.serving[model]+1, folder); err != nil {
		return swap, err
	}
	if err := os.Remove(filepath.Join(s.dir, model, last)); err != nil {
		return swap, err
	}
	next := strconv.Itoa(s.serving[model])
	for s.watch.Receive() {
		seen := s.watch.Msg().GetModel()
		if seen.GetName() != model {
			continue
		}
		ended := seen.GetServingVersion() == next
		for _, v := range seen.GetVersions() {
			switch v.GetVersion() {
			case next:
				if swap.from.IsZero() {
					swap.from = time.Now()
				}
				if v.GetState() == pb.ModelState_MODEL_STATE_FAILED {
					return swap, fmt.Errorf("model %s version %s: %s", model, next, v.GetStateReason())
				}
			case last:
				ended = ended && v.GetState() == pb.ModelState_MODEL_STATE_END
			}
		}
		if ended {
			swap.to = time.Now()
			return swap, nil
		}
	}
	return swap, fmt.Errorf("watch models: %w", s.watch.Err())
}

// swapMatchModel swaps the match model.
func (s *swapped) swapMatchModel(b *bench) (span, error) {
	return s.swap(serving.DefaultModel, b.releasedMatchModel(s.serving[serving.DefaultModel]+1))
}

// How swapping is measured: calls per second, swaps of a round, and the time between them.
const (
	swapRate  = 1000
	swaps     = 50
	swapPause = 30 * time.Millisecond
)

// swapping measures what callers notice of swaps.
func (b *bench) swapping(ctx context.Context) ([]*series, error) {
	s, err := b.serveSwapped(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	return b.disturbed("match prediction, while it is swapped", s, 1.5, swaps, swapPause, func() (span, error) { return s.swapMatchModel(b) })
}

// disturbed measures the slowest hundredth of calls that were under way while something else was done,
// so often in each round, relative to the others.
func (b *bench) disturbed(name string, s *swapped, limit float64, times int, pause time.Duration, do func() (span, error)) ([]*series, error) {
	p99 := &series{Name: fmt.Sprintf("%s, %d/s: p99", name, swapRate), Unit: "ms", Beside: "undisturbed", Is: "of undisturbed", Goal: atMost(limit)}
	p50 := &series{Name: fmt.Sprintf("%s, %d/s: p50", name, swapRate), Unit: "ms", Beside: "undisturbed", Is: "of undisturbed"}
	took := &series{Name: name + ": time that takes", Is: "ms"}
	failed := &series{Name: name + ": failed or wrong", Is: fmt.Sprintf("calls in %d times", times), Goal: atMost(0)}
	all := []*series{p99, p50, took, failed}
	err := rounds(b.least, b.most, func(round int) error {
		end := s.begin(swapRate, round)
		var spans []span
		var lengths []float64
		var err error
		for range times {
			<-time.After(pause)
			var done span
			if done, err = do(); err != nil {
				break
			}
			spans = append(spans, done)
			lengths = append(lengths, 1000*done.to.Sub(done.from).Seconds())
		}
		during, beside, wrong := split(end(), spans)
		if err != nil {
			return err
		}
		p99.relative(percentile(during, .99), percentile(beside, .99))
		p50.relative(percentile(during, .5), percentile(beside, .5))
		took.Judged = append(took.Judged, median(lengths))
		failed.Judged = append(failed.Judged, float64(len(wrong)))
		return nil
	}, all...)
	return all, err
}
