package features

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

var (
	premier      = Competition{Code: "E0", Name: "Premier League", Country: "England", Tier: 1}
	championship = Competition{Code: "E1", Name: "Championship", Country: "England", Tier: 2}
	bundesliga   = Competition{Code: "D1", Name: "Bundesliga", Country: "Germany", Tier: 1}
)

// season plays a double round robin with random results, two rounds a week, some on shared dates.
func season(random *rand.Rand, league Competition, label string, start Date, clubs []Team) []Played {
	var played []Played
	for i, home := range clubs {
		for j, visitor := range clubs {
			if i == j {
				continue
			}
			date := start + Date((i*7+j*11)%40*3)
			count := func(mean int) int16 { return int16(random.IntN(2*mean + 1)) }
			m := Match{
				ID:          fmt.Sprintf("%s-%s-%s-%s", league.Code, date, home.ID, visitor.ID),
				Competition: league.Code, Season: label, Date: date, Home: home.ID, Away: visitor.ID,
				Status: Finished, HomeGoals: count(1), AwayGoals: count(1),
				HomeStats: Stats{Shots: count(12), ShotsOnTarget: count(5), Corners: count(6)},
				AwayStats: Stats{Shots: count(9), ShotsOnTarget: count(4), Corners: count(4)},
			}
			if random.IntN(5) == 0 { // as in the years before anybody counted
				m.HomeStats = Stats{NoCount, NoCount, NoCount, NoCount, NoCount}
				m.AwayStats = m.HomeStats
			}
			odds := Market{Home: .2 + .5*random.Float64(), Away: .05 + .2*random.Float64(), Over: .3 + .4*random.Float64()}
			if random.IntN(6) == 0 {
				odds = Market{}
			}
			played = append(played, Played{Match: &m, HomeTeam: &home, AwayTeam: &visitor, League: &league, Market: odds})
		}
	}
	return played
}

func clubs(country, prefix string, n int) []Team {
	teams := make([]Team, n)
	for i := range teams {
		name := fmt.Sprintf("%s %c", prefix, 'A'+i)
		teams[i] = Team{ID: prefix + "-" + string(rune('a'+i)), Name: name, Country: country}
	}
	return teams
}

// history is three seasons of two English divisions, with two clubs going up and two down each
// summer, and of a German one.
func history() []Played {
	random := rand.New(rand.NewPCG(1, 2))
	english, german := clubs("England", "eng", 14), clubs("Germany", "ger", 6)
	var all []Played
	for year := range 3 {
		start := Date(15000 + 365*year)
		label := fmt.Sprintf("%d-%02d", 2010+year, 11+year)
		all = append(all, season(random, premier, label, start, english[:7])...)
		all = append(all, season(random, championship, label, start-9, english[7:])...)
		all = append(all, season(random, bundesliga, label, start+4, german)...)
		english[5], english[6], english[7], english[8] = english[7], english[8], english[5], english[6]
	}
	return all
}

// clone copies matches, so that a change to one is none to the other.
func clone(matches []Played) []Played {
	copied := slices.Clone(matches)
	for i := range copied {
		match := *copied[i].Match
		copied[i].Match = &match
	}
	return copied
}

