// Package collect reads matches from files: CSV in the football-data.co.uk layout in all its
// variants, in the PDDL layout (the same columns, the league in the folder's name) and in the
// footballcsv layout, and JSON of openfootball, which has fixtures to come as well. Columns are found
// by name, never by position. What cannot be used is set aside and
// counted by reason; the rest is used. Bookmakers' odds are kept apart from the matches, so that
// features cannot see them.
package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"footballprediction/features"
)

// Options say what to read.
type Options struct {
	// Odds asks for the bookmakers' odds.
	Odds bool
	// Progress, if not nil, is called after each file.
	Progress func(done, total int)
}

// History is what the files tell.
type History struct {
	// Matches are ordered by date, competition, home and away team; no two have one id. Status is
	// Finished, or Awarded where the score was given at the table: no one played it, so that it
	// belongs neither in training nor in scoring. It is Scheduled where a file lists the match and none
	// has its score.
	Matches []features.Match
	// Teams are the clubs of Matches by id, each in the competition that it was last seen in.
	Teams []features.Team
	// Competitions are those of Matches by code, each with its last season.
	Competitions []features.Competition
	// Odds are by match id; nil unless asked for.
	Odds map[string][]Odds
	// Spellings are, by match id, the names of the home and the away team as the file has them,
	// where one is not the name that the club is kept under.
	Spellings map[string][2]string
	Report    Report
}

// Odds are one bookmaker's decimal odds on a match.
type Odds struct {
	// Bookmaker is the prefix of the columns in the files: "B365", "B365C", "PS", "PSC", "BbAv", "Avg", "AvgC".
	Bookmaker string
	// Closing tells odds at kick-off from those of some days before.
	Closing          bool
	Home, Draw, Away float64 // each above 1, or all 0 where only those for goals are given
	Over, Under      float64 // of 2.5 goals: both above 1, or both 0 where they are not given
}

// Read reads the files named by paths and all .csv and .json files in the folders among them, at any depth,
// in the order of paths and then of names. A match found twice counts once, as the first file has
// it; what that file does not know is filled in from the others. A path that does not exist is an
// error, as is a failure in the midst of a file; what is wrong in the files is in the Report.
func Read(ctx context.Context, paths []string, options Options) (*History, error) {
	files, err := list(paths)
	if err != nil {
		return nil, err
	}
	r := newReader(options.Odds)
	for i, path := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.open(path); err != nil {
			return nil, err
		}
		if options.Progress != nil {
			options.Progress(i+1, len(files))
		}
	}
	return r.history(), nil
}

// open reads one file, or passes it over.
func (r *reader) open(path string) error {
	info, err := os.Stat(path) // before opening: to open a pipe would wait for its writer
	if err == nil && !info.Mode().IsRegular() {
		r.report.PassedOver.add(Problem{File: path, Reason: NotAFile, Detail: info.Mode().Type().String()})
		return nil
	}
	var file *os.File
	if err == nil {
		file, err = os.Open(path)
	}
	if err != nil {
		r.report.PassedOver.add(Problem{File: path, Reason: Unreadable, Detail: err.Error()})
		return nil
	}
	return errors.Join(r.read(path, file), file.Close())
}

// read reads one file from its content.
func (r *reader) read(path string, content io.Reader) error {
	if isJSON(path) {
		return r.readJSON(path, content)
	}
	f := fileReader{reader: r, path: path, first: len(r.rows), lines: newLines(content, r.buffer)}
	if err := f.readAll(); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
