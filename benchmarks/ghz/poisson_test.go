package main

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestPoisson walks through arrivals as ghz does. The number in a window of a Poisson process has
// its mean as its variance; evenly spaced arrivals would have none.
func TestPoisson(t *testing.T) {
	const rate, most = 1000, 100_000
	p := newPoisson(rate, most, rand.New(rand.NewPCG(1, 2)))
	var elapsed time.Duration
	perWindow := make(map[int]float64)
	for hits := range uint64(most) {
		wait, stop := p.Pace(elapsed, hits)
		if stop {
			t.Fatalf("stopped after %d of %d calls", hits, most)
		}
		elapsed += wait
		perWindow[int(elapsed/(10*time.Millisecond))]++
	}
	if _, stop := p.Pace(elapsed, most); !stop {
		t.Errorf("did not stop after %d calls", most)
	}
	if got := most / elapsed.Seconds(); math.Abs(got-rate) > rate*.02 {
		t.Errorf("expected %d calls/s, got %.0f", rate, got)
	}
	var variance float64
	windows := int(elapsed / (10 * time.Millisecond))
	for w := range windows {
		variance += (perWindow[w] - 10) * (perWindow[w] - 10) / float64(windows)
	}
	if math.Abs(variance-10) > 1 {
		t.Errorf("arrivals in 10 ms: expected a variance of 10, got %.2f", variance)
	}
}

// TestPoissonCatchesUp: whoever was held up sends what is due at once.
func TestPoissonCatchesUp(t *testing.T) {
	p := newPoisson(1000, 1000, rand.New(rand.NewPCG(3, 4)))
	for hits := range uint64(500) {
		if wait, _ := p.Pace(time.Second, hits); wait > 0 {
			t.Fatalf("call %d, due long ago, waits for %v", hits, wait)
		}
	}
}