// vectors replays matches on top of r and returns each match's vector by id.
func vectors(t *testing.T, r *Replay, matches []Played) map[string][]float32 {
	t.Helper()
	seen := map[string][]float32{}
	last := Date(math.MinInt32)
	err := r.Advance(matches, func(m *Played, v *Vector) error {
		if m.Date < last {
			t.Fatalf("%s visited after %s", m.ID, last)
		}
		if v.AsOf >= m.Date {
			t.Fatalf("%s: vector as of %s", m.ID, v.AsOf)
		}
		last = m.Date
		seen[m.ID] = slices.Clone(v.Values)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != len(matches) {
		t.Fatalf("visited %d of %d matches", len(seen), len(matches))
	}
	return seen
}

// same compares bit by bit, so that NaN would equal itself.
func same(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func eachRecipe(t *testing.T, test func(*testing.T, *Recipe)) {
	for _, recipe := range Recipes() {
		t.Run(recipe.Name, func(t *testing.T) { test(t, recipe) })
	}
}

func TestReplayIsDeterministic(t *testing.T) { eachRecipe(t, replayIsDeterministic) }

func replayIsDeterministic(t *testing.T, recipe *Recipe) {
	matches := history()
	want := vectors(t, NewReplay(recipe), matches)
	shuffled := clone(matches)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for id, got := range vectors(t, NewReplay(recipe), shuffled) {
		if !same(got, want[id]) {
			t.Fatalf("%s: %v, then %v", id, want[id], got)
		}
	}
}

func TestVectorsAreFiniteAndDiffer(t *testing.T) { eachRecipe(t, vectorsAreFiniteAndDiffer) }

func vectorsAreFiniteAndDiffer(t *testing.T, recipe *Recipe) {
	distinct := map[string]bool{}
	for id, v := range vectors(t, NewReplay(recipe), history()) {
		for i, x := range v {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				t.Fatalf("%s: %s is %v", id, recipe.Schema.Features[i].Name, x)
			}
		}
		distinct[fmt.Sprint(v)] = true
	}
	if len(distinct) < 200 {
		t.Fatalf("only %d distinct vectors", len(distinct))
	}
}

// Whatever happens on a date or later, and whatever odds are given on it, no vector up to that date changes.
func TestNothingAfterKickOffEntersAVector(t *testing.T) {
	eachRecipe(t, nothingAfterKickOffEntersAVector)
}

func nothingAfterKickOffEntersAVector(t *testing.T, recipe *Recipe) {
	matches := history()
	want := vectors(t, NewReplay(recipe), matches)
	random := rand.New(rand.NewPCG(5, 6))
	for range 25 {
		date := matches[random.IntN(len(matches))].Date
		changed := clone(matches)
		altered := 0
		for i := range changed {
			if m := &changed[i]; m.Date >= date {
				m.HomeGoals, m.AwayGoals = int16(random.IntN(8)), int16(random.IntN(8))
				m.HomeStats.ShotsOnTarget, m.AwayStats.Shots = int16(random.IntN(20)), int16(random.IntN(40))
				m.Market = Market{Home: random.Float64(), Away: random.Float64(), Over: random.Float64()}
				altered++
			}
		}
		got := vectors(t, NewReplay(recipe), changed)
		later := 0
		for _, m := range matches {
			if m.Date <= date {
				if !same(got[m.ID], want[m.ID]) {
					t.Fatalf("results from %s on changed the vector of %s", date, m.ID)
				}
			} else if !same(got[m.ID], want[m.ID]) {
				later++
			}
		}
		if altered > 100 && later == 0 {
			t.Fatalf("results from %s on changed nothing at all", date)
		}
	}
}

func TestMatchesOfOneDateDoNotSeeEachOther(t *testing.T) {
	eachRecipe(t, matchesOfOneDateDoNotSeeEachOther)
}

func matchesOfOneDateDoNotSeeEachOther(t *testing.T, recipe *Recipe) {
	matches := history()
	want := vectors(t, NewReplay(recipe), matches)
	probes := 0
	for probe := 0; probe < len(matches); probe += 17 {
		alone := slices.DeleteFunc(clone(matches), func(m Played) bool {
			return m.Date == matches[probe].Date && m.ID != matches[probe].ID
		})
		if len(alone) == len(matches) {
			continue // it was alone anyway
		}
		probes++
		id := matches[probe].ID
		if got := vectors(t, NewReplay(recipe), alone)[id]; !same(got, want[id]) {
			t.Fatalf("%s depends on other matches of its date", id)
		}
	}
	if probes < 5 {
		t.Fatalf("only %d dates had several matches", probes)
	}
}

func TestIncrementalUpdateEqualsFreshReplay(t *testing.T) {
	eachRecipe(t, incrementalUpdateEqualsFreshReplay)
}

func incrementalUpdateEqualsFreshReplay(t *testing.T, recipe *Recipe) {
	matches := history()
	fresh := NewReplay(recipe)
	want := vectors(t, fresh, matches)
	wantState, err := json.Marshal(fresh.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range []Date{15001, 15050, 15364, 15500, 15790} {
		before := slices.DeleteFunc(clone(matches), func(m Played) bool { return m.Date >= cut })
		after := slices.DeleteFunc(clone(matches), func(m Played) bool { return m.Date < cut })
		first := NewReplay(recipe)
		vectors(t, first, before)
		text, err := json.Marshal(first.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		var snapshot Snapshot
		if err := json.Unmarshal(text, &snapshot); err != nil {
			t.Fatal(err)
		}
		second, err := Restore(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		for id, got := range vectors(t, second, after) {
			if !same(got, want[id]) {
				t.Fatalf("cut at %s: the vector of %s differs from a fresh replay's", cut, id)
			}
		}
		state, err := json.Marshal(second.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		if string(state) != string(wantState) {
			t.Fatalf("cut at %s: the state differs from a fresh replay's", cut)
		}
	}
}

func TestALeagueDoesNotDependOnOtherCountries(t *testing.T) {
	eachRecipe(t, aLeagueDoesNotDependOnOtherCountries)
}

func aLeagueDoesNotDependOnOtherCountries(t *testing.T, recipe *Recipe) {
	matches := history()
	want := vectors(t, NewReplay(recipe), matches)
	german := slices.DeleteFunc(clone(matches), func(m Played) bool { return m.Competition != "D1" })
	for id, got := range vectors(t, NewReplay(recipe), german) {
		if !same(got, want[id]) {
			t.Fatalf("%s depends on other leagues", id)
		}
	}
}

func TestNewcomersInheritFromThoseTheyReplace(t *testing.T) {
	matches := history()
	firstSeason := slices.DeleteFunc(clone(matches), func(m Played) bool { return m.Season != "2010-11" })
	r := NewReplay(matchRecipe)
	vectors(t, r, firstSeason)
	league := r.League("E0")
	promoted, stays := r.Team("eng-h"), r.Team("eng-a")
	var foot ratings
	for _, row := range league.Table[len(league.Table)-constants.Newcomers:] {
		for i, v := range r.Team(row.Team.ID).spell("E0").Ratings {
			foot[i] += v / float64(constants.Newcomers)
		}
	}
	if got := promoted.standing(league, "2011-12", 15365); !got.newcomer || got.ratings != foot {
		t.Fatalf("promoted club: newcomer %v with ratings\n%v, expected\n%v", got.newcomer, got.ratings, foot)
	}
	if got := stays.standing(league, "2011-12", 15365); got.newcomer || got.ratings != stays.spell("E0").Ratings.carried() {
		t.Fatalf("a club that stayed: %+v", got)
	}
	relegated := r.Team("eng-f")
	if got := relegated.standing(r.League("E1"), "2011-12", 15365); !got.newcomer || got.ratings != r.League("E1").NextEntrants.FromAbove {
		t.Fatalf("relegated club: %+v", got)
	}
	foreign := r.Team("ger-a")
	if got := foreign.standing(league, "2010-11", 15365); got.newcomer || got.country != "Germany" || got.ratings != foreign.spell("D1").Ratings {
		t.Fatalf("foreign club: %+v", got)
	}
}

func TestAdvanceRefuses(t *testing.T) {
	matches := history()[:20]
	twice := append(clone(matches), matches[3])
	itself := clone(matches)
	itself[0].Away = itself[0].Home
	old := NewReplay(matchRecipe)
	vectors(t, old, matches)
	for _, c := range []struct {
		name    string
		replay  *Replay
		matches []Played
		want    error
	}{
		{"a match twice", NewReplay(matchRecipe), twice, ErrOutOfOrder},
		{"a date already learned from", old, matches[:1], ErrOutOfOrder},
		{"a club against itself", NewReplay(matchRecipe), itself, ErrSameTeam},
	} {
		if err := c.replay.Advance(c.matches, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, expected %v", c.name, err, c.want)
		}
	}
}

func TestAbsurdResultsStayFinite(t *testing.T) { eachRecipe(t, absurdResultsStayFinite) }

func absurdResultsStayFinite(t *testing.T, recipe *Recipe) {
	matches := history()
	for i := range matches {
		m := &matches[i]
		m.HomeGoals, m.AwayGoals = int16(i%2*99), 0
		m.HomeStats = Stats{Shots: 0, ShotsOnTarget: int16(i % 3 * 50), Corners: 0}
		m.Market = []Market{{Home: 1, Away: 1e-300, Over: 1}, {Home: 1 - 1e-16, Away: 1e-300, Over: 1e-300}, {Home: -1, Away: math.NaN(), Over: math.Inf(1)}}[i%3]
	}
	for id, v := range vectors(t, NewReplay(recipe), matches) {
		for i, x := range v {
			if math.IsNaN(float64(x)) || math.Abs(float64(x)) > 1e5 {
				t.Fatalf("%s: %s is %v", id, recipe.Schema.Features[i].Name, x)
			}
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	r := NewReplay(matchRecipe)
	vectors(t, r, history())
	for name, spoil := range map[string]func(*Snapshot){
		"another schema":       func(s *Snapshot) { s.SchemaHash = "0123" },
		"a team twice":         func(s *Snapshot) { s.Teams[1].Team.ID = s.Teams[0].Team.ID },
		"a team without id":    func(s *Snapshot) { s.Teams[0].Team.ID = "" },
		"a team never seen":    func(s *Snapshot) { s.Teams[0].Spells = nil },
		"a league twice":       func(s *Snapshot) { s.Leagues[1].Competition.Code = s.Leagues[0].Competition.Code },
		"a club without state": func(s *Snapshot) { s.Teams = s.Teams[1:] },
	} {
		text, err := json.Marshal(r.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		var s Snapshot
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		spoil(&s)
		if _, err := Restore(s); err == nil {
			t.Errorf("%s: restored without a word", name)
		}
	}
	var short ratings
	if err := json.Unmarshal([]byte("[1,2,3]"), &short); err == nil {
		t.Error("ratings of another length were read")
	}
}
