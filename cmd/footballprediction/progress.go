package main

import (
	"fmt"
	"io"
	"os"
)

// progress shows how far long work has come, on one line of a terminal; elsewhere it is silent.
type progress struct {
	out  io.Writer // nil: silent
	what string
	last int // percent shown
}

func newProgress(out io.Writer, what string) *progress {
	p := &progress{what: what, last: -1}
	if file, ok := out.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.out = out
		}
	}
	return p
}

func (p *progress) update(done, total int) {
	if p.out == nil || total <= 0 {
		return
	}
	if percent := 100 * done / total; percent != p.last {
		p.last = percent
		fmt.Fprintf(p.out, "\r%s %3d%%", p.what, percent)
	}
}

// finish clears the line.
func (p *progress) finish() {
	if p.out != nil && p.last >= 0 {
		fmt.Fprintf(p.out, "\r%*s\r", len(p.what)+5, "")
	}
}
