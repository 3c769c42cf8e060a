package serving

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/features"
	"footballprediction/serving/season"
)

// A campaign is a league's season as far as it is known.
type campaign struct {
	competition  features.Competition
	season       string              // empty where the request told the matches
	rows         []features.TableRow // best first; the teams are numbered in this order
	played       int
	results      []season.Score // all that were played, where that is known
	complete     bool           // results holds all of them
	toCome       []encounter
	illustrative bool
}

// An encounter is a match to come. Teams are ids until number has numbered them.
type encounter struct {
	homeID, awayID string
	home, away     int
	date           features.Date
	field          string // of the request; empty for a stored match
}

// maxStored bounds how many matches to come are read of a competition.
const maxStored = 10 * season.MaxMatches

// storedCampaign is a season as the store knows it: the table of the latest season, and the matches to
// come. name is empty for the season that has matches to come, or else the latest.
func (s *Service) storedCampaign(ctx context.Context, code, name string) (*campaign, error) {
	table, err := s.matches.Table(ctx, code)
	if err != nil {
		return nil, ExplainField(err, "competition")
	}
	stored, err := s.matchesToCome(ctx, code)
	if err != nil {
		return nil, err
	}
	// Made-up matches begin a season; they do not complete one that is being played.
	stored = slices.DeleteFunc(stored, func(m features.Match) bool {
		return m.Season < table.Season || m.Illustrative && m.Season == table.Season
	})
	if name == "" {
		name = table.Season
		if len(stored) > 0 {
			name = slices.MinFunc(stored, func(a, b features.Match) int { return cmp.Compare(a.Season, b.Season) }).Season
		}
	}
	c := &campaign{competition: table.Competition, season: name, complete: true}
	numbers := make(map[string]bool)
	if name == table.Season {
		c.rows = slices.Clone(table.Rows)
		for _, row := range c.rows {
			c.played += row.Played
			numbers[row.Team.ID] = true
		}
		c.played /= 2
		c.complete = c.played == 0 // the matches of a table are not kept
	}
	today := features.DateOf(s.now())
	for _, m := range stored {
		if m.Season != name {
			continue
		}
		e := encounter{homeID: m.Home, awayID: m.Away, date: m.Date}
		if m.Date <= max(table.AsOf, today-1) { // put off
			e.date = max(table.AsOf, today) + 1
		}
		c.toCome = append(c.toCome, e)
		c.illustrative = c.illustrative || m.Illustrative
		for _, id := range []string{m.Home, m.Away} {
			if numbers[id] {
				continue
			}
			numbers[id] = true
			team, err := s.matches.Team(ctx, id)
			if err != nil {
				return nil, unresolved(&m, err)
			}
			c.rows = append(c.rows, features.TableRow{Team: team})
		}
	}
	if len(c.toCome) == 0 {
		if name != table.Season {
			return nil, errorf(SeasonUnknown, "season %q of %s: expected %s or a season with matches to come", clip(name), code, table.Season).
				with("season", name).at("season")
		}
		return c, c.checkOver()
	}
	c.number()
	return c, c.checkMeetings()
}

// checkMeetings returns an error where a stored match comes twice: to come on two days, or to come
// although it has been played.
func (c *campaign) checkMeetings() error {
	most := seasonRuleOf(c.competition.Code).meetings
	meetings := make(map[[2]int]int)
	toCome := make([]int, len(c.rows))
	for _, e := range c.toCome {
		home, away := &c.rows[e.home], &c.rows[e.away]
		if meetings[[2]int{e.home, e.away}]++; meetings[[2]int{e.home, e.away}] > most {
			return errorf(SeasonIncomplete, "%s %s: %s against %s is stored once more than the %d times of a season; tell the season's matches",
				c.competition.Code, c.season, home.Team.Name, away.Team.Name, most).with("season", c.season).at("matches")
		}
		toCome[e.home]++
		toCome[e.away]++
	}
	for i, row := range c.rows {
		if all := 2 * most * (len(c.rows) - 1); row.Played+toCome[i] > all {
			return errorf(SeasonIncomplete, "%s %s: %s has %d matches played and %d to come, more than the %d of a season; tell the season's matches",
				c.competition.Code, c.season, row.Team.Name, row.Played, toCome[i], all).with("season", c.season).at("matches")
		}
	}
	return nil
}

// checkOver returns an error unless every team has met every other at both grounds.
func (c *campaign) checkOver() error {
	all := 2 * (len(c.rows) - 1)
	for _, row := range c.rows {
		if row.Played < all {
			return errorf(SeasonIncomplete, "%s %s: %s has played %d matches of at least %d, and which are left is not known; tell the season's matches",
				c.competition.Code, c.season, row.Team.Name, row.Played, all).with("season", c.season).at("matches")
		}
	}
	return nil
}

