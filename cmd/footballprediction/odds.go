package main

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// oddsRow is a row of the odds file: one bookmaker's decimal odds on a match.
type oddsRow struct {
	MatchID   string  `parquet:"match_id"`
	Bookmaker string  `parquet:"bookmaker"`
	Closing   bool    `parquet:"closing"`
	Home      float64 `parquet:"home"`
	Draw      float64 `parquet:"draw"`
	Away      float64 `parquet:"away"`
}

// writeOdds writes the odds of the matches played, in their order.
func writeOdds(out io.Writer, h *history) error {
	w := parquet.NewGenericWriter[oddsRow](out, parquet.Compression(&parquet.Zstd))
	for i := range h.played {
		id := h.played[i].ID
		for _, o := range h.Odds[id] {
			if o.Home == 0 {
				continue // odds on goals alone
			}
			row := oddsRow{MatchID: id, Bookmaker: o.Bookmaker, Closing: o.Closing, Home: o.Home, Draw: o.Draw, Away: o.Away}
			if _, err := w.Write([]oddsRow{row}); err != nil {
				return fmt.Errorf("odds of %s: %w", id, err)
			}
		}
	}
	return w.Close()
}
