package season

import (
	"syscall"
	"testing"
	"time"
)

func BenchmarkRun(b *testing.B) {
	for _, c := range []struct {
		name       string
		half       bool
		headToHead bool
	}{{"190 left", true, false}, {"380 left", false, false}, {"190 left, head-to-head", true, true}, {"380 left, head-to-head", false, true}} {
		b.Run(c.name, func(b *testing.B) {
			l := roundRobin(20, c.half)
			l.HeadToHead = c.headToHead
			before := processorTime(b)
			for b.Loop() {
				run(b, l, Options{Seasons: 100_000, Drift: typicalDrift})
			}
			b.ReportMetric((processorTime(b)-before).Seconds()/float64(b.N), "core-s/op")
		})
	}
}

// processorTime is what this process has used: what a simulation takes of one core, however busy the
// machine is with other things.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