// matchesToCome are the matches of a competition that are still to be played, or to be played again.
// One that is being played counts from its start.
func (s *Service) matchesToCome(ctx context.Context, code string) ([]features.Match, error) {
	query := features.MatchQuery{
		Competition: code, Limit: 1000,
		Statuses: []features.Status{features.Scheduled, features.Live, features.Postponed, features.Abandoned},
	}
	var all []features.Match
	for {
		page, err := s.matches.Matches(ctx, query)
		if err != nil {
			return nil, fmt.Errorf("matches of %s to come: %w", code, err)
		}
		all = append(all, page.Items...)
		if page.Next == "" || len(all) >= maxStored {
			return all, nil
		}
		query.After = page.Next
	}
}

// toldCampaign is the season that a request tells match by match.
func (s *Service) toldCampaign(ctx context.Context, request *pb.SimulateSeasonRequest) (*campaign, error) {
	competition, err := s.matches.Competition(ctx, request.Competition)
	if err != nil {
		return nil, ExplainField(err, "competition")
	}
	c := &campaign{competition: competition, complete: true}
	known := make(map[string]features.Team) // by the names that the request uses
	rows := make(map[string]*features.TableRow)
	find := func(name, field string) (*features.TableRow, error) {
		team, seen := known[name]
		if !seen {
			if team, err = s.findTeam(ctx, name, competition.Country); err != nil {
				return nil, ExplainField(err, field)
			}
			known[name] = team
		}
		if rows[team.ID] == nil {
			rows[team.ID] = &features.TableRow{Team: team}
		}
		return rows[team.ID], nil
	}
	type result struct{ home, away *features.TableRow }
	var results []result
	meetings, most := make(map[result]int), seasonRuleOf(competition.Code).meetings
	today := features.DateOf(s.now())
	for i, m := range request.Matches {
		field := fmt.Sprintf("matches[%d]", i)
		home, err := find(m.GetHomeTeam(), field+".home_team")
		if err != nil {
			return nil, err
		}
		away, err := find(m.GetAwayTeam(), field+".away_team")
		if err != nil {
			return nil, err
		}
		pair := result{home, away}
		if home == away {
			return nil, errorf(SameTeamTwice, "%s.away_team: expected another team than home_team, got %q twice", field, home.Team.Name).
				with("team", home.Team.ID).at(field + ".away_team")
		}
		if meetings[pair]++; meetings[pair] > most {
			return nil, errorf(FieldInvalid, "%s: %s receives %s once more than the %d times of a season", field, home.Team.Name, away.Team.Name, most).at(field)
		}
		date := today
		if m.GetDate() != "" {
			if date, err = parseDate(field+".date", m.Date); err != nil {
				return nil, err
			}
		}
		if m.GetScore() == nil {
			c.toCome = append(c.toCome, encounter{homeID: home.Team.ID, awayID: away.Team.ID, date: date, field: field})
			continue
		}
		scored, conceded := int(m.Score.Home), int(m.Score.Away)
		if scored < 0 || scored > maxScore || conceded < 0 || conceded > maxScore {
			return nil, errorf(FieldInvalid, "%s.score: expected 0 to %d goals a side, got %d-%d", field, maxScore, scored, conceded).at(field + ".score")
		}
		record(home, scored, conceded)
		record(away, conceded, scored)
		c.played++
		results = append(results, pair)
		c.results = append(c.results, season.Score{HomeGoals: scored, AwayGoals: conceded})
	}
	for _, row := range rows {
		c.rows = append(c.rows, *row)
	}
	number := c.number()
	for i, pair := range results {
		c.results[i].Home, c.results[i].Away = number[pair.home.Team.ID], number[pair.away.Team.ID]
	}
	return c, nil
}

// maxScore is the most goals of one side in a result that a request tells.
const maxScore = 99

// record adds one side's result to its row.
func record(row *features.TableRow, scored, conceded int) {
	row.Played++
	row.GoalsFor += scored
	row.GoalsAgainst += conceded
	switch {
	case scored > conceded:
		row.Won++
		row.Points += 3
	case scored == conceded:
		row.Drawn++
		row.Points++
	default:
		row.Lost++
	}
}

// number orders the table and numbers the teams by their place in it.
func (c *campaign) number() map[string]int {
	slices.SortFunc(c.rows, func(a, b features.TableRow) int {
		return cmp.Or(
			cmp.Compare(b.Points, a.Points),
			cmp.Compare(b.GoalsFor-b.GoalsAgainst, a.GoalsFor-a.GoalsAgainst),
			cmp.Compare(b.GoalsFor, a.GoalsFor),
			cmp.Compare(a.Team.ID, b.Team.ID),
		)
	})
	number := make(map[string]int, len(c.rows))
	for i, row := range c.rows {
		number[row.Team.ID] = i
	}
	for i := range c.toCome {
		e := &c.toCome[i]
		e.home, e.away = number[e.homeID], number[e.awayID]
	}
	return number
}
