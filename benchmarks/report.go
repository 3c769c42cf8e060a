package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// line says a series in one line.
func (s *series) line() string {
	low, high := interval(s.Judged)
	var b strings.Builder
	fmt.Fprintf(&b, "%-52s", s.Name)
	if len(s.Ours) > 0 {
		fmt.Fprintf(&b, " %s %s, %s %s %s:", short(median(s.Ours)), s.Unit, s.beside(), short(median(s.Echo)), s.Unit)
	}
	fmt.Fprintf(&b, " %s %s (%s to %s, %d rounds)", short(median(s.Judged)), s.Is, short(low), short(high), len(s.Judged))
	if s.Goal != nil {
		fmt.Fprintf(&b, "; goal %v", s.Goal)
	}
	if s.Guard != nil {
		fmt.Fprintf(&b, "; guard %v", s.Guard)
	}
	return b.String()
}

// A report is what is kept of a measurement.
type report struct {
	Date   string    `json:"date"`
	Go     string    `json:"go"`
	CPUs   int       `json:"cpus"`
	Series []*series `json:"series"`
}

// write writes the report as JSON, with every round, and as a table in Markdown.
func (b *bench) write(path string) error {
	r := report{Date: time.Now().UTC().Format(time.DateOnly), Go: runtime.Version(), CPUs: runtime.NumCPU(), Series: b.all()}
	encoded, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".json", append(encoded, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(path+".md", []byte(r.markdown()), 0o644)
}

func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s with %s on %d CPUs, which the load generator shares. Medians of rounds in which our\n", r.Date, r.Go, r.CPUs)
	b.WriteString("server and the echo, or what is named in its place, took turns; in brackets the 95% confidence interval of the median.\n\n")
	b.WriteString("| what | ours | echo | judged | goal | guard |\n|---|---|---|---|---|---|\n")
	for _, s := range r.Series {
		low, high := interval(s.Judged)
		ours, echo := "", ""
		if len(s.Ours) > 0 {
			ours, echo = short(median(s.Ours))+" "+s.Unit, short(median(s.Echo))+" "+s.Unit
			if s.Beside != "" {
				echo += " " + s.Beside
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s [%s, %s] %s | %s | %s |\n", s.Name, ours, echo,
			short(median(s.Judged)), short(low), short(high), s.Is, optional(s.Goal), optional(s.Guard))
	}
	return b.String()
}

func optional(b *bound) string {
	if b == nil {
		return ""
	}
	return b.String()
}
