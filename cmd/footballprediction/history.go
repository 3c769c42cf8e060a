package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"footballprediction/features"
	"footballprediction/features/collect"
	"footballprediction/serving"
)

// history is match history read from files, ready to be replayed.
type history struct {
	*collect.History
	played []features.Played // the finished matches; the awarded were not played
}

// readHistory reads the paths, showing progress and reporting what could not be used on standard error.
func readHistory(cmd *cobra.Command, paths []string, odds bool) (*history, error) {
	if len(paths) == 0 {
		return nil, usagef("--data: expected at least one folder or file of matches, got none")
	}
	bar := newProgress(cmd.ErrOrStderr(), "reading")
	read, err := collect.Read(cmd.Context(), paths, collect.Options{Odds: odds, Progress: bar.update})
	bar.finish()
	if err != nil {
		return nil, err
	}
	report(cmd.ErrOrStderr(), &read.Report)
	if len(read.Matches) == 0 {
		return nil, fmt.Errorf("no match found in %v", paths)
	}
	h := &history{History: read}
	teams := make(map[string]*features.Team, len(read.Teams))
	for i := range read.Teams {
		teams[read.Teams[i].ID] = &read.Teams[i]
	}
	leagues := make(map[string]*features.Competition, len(read.Competitions))
	for i := range read.Competitions {
		leagues[read.Competitions[i].Code] = &read.Competitions[i]
	}
	for i := range read.Matches {
		if match := &read.Matches[i]; match.Status == features.Finished {
			h.played = append(h.played, features.Played{
				Match: match, HomeTeam: teams[match.Home], AwayTeam: teams[match.Away], League: leagues[match.Competition],
				Market: marketOf(read.Odds[match.ID]),
			})
		}
	}
	return h, nil
}

// trusted are the bookmakers whose odds on past matches are learned from, the first that has any:
// those at kick-off have seen most, Pinnacle's and the averages least of one house's opinion.
var trusted = []string{"PSC", "AvgC", "B365C", "PS", "Avg", "BbAv", "B365"}

// marketOf is what the odds on a match say of its result and of its goals.
func marketOf(odds []collect.Odds) (m features.Market) {
	for _, bookmaker := range trusted {
		for i := range odds {
			o := &odds[i]
			if o.Bookmaker != bookmaker {
				continue
			}
			if fair, err := serving.DeVig(o.Home, o.Draw, o.Away); m.Home == 0 && err == nil {
				m.Home, m.Away = fair.Home, fair.Away
			}
			if m.Over == 0 && o.Over > 1 && o.Under > 1 {
				m.Over = o.Under / (o.Over + o.Under) // 1/over, normalised
			}
		}
	}
	return m
}

// names are the clubs' names as the file has them.
func (h *history) names(m *features.Played) (home, away string) {
	if spelled, ok := h.Spellings[m.ID]; ok {
		return spelled[0], spelled[1]
	}
	return m.HomeTeam.Name, m.AwayTeam.Name
}

// report says what was read and what was not.
func report(out io.Writer, r *collect.Report) {
	fmt.Fprintf(out, "read %d matches from %d files: %d duplicates, %d awarded or abandoned, %d scheduled, %d rows set aside, %d files passed over\n",
		r.Matches, r.Files, r.Duplicates, r.Awarded, r.Scheduled, r.SetAside.Total(), r.PassedOver.Total())
	for _, tally := range []struct {
		what string
		*collect.Tally
	}{{"rows set aside", &r.SetAside}, {"values not used", &r.Mended}, {"files passed over", &r.PassedOver}} {
		for _, reason := range slices.Sorted(maps.Keys(tally.Counts)) {
			fmt.Fprintf(out, "  %s, %s: %d\n", tally.what, reason, tally.Counts[reason])
		}
	}
	for _, tally := range []*collect.Tally{&r.SetAside, &r.PassedOver, &r.Mended} {
		for _, p := range tally.Examples {
			place := p.File
			if p.Line > 0 {
				place += ":" + strconv.Itoa(p.Line)
			}
			fmt.Fprintf(out, "  %s: %s: %s\n", place, p.Reason, p.Detail)
		}
	}
}
