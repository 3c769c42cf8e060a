package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/inference"
	"footballprediction/inference/mlflow/mlflowtest"
	"footballprediction/serving"
)

// aliasInterval is how often the server asks MLflow.
const aliasInterval = time.Second

// followingAlias measures how long after an alias was moved in a real MLflow the version that it names
// answers, which is neither on disk nor loaded before.
func (b *bench) followingAlias(ctx context.Context) (all []*series, err error) {
	tracking, err := mlflowtest.Start()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tracking.Close()) }()
	var files [2]map[string][]byte
	if err := told(func(t testing.TB) {
		for i := range files {
			files[i] = mlflowtest.Folder(t, b.releasedMatchModel(i))
		}
		first := tracking.Register(t, serving.DefaultModel, files[1])
		tracking.Alias(t, serving.DefaultModel, inference.Champion, first)
	}); err != nil {
		return nil, err
	}
	p, err := b.serve(ctx, []string{"MLFLOW_TRACKING_URI=" + tracking.URL},
		"--data-dir", filepath.Join(b.dir, "aliases"), "--poll-interval", aliasInterval.String())
	if err != nil {
		return nil, err
	}
	defer p.stop()
	var last string
	c, err := dialCallers(p.grpc, pairing("Arsenal", "Chelsea"), func(p *pb.Prediction) error {
		last = p.GetModel().GetVersion()
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.hangUp()) }()
	name := fmt.Sprintf("alias moved in MLflow, asked every %v: until the new version answers", aliasInterval)
	took := &series{Name: name, Is: "of 2 × the interval + the load", Goal: atMost(1)}
	seconds := &series{Name: name, Is: "s"}
	loads := &series{Name: "a version fetched from MLflow, opened, checked and warmed", Is: "s"}
	all = []*series{took, seconds, loads}
	err = rounds(b.least, b.most, func(round int) error {
		var version string
		before, err := p.loading(ctx)
		if err != nil {
			return err
		}
		var moved time.Time
		if err := told(func(t testing.TB) {
			version = tracking.Register(t, serving.DefaultModel, files[round%2])
			moved = time.Now()
			tracking.Alias(t, serving.DefaultModel, inference.Champion, version)
		}); err != nil {
			return err
		}
		for last != version {
			if err := c.ask(ctx); err != nil {
				return err
			}
			if time.Since(moved) > time.Minute {
				return fmt.Errorf("version %s still answers instead of %s", last, version)
			}
		}
		until := time.Since(moved).Seconds()
		after, err := p.loading(ctx)
		if err != nil {
			return err
		}
		load := after - before
		took.Judged = append(took.Judged, until/(2*aliasInterval.Seconds()+load))
		seconds.Judged = append(seconds.Judged, until)
		loads.Judged = append(loads.Judged, load)
		return nil
	}, all...)
	return all, err
}

var loadingLine = regexp.MustCompile(`(?m)^footballprediction_model_load_duration_seconds_sum\{[^}]*failed="false"[^}]*\} (\S+)$`)

// loading returns how many seconds the server has spent on loading versions.
func (p *process) loading(ctx context.Context) (sum float64, err error) {
	metrics, err := p.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for _, line := range loadingLine.FindAllStringSubmatch(metrics, -1) {
		seconds, err := strconv.ParseFloat(line[1], 64)
		if err != nil {
			return 0, fmt.Errorf("metrics: %w", err)
		}
		sum += seconds
	}
	return sum, nil
}

// told runs what needs a test to tell of its failure, and returns that.
func told(f func(testing.TB)) (err error) {
	defer func() {
		if failed, ok := recover().(failure); ok {
			err = failed
		}
	}()
	f(teller{})
	return nil
}

type failure struct{ error }

// teller is what package mlflowtest calls of a test.
type teller struct{ testing.TB }

func (teller) Helper() {}

// Fatal ends what told runs.
func (teller) Fatal(all ...any) { panic(failure{errors.New(fmt.Sprint(all...))}) }
