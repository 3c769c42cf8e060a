package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/api/gen/footballprediction/v1/footballpredictionv1connect"
	"footballprediction/inference"
	"footballprediction/serving"
)

// A neighbour is large enough for its load to take far longer than a call: 16 matrices of 1 MiB.
const (
	neighbour       = "neighbour"
	neighbourLayers = 16
	neighbourWidth  = 512
	neighbourLoads  = 8 // in a round
	neighbourPause  = 200 * time.Millisecond
)

// besideLoads measures what callers of a model notice of another one's being loaded.
func (b *bench) besideLoads(ctx context.Context) ([]*series, error) {
	folder := filepath.Join(b.dir, "layers")
	if err := writeLayers(folder, neighbourLayers, neighbourWidth); err != nil {
		return nil, err
	}
	s, err := b.serveSwapped(ctx, map[string]string{neighbour: folder})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	return b.disturbed("match prediction, while another model is loaded", s, 1.3, neighbourLoads, neighbourPause, func() (span, error) {
		return s.swap(neighbour, folder)
	})
}

// crowd is how many models a server of many has, and pollUsual how often it looks for others.
const (
	crowd     = 200
	pollUsual = inference.IntervalDefault
)

// crowded compares a server that has many models with one that has a single one.
func (b *bench) crowded(ctx context.Context) ([]*series, error) {
	small := filepath.Join(b.root, "models", "testdata", "half_plus_two", "1")
	others := map[string]string{}
	for i := range crowd - 1 {
		others[fmt.Sprintf("small-%03d", i+1)] = small
	}
	many, err := b.serveSwapped(ctx, others, "--poll-interval", pollUsual.String())
	if err != nil {
		return nil, err
	}
	defer many.stop()
	one, err := b.serveSwapped(ctx, nil, "--poll-interval", pollUsual.String())
	if err != nil {
		return nil, err
	}
	defer one.stop()
	for _, s := range []*swapped{many, one} { // connections, pools, the first collections
		if _, err := b.calls.pairing.saturate(ctx, s.grpc, saturationCalls/3); err != nil {
			return nil, err
		}
	}
	name := fmt.Sprintf("%d models loaded: ", crowd)
	rate := &series{Name: name + "predict a pairing, saturated: answers", Unit: "/s", Beside: "with one", Is: "of one model's", Goal: atLeast(.9)}
	cpu := &series{Name: name + "predict a pairing, saturated: CPU per call", Unit: "µs", Beside: "with one", Is: "of one model's"}
	memory := &series{Name: name + "resident memory", Unit: "MB", Beside: "with one", Is: "MB per small model"}
	all := []*series{rate, cpu, memory}
	err = rounds(b.least, b.most, func(round int) error {
		ours, theirs, err := inTurn(round, many.process, one.process, func(p *process) (sample, error) { return p.saturated(ctx, b.calls.pairing) })
		if err != nil {
			return err
		}
		rate.relative(ours.rate, theirs.rate)
		cpu.relative(1e6*ours.cpu, 1e6*theirs.cpu)
		var resident [2]float64
		for i, s := range []*swapped{many, one} {
			if resident[i], err = s.resident(); err != nil {
				return err
			}
		}
		const mega = 1 << 20
		memory.add(resident[0]/mega, resident[1]/mega, (resident[0]-resident[1])/mega/(crowd-1))
		return nil
	}, all...)
	return all, err
}

// shadowed compares a server whose requests are all copied to a shadow with one that has none, both
// under half of the load that they can bear.
func (b *bench) shadowed(ctx context.Context) ([]*series, error) {
	var servers [2]*process
	for i := range servers {
		var err error
		if servers[i], err = b.serve(ctx, nil, "--data-dir", filepath.Join(b.dir, fmt.Sprintf("shadowed-%d", i))); err != nil {
			return nil, err
		}
		defer servers[i].stop()
	}
	shadowing, plain := servers[0], servers[1]
	models := footballpredictionv1connect.NewModelServiceClient(http.DefaultClient, "http://"+shadowing.operator)
	if _, err := models.SetTraffic(ctx, &pb.SetTrafficRequest{
		Name: serving.DefaultModel, Actor: "benchmarks", Route: &pb.Route{Shadow: releasedVersions[1]},
	}); err != nil {
		return nil, err
	}
	rate, err := b.halfRate(ctx, b.calls.pairing, plain)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("predict a pairing, half of saturation (%.0f/s), all shadowed: ", rate)
	p50 := &series{Name: name + "p50", Unit: "ms", Beside: "not shadowed", Is: "of not shadowed"}
	p99 := &series{Name: name + "p99", Unit: "ms", Beside: "not shadowed", Is: "of not shadowed", Goal: atMost(1.1)}
	all := []*series{p50, p99}
	err = rounds(b.least, b.most, func(round int) error {
		ours, theirs, err := b.calls.pairing.openLoop(ctx, b.tools, shadowing, plain, rate, int(2*rate), round)
		if err != nil {
			return err
		}
		p50.relative(1000*ours.Seconds["p50"], 1000*theirs.Seconds["p50"])
		p99.relative(1000*ours.Seconds["p99"], 1000*theirs.Seconds["p99"])
		return nil
	}, all...)
	return all, err
}
