package main

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// TestPoisson walks through the arrivals of two that share the time, as ghz does. The number in a
// window of a Poisson process has its mean as its variance; evenly spaced arrivals would have none.
func TestPoisson(t *testing.T) {
	const rate, most = 1000, 50_000
	for turn := range 2 {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			p := &poisson{rate: rate, most: most, random: rand.New(rand.NewPCG(1, uint64(turn))), start: start, turn: turn, partners: 2}
			perWindow := make(map[int]float64)
			for hits := range uint64(most) {
				wait, stop := p.Pace(0, hits)
				if stop {
					t.Fatalf("stopped after %d of %d calls", hits, most)
				}
				<-time.After(wait)
				elapsed := time.Since(start)
				if got := int(elapsed / slice % 2); got != turn {
					t.Fatalf("turn %d: a call in the slice of %d, at %v", turn, got, elapsed)
				}
				perWindow[int(elapsed/(10*time.Millisecond))]++
			}
			if _, stop := p.Pace(0, most); !stop {
				t.Errorf("did not stop after %d calls", most)
			}
			if got := 2 * most / time.Since(start).Seconds(); math.Abs(got-rate) > rate*.02 {
				t.Errorf("expected %d calls/s of its own time, got %.0f", rate, got)
			}
			var variance float64
			for _, arrivals := range perWindow {
				variance += (arrivals - 10) * (arrivals - 10) / float64(len(perWindow))
			}
			if math.Abs(variance-10) > 1 {
				t.Errorf("arrivals in 10 ms: expected a variance of 10, got %.2f", variance)
			}
		})
	}
}

// TestPoissonCatchesUp: whoever was held up sends what is due at once.
func TestPoissonCatchesUp(t *testing.T) {
	p := &poisson{rate: 1000, most: 1000, random: rand.New(rand.NewPCG(3, 4)), start: time.Now().Add(-time.Minute), partners: 1}
	for hits := range uint64(500) {
		if wait, _ := p.Pace(0, hits); wait > 0 {
			t.Fatalf("call %d, due long ago, waits for %v", hits, wait)
		}
	}
}
