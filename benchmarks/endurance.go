package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// How much swapping a server must endure.
const (
	enduranceSwaps  = 1000
	enduranceWarm   = 100 // after which nothing may grow
	enduranceRounds = 9   // each of a server of its own
	enduranceCalls  = 2000
	growthMax       = 10 << 20 // bytes, or
	growthPart      = .05
)

// enduring measures what many swaps leave behind.
func (b *bench) enduring(ctx context.Context) ([]*series, error) {
	name := fmt.Sprintf("%d swaps, from the %dth to the last: ", enduranceSwaps, enduranceWarm)
	memory := &series{Name: name + "resident memory", Unit: "MB", Beside: "before", Is: "of the growth that is allowed", Goal: atMost(1)}
	files := &series{Name: name + "open files", Beside: "before", Is: "more", Goal: atMost(0)}
	goroutines := &series{Name: name + "goroutines", Beside: "before", Is: "more", Goal: atMost(0)}
	latency := &series{Name: name + "predict a pairing, p50", Unit: "ms", Beside: "before", Is: "of before", Goal: atMost(1.1)}
	took := &series{Name: name + "time of a swap", Unit: "ms", Beside: "before", Is: "of before", Goal: atMost(1.1)}
	all := []*series{memory, files, goroutines, latency, took}
	err := rounds(enduranceRounds, enduranceRounds, func(int) error {
		s, err := b.serveSwapped(ctx, nil)
		if err != nil {
			return err
		}
		defer s.stop()
		var early, late []float64
		var before *holdings
		for i := range enduranceSwaps {
			if i == enduranceWarm {
				if before, err = s.holds(ctx); err != nil {
					return err
				}
			}
			swap, err := s.swapMatchModel(b)
			if err != nil {
				return fmt.Errorf("swap %d: %w", i+1, err)
			}
			length := 1000 * swap.to.Sub(swap.from).Seconds()
			switch {
			case i >= enduranceSwaps-enduranceWarm:
				late = append(late, length)
			case i >= enduranceWarm && i < 2*enduranceWarm:
				early = append(early, length)
			}
		}
		after, err := s.holds(ctx)
		if err != nil {
			return err
		}
		const mega = 1 << 20
		memory.add(after.resident/mega, before.resident/mega, (after.resident-before.resident)/max(growthMax, growthPart*before.resident))
		files.add(after.files, before.files, after.files-before.files)
		goroutines.add(after.goroutines, before.goroutines, after.goroutines-before.goroutines)
		latency.relative(after.p50, before.p50)
		took.relative(median(late), median(early))
		return nil
	}, all...)
	return all, err
}

// holdings are what a server has for the time being.
type holdings struct {
	resident          float64 // bytes
	files, goroutines float64
	p50               float64 // ms, of calls one after another
}

// holds looks at the server after it has answered some calls and collected its garbage.
func (s *swapped) holds(ctx context.Context) (h *holdings, err error) {
	h = new(holdings)
	var latencies []float64
	for range enduranceCalls {
		began := time.Now()
		if err := s.ask(ctx); err != nil {
			return nil, err
		}
		latencies = append(latencies, 1000*time.Since(began).Seconds())
	}
	slices.Sort(latencies)
	h.p50 = percentile(latencies, .5)
	if _, err := s.get(ctx, "/debug/pprof/heap?debug=1&gc=1"); err != nil {
		return nil, err
	}
	profile, err := s.get(ctx, "/debug/pprof/goroutine?debug=1")
	if err != nil {
		return nil, err
	}
	found := regexp.MustCompile(`^goroutine profile: total (\d+)`).FindStringSubmatch(profile)
	if found == nil {
		return nil, fmt.Errorf("goroutine profile: expected a total, got %.60q", profile)
	}
	if h.goroutines, err = strconv.ParseFloat(found[1], 64); err != nil {
		return nil, err
	}
	process := filepath.Join("/proc", strconv.Itoa(s.command.Process.Pid))
	open, err := os.ReadDir(filepath.Join(process, "fd"))
	if err != nil {
		return nil, err
	}
	h.files = float64(len(open))
	h.resident, err = s.resident()
	return h, err
}

// resident returns the bytes of memory that the server has.
func (p *process) resident() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	var size, pages int
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0, fmt.Errorf("/proc: %w", err)
	}
	return float64(pages * os.Getpagesize()), nil
}
