// Command ghz puts load on one unary gRPC procedure of one or more servers by the runner of ghz, and
// prints what became of the calls, by server, as JSON. With a rate, calls arrive as a Poisson process
// and wait for no answer (open loop); the servers take turns. Without one, as many callers as are
// wished each wait for their answer (closed loop).
//
// It is a module of its own, so that ghz's dependencies decide nothing for the rest.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bojand/ghz/protodesc"
	"github.com/bojand/ghz/runner"
	"github.com/jhump/protoreflect/dynamic"
	"google.golang.org/grpc/metadata"
)

// connections are shared by all callers.
const connections = 8

// A load is what to do.
type load struct {
	addresses                    []string
	procedure, protoset, request string

	rate    float64 // calls per second; 0: closed loop
	callers uint    // of the closed loop
	calls   uint64
	seed    uint64
}

// A result is what became of the calls. The first tenth is left out: connecting is part of it.
type result struct {
	Calls   uint64             `json:"calls"`
	Rate    float64            `json:"rate"`    // calls per second, answered
	Failed  map[string]uint64  `json:"failed"`  // by error
	Seconds map[string]float64 `json:"seconds"` // latencies: p50, p95, p99
}

func main() {
	var l load
	addresses := flag.String("addresses", "", "host:port of each server, separated by commas")
	flag.StringVar(&l.procedure, "procedure", "", "package.Service/Method")
	flag.StringVar(&l.protoset, "protoset", "", "file with the FileDescriptorSet of the procedure")
	flag.StringVar(&l.request, "request", "", "file with the request message, encoded")
	flag.Float64Var(&l.rate, "rate", 0, "calls per second, on average; 0 for a closed loop")
	flag.UintVar(&l.callers, "callers", 64, "callers of a closed loop")
	flag.Uint64Var(&l.calls, "calls", 1000, "calls to each server in all")
	flag.Uint64Var(&l.seed, "seed", 1, "of the arrivals")
	flag.Parse()
	l.addresses = strings.Split(*addresses, ",")
	results, err := l.run()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(results)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ghz:", err)
		os.Exit(1)
	}
}

// run puts the load on all servers.
func (l *load) run() ([]*result, error) {
	method, err := protodesc.GetMethodDescFromProtoSet(l.procedure, l.protoset)
	if err != nil {
		return nil, err
	}
	encoded, err := os.ReadFile(l.request)
	if err != nil {
		return nil, err
	}
	request := dynamic.NewMessage(method.GetInputType())
	if err := request.Unmarshal(encoded); err != nil {
		return nil, fmt.Errorf("request %q: %w", l.request, err)
	}
	results, errs := make([]*result, len(l.addresses)), make([]error, len(l.addresses))
	start := time.Now().Add(slice) // once all are connected
	var all sync.WaitGroup
	for turn, address := range l.addresses {
		all.Go(func() {
			report, err := runner.Run(l.procedure, address, l.options(request, start, turn)...)
			if errs[turn] = err; err == nil {
				results[turn] = summarise(report)
			}
		})
	}
	all.Wait()
	return results, errors.Join(errs...)
}

// options are how ghz calls the server whose turn it is.
func (l *load) options(request *dynamic.Message, start time.Time, turn int) []runner.Option {
	requests, header := []*dynamic.Message{request}, &metadata.MD{}
	options := []runner.Option{
		runner.WithInsecure(true),
		runner.WithProtoset(l.protoset),
		runner.WithConnections(connections),
		runner.WithTotalRequests(uint(l.calls)),
		runner.WithSkipFirst(uint(l.calls / 10)),
		runner.WithTimeout(10 * time.Second),
		// Made once: by default ghz fills templates for every call.
		runner.WithDataProvider(func(*runner.CallData) ([]*dynamic.Message, error) { return requests, nil }),
		runner.WithMetadataProvider(func(*runner.CallData) (*metadata.MD, error) { return header, nil }),
	}
	if l.rate == 0 {
		return append(options, runner.WithConcurrency(l.callers))
	}
	return append(options, runner.WithAsync(true), runner.WithConcurrency(connections), runner.WithPacer(&poisson{
		rate: l.rate, most: l.calls, random: rand.New(rand.NewPCG(l.seed, uint64(turn))), start: start, turn: turn, partners: len(l.addresses),
	}))
}

// summarise keeps of ghz's report what is asked about. Latencies are those of answered calls.
func summarise(report *runner.Report) *result {
	r := &result{Calls: report.Count, Rate: report.Rps, Failed: map[string]uint64{}, Seconds: map[string]float64{}}
	var answered []float64
	for _, call := range report.Details {
		if call.Error != "" {
			r.Failed[call.Error]++
			continue
		}
		answered = append(answered, call.Latency.Seconds())
	}
	if len(answered) == 0 {
		return r
	}
	slices.Sort(answered)
	for name, part := range map[string]float64{"p50": .50, "p95": .95, "p99": .99} {
		r.Seconds[name] = answered[int(part*float64(len(answered)-1)+.5)]
	}
	return r
}
