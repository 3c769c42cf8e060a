package season

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// poisson is the grid of two independent Poisson rates, cut at MaxGoals.
func poisson(home, away float64) (g Grid) {
	p := func(rate float64, k int) float64 {
		v := math.Exp(-rate)
		for i := 1; i <= k; i++ {
			v *= rate / float64(i)
		}
		return v
	}
	var sum float64
	for h := range g {
		for a := range g[h] {
			g[h][a] = p(home, h) * p(away, a)
			sum += g[h][a]
		}
	}
	for h := range g {
		for a := range g[h] {
			g[h][a] /= sum
		}
	}
	return g
}

// scores is a grid of a few scores by their probabilities.
func scores(of map[[2]int]float64) (g Grid) {
	for s, p := range of {
		g[s[0]][s[1]] = p
	}
	return g
}

// roundRobin is a league of n teams, the first the best, with all matches or those of the second half
// to come; a table of the first half is made up.
func roundRobin(n int, half bool) *League {
	rng := rand.New(rand.NewPCG(3, 4))
	l := &League{Table: make([]Standing, n)}
	match := func(home, away, week int) {
		strength := .5 * (float64(away) - float64(home)) / float64(n)
		l.Matches = append(l.Matches, Match{Home: home, Away: away, Week: week, Grid: poisson(1.5*math.Exp(strength), 1.2*math.Exp(-strength))})
	}
	for i := range n {
		for j := range i {
			match(i, j, (i+j)%n)
			if !half {
				match(j, i, n+(i+j)%n)
			}
		}
		if half {
			scored, conceded := 20+rng.IntN(20), 20+rng.IntN(20)
			l.Table[i] = Standing{Points: 10 + rng.IntN(30), GoalsFor: scored, GoalsAgainst: conceded}
		}
	}
	return l
}

var typicalDrift = Drift{Now: .05, Week: .015}

func run(t testing.TB, l *League, o Options) *Result {
	t.Helper()
	r, err := Run(t.Context(), l, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// near is five standard errors of a share of n draws.
func near(t *testing.T, what string, got, want float64, n int) {
	t.Helper()
	if tolerance := 5 * math.Sqrt(max(want*(1-want), 1/float64(n))/float64(n)); !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: want %.5f ± %.5f, got %.5f", what, want, tolerance, got)
	}
}

// enumerate plays every combination of scores of a league without drift; ties are told by rank, which
// orders the teams of a final table into groups that share their places by lot.
func enumerate(l *League, rank func(table []Standing, results []Score) [][]int) [][]float64 {
	n := len(l.Table)
	places := make([][]float64, n)
	for i := range places {
		places[i] = make([]float64, n)
	}
	var play func(i int, p float64, table []Standing, results []Score)
	play = func(i int, p float64, table []Standing, results []Score) {
		if i == len(l.Matches) {
			place := 0
			for _, group := range rank(table, results) {
				for k := range group {
					for _, team := range group {
						places[team][place+k] += p / float64(len(group))
					}
				}
				place += len(group)
			}
			return
		}
		m := &l.Matches[i]
		for h := range m.Grid {
			for a, q := range m.Grid[h] {
				if q == 0 {
					continue
				}
				next := append([]Standing(nil), table...)
				hp, ap := pointsFor(h, a)
				next[m.Home] = Standing{next[m.Home].Points + hp, next[m.Home].GoalsFor + h, next[m.Home].GoalsAgainst + a}
				next[m.Away] = Standing{next[m.Away].Points + ap, next[m.Away].GoalsFor + a, next[m.Away].GoalsAgainst + h}
				play(i+1, p*q, next, append(slices.Clip(results), Score{m.Home, m.Away, h, a}))
			}
		}
	}
	play(0, 1, l.Table, l.Played)
	return places
}

// byKeys groups teams by descending keys.
func byKeys(n int, less func(a, b int) int) [][]int {
	var order []int
	for i := range n {
		order = append(order, i)
		for k := len(order) - 1; k > 0 && less(order[k], order[k-1]) < 0; k-- {
			order[k], order[k-1] = order[k-1], order[k]
		}
	}
	var groups [][]int
	for i, team := range order {
		if i == 0 || less(order[i-1], team) != 0 {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], team)
	}
	return groups
}

func byDifference(a, b Standing) int {
	for _, d := range []int{b.Points - a.Points, b.GoalsFor - b.GoalsAgainst - a.GoalsFor + a.GoalsAgainst, b.GoalsFor - a.GoalsFor} {
		if d != 0 {
			return d
		}
	}
	return 0
}

func TestAgainstEnumeration(t *testing.T) {
	few := scores(map[[2]int]float64{{1, 0}: .5, {1, 1}: .25, {0, 2}: .25})
	even := scores(map[[2]int]float64{{2, 1}: .3, {0, 0}: .4, {1, 2}: .3})
	level := []Standing{{10, 9, 5}, {9, 8, 6}, {9, 8, 6}, {7, 3, 11}}
	for _, c := range []struct {
		name   string
		league League
	}{
		{"two teams, one match", League{Table: make([]Standing, 2), Matches: []Match{{0, 1, 0, few}}}},
		{"three teams, from nothing", League{Table: make([]Standing, 3), Matches: []Match{{0, 1, 0, few}, {1, 2, 1, even}, {2, 0, 2, few}}}},
		{"four teams, the last round", League{Table: level, Matches: []Match{{0, 1, 0, even}, {2, 3, 0, few}}}},
		{"four teams, points taken away", League{Table: []Standing{{-6, 9, 5}, {-4, 2, 7}, {-6, 9, 5}, {-7, 1, 1}},
			Matches: []Match{{0, 1, 3, few}, {2, 3, 1, even}, {3, 0, 3, even}, {1, 2, 2, few}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const n = 50_000
			got := run(t, &c.league, Options{Seasons: n, Seed: 7})
			want := enumerate(&c.league, func(table []Standing, _ []Score) [][]int {
				return byKeys(len(table), func(a, b int) int { return byDifference(table[a], table[b]) })
			})
			for team := range want {
				for place, p := range want[team] {
					near(t, "place", got.Teams[team].Places[place], p, n)
				}
			}
		})
	}
}

// In a league that looks at matches among those level on points first.
func TestHeadToHeadAgainstEnumeration(t *testing.T) {
	few := scores(map[[2]int]float64{{1, 0}: .5, {1, 1}: .25, {0, 2}: .25})
	even := scores(map[[2]int]float64{{2, 1}: .3, {0, 0}: .4, {1, 2}: .3})
	l := &League{
		HeadToHead: true,
		Table:      []Standing{{4, 9, 5}, {3, 8, 6}, {6, 8, 6}, {4, 3, 11}},
		Played:     []Score{{0, 1, 1, 0}, {2, 3, 0, 5}, {1, 2, 3, 3}},
		Matches:    []Match{{1, 0, 0, few}, {3, 2, 0, even}, {0, 2, 1, even}, {1, 3, 1, few}},
	}
	const n = 50_000
	got := run(t, l, Options{Seasons: n, Seed: 8})
	plain := *l
	plain.HeadToHead, plain.Played = false, nil
	without := run(t, &plain, Options{Seasons: n, Seed: 8})
	want := enumerate(l, func(table []Standing, results []Score) [][]int {
		n := len(table)
		mini := make([]Standing, n) // among those level on points
		for _, s := range results {
			if table[s.Home].Points != table[s.Away].Points {
				continue
			}
			h, a := pointsFor(s.HomeGoals, s.AwayGoals)
			mini[s.Home].Points += h
			mini[s.Away].Points += a
			mini[s.Home].GoalsFor += s.HomeGoals - s.AwayGoals // the difference, in one number
			mini[s.Away].GoalsFor += s.AwayGoals - s.HomeGoals
		}
		return byKeys(n, func(a, b int) int {
			for _, d := range []int{table[b].Points - table[a].Points, mini[b].Points - mini[a].Points, mini[b].GoalsFor - mini[a].GoalsFor} {
				if d != 0 {
					return d
				}
			}
			return byDifference(table[a], table[b])
		})
	})
	differs := false
	for team := range want {
		for place, p := range want[team] {
			near(t, "place", got.Teams[team].Places[place], p, n)
			differs = differs || math.Abs(p-without.Teams[team].Places[place]) > .01
		}
	}
	if !differs {
		t.Error("head-to-head decides nothing here")
	}
}

// A final table is certain, but for the lot between two teams that are equal in everything.
func TestNoMatchLeft(t *testing.T) {
	l := &League{Table: []Standing{{10, 5, 3}, {20, 9, 1}, {7, 3, 8}, {7, 3, 8}}}
	r := run(t, l, Options{Seasons: 10_000, Seed: 1, Drift: typicalDrift})
	if !reflect.DeepEqual(r.Teams[1].Places, []float64{1, 0, 0, 0}) || !reflect.DeepEqual(r.Teams[0].Places, []float64{0, 1, 0, 0}) {
		t.Errorf("got %v", r.Teams)
	}
	near(t, "lot", r.Teams[2].Places[2], .5, 10_000)
	if p := r.Teams[1].Points; p.Min != 20 || !reflect.DeepEqual(p.Probabilities, []float64{1}) || p.Mean() != 20 || p.Quantile(.05) != 20 || p.Quantile(1) != 20 {
		t.Errorf("points: got %v", p)
	}
}

// Head-to-head decides a final table too: the second team won the matches between the first two.
func TestNoMatchLeftHeadToHead(t *testing.T) {
	l := &League{
		HeadToHead: true,
		Table:      []Standing{{10, 9, 3}, {10, 5, 3}, {7, 3, 8}},
		Played:     []Score{{0, 1, 0, 0}, {1, 0, 1, 0}, {0, 2, 9, 0}},
	}
	r := run(t, l, Options{Seasons: 100, Seed: 1})
	if r.Teams[1].Places[0] != 1 || r.Teams[0].Places[1] != 1 {
		t.Errorf("got %v", r.Teams)
	}
}

// checkInvariants asserts what holds of every result.
func checkInvariants(t *testing.T, l *League, r *Result) {
	t.Helper()
	const rounding = 1e-9
	n := len(l.Table)
	byPlace := make([]float64, n)
	var expected, least, most float64
	for team, out := range r.Teams {
		var sum float64
		for place, p := range out.Places {
			sum += p
			byPlace[place] += p
		}
		if math.Abs(sum-1) > rounding {
			t.Errorf("team %d: places sum to %v", team, sum)
		}
		sum = 0
		for _, p := range out.Points.Probabilities {
			sum += p
		}
		if math.Abs(sum-1) > rounding || out.Points.Probabilities[0] == 0 || out.Points.Probabilities[len(out.Points.Probabilities)-1] == 0 {
			t.Errorf("team %d: points %v sum to %v", team, out.Points, sum)
		}
		if out.Points.Min < l.Table[team].Points || out.Points.Quantile(.1) > out.Points.Quantile(.9) || out.Points.Quantile(1) != out.Points.Min+len(out.Points.Probabilities)-1 {
			t.Errorf("team %d: points %v", team, out.Points)
		}
		expected += out.Points.Mean()
		least += float64(l.Table[team].Points)
	}
	for place, sum := range byPlace {
		if math.Abs(sum-1) > rounding {
			t.Errorf("place %d: teams sum to %v", place+1, sum)
		}
	}
	most = least + 3*float64(len(l.Matches))
	least += 2 * float64(len(l.Matches))
	if expected < least-rounding || expected > most+rounding {
		t.Errorf("points: want %v to %v in all, got %v", least, most, expected)
	}
}

func TestInvariants(t *testing.T) {
	for _, n := range []int{2, 3, 4, 7, 19, 20, 24, 63, 64} { // an odd number: somebody rests each round
		for _, headToHead := range []bool{false, true} {
			l := roundRobin(n, true)
			if len(l.Matches) > MaxMatches {
				l.Matches = l.Matches[:MaxMatches]
			}
			l.HeadToHead = headToHead
			checkInvariants(t, l, run(t, l, Options{Seasons: 1_500, Seed: 5, Drift: typicalDrift}))
		}
	}
}

func TestSameSeedSameResult(t *testing.T) {
	l := roundRobin(9, false)
	l.HeadToHead = true
	o := Options{Seasons: 1_001, Seed: 42, Drift: typicalDrift}
	want := run(t, l, o)
	for _, workers := range []int{0, 1, 2, 3, 8, 1000} {
		for _, cores := range []int{1, 2, 4} {
			before := runtime.GOMAXPROCS(cores)
			o.Workers = workers
			got := run(t, l, o)
			runtime.GOMAXPROCS(before)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%d workers on %d cores: another result", workers, cores)
			}
		}
	}
	o.Seed++
	if reflect.DeepEqual(run(t, l, o), want) {
		t.Error("another seed: the same result")
	}
}

// Drift widens what may happen, the more the later.
func TestDrift(t *testing.T) {
	const n = 30_000
	spread := func(d Drift) (variance, mean float64) {
		l := &League{Table: make([]Standing, 2)}
		for week := range 40 {
			l.Matches = append(l.Matches, Match{Home: 0, Away: 1, Week: week, Grid: poisson(1.4, 1.4)})
		}
		p := run(t, l, Options{Seasons: n, Seed: 9, Drift: d}).Teams[0].Points
		mean = p.Mean()
		for i, q := range p.Probabilities {
			x := float64(p.Min+i) - mean
			variance += q * x * x
		}
		return variance, mean
	}
	none, level := spread(Drift{})
	now, _ := spread(Drift{Now: .1})
	both, mean := spread(Drift{Now: .1, Week: .02})
	if !(none < now-5 && now < both-5) {
		t.Errorf("variance of points: %v without drift, %v with what is unknown now, %v with steps too", none, now, both)
	}
	if mean < level || mean > level+1 { // fewer draws share out more points
		t.Errorf("mean points: %v without drift, %v with", level, mean)
	}
}

func TestBadInputIsNamed(t *testing.T) {
	good := func() (*League, Options) { return roundRobin(4, true), Options{Seasons: 10, Drift: typicalDrift} }
	for _, c := range []struct {
		want   string
		change func(*League, *Options)
	}{
		{"table: expected 2 to 64 teams, got 1", func(l *League, _ *Options) { l.Table = l.Table[:1] }},
		{"table: expected 2 to 64 teams, got 65", func(l *League, _ *Options) { l.Table = make([]Standing, 65) }},
		{"matches: expected at most 1000, got 1001", func(l *League, _ *Options) { l.Matches = make([]Match, 1001) }},
		{"played: expected at most 1000, got 1001", func(l *League, _ *Options) {
			l.Played = make([]Score, 1001)
			for i := range l.Played {
				l.Played[i].Away = 1
			}
		}},
		{"table[2]: expected points and goals of at most 4000", func(l *League, _ *Options) { l.Table[2].Points = 4001 }},
		{"table[2]: expected points and goals of at most 4000", func(l *League, _ *Options) { l.Table[2].GoalsFor = -1 }},
		{"matches[1]: expected two of the teams 0 to 3, got 2 and 2", func(l *League, _ *Options) { l.Matches[1].Home, l.Matches[1].Away = 2, 2 }},
		{"matches[1]: expected two of the teams 0 to 3, got 4 and 2", func(l *League, _ *Options) { l.Matches[1].Home, l.Matches[1].Away = 4, 2 }},
		{"matches[1]: expected a week of 0 to 200, got -1", func(l *League, _ *Options) { l.Matches[1].Week = -1 }},
		{"matches[1]: expected a week of 0 to 200, got 201", func(l *League, _ *Options) { l.Matches[1].Week = 201 }},
		{"matches[0]: grid: expected a sum of 1, got 0", func(l *League, _ *Options) { l.Matches[0].Grid = Grid{} }},
		{"matches[0]: score 1-2: expected a probability, got NaN", func(l *League, _ *Options) { l.Matches[0].Grid[1][2] = math.NaN() }},
		{"matches[0]: score 1-2: expected a probability, got -0.1", func(l *League, _ *Options) { l.Matches[0].Grid[1][2] = -.1 }},
		{"matches[0]: grid: expected a sum of 1, got +Inf", func(l *League, _ *Options) { l.Matches[0].Grid[1][2] = math.Inf(1) }},
		{"expected at most 200 of a team, got more of team 0", func(l *League, _ *Options) {
			for range 201 {
				l.Matches = append(l.Matches, Match{Home: 0, Away: 1, Grid: poisson(1, 1)})
			}
		}},
		{"played[0]: expected two of the teams 0 to 3, got 0 and -1", func(l *League, _ *Options) { l.Played = []Score{{0, -1, 0, 0}} }},
		{"played[0]: expected 0 to 4000 goals, got -1-0", func(l *League, _ *Options) { l.Played = []Score{{0, 1, -1, 0}} }},
		{"seasons: expected at least 1, got 0", func(_ *League, o *Options) { o.Seasons = 0 }},
		{"seasons: expected at least 1, got -5", func(_ *League, o *Options) { o.Seasons = -5 }},
		{"drift: expected standard deviations of 0 to 1, got NaN", func(_ *League, o *Options) { o.Drift.Week = math.NaN() }},
		{"drift: expected standard deviations of 0 to 1, got 2", func(_ *League, o *Options) { o.Drift.Now = 2 }},
	} {
		l, o := good()
		c.change(l, &o)
		if r, err := Run(t.Context(), l, o); r != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want an error with %q, got %v", c.want, err)
		}
	}
}

func TestCancelledAndProgress(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{Seasons: 100 * blockSize, Workers: 3}
	calls, last := 0, 0
	o.Progress = func(done, total int) {
		if done <= last || total != o.Seasons {
			t.Errorf("progress: %d of %d after %d", done, total, last)
		}
		last = done
		if calls++; calls == 10 {
			cancel()
		}
	}
	if r, err := Run(ctx, roundRobin(4, true), o); r != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", r, err)
	}
	if calls > 13 {
		t.Errorf("%d blocks were played after the caller had left", calls-10)
	}
	o.Progress = func(done, _ int) { last = done }
	run(t, roundRobin(4, true), o)
	if last != o.Seasons {
		t.Errorf("progress ended at %d", last)
	}
}

func FuzzRun(f *testing.F) {
	f.Add(uint8(4), uint8(10), uint64(1), 1.5, 1.0, .1, .02, true)
	f.Add(uint8(3), uint8(0), uint64(2), 0.0, 50.0, 1.0, 1.0, false)
	f.Add(uint8(64), uint8(200), uint64(3), 5.0, 1e-9, 0.0, 1e-12, true)
	f.Fuzz(func(t *testing.T, teams, matches uint8, seed uint64, home, away, now, week float64, headToHead bool) {
		if !(home >= 0 && home <= 60 && away >= 0 && away <= 60) {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		l := &League{Table: make([]Standing, teams), HeadToHead: headToHead}
		for range matches {
			if teams < 2 {
				break
			}
			h, a := rng.IntN(int(teams)), rng.IntN(int(teams)-1)
			if a >= h {
				a++
			}
			l.Matches = append(l.Matches, Match{Home: h, Away: a, Week: rng.IntN(MaxWeek + 1), Grid: poisson(home, away)})
		}
		r, err := Run(t.Context(), l, Options{Seasons: 300, Seed: seed, Drift: Drift{now, week}, Workers: 2})
		if (err == nil) != (r != nil) {
			t.Fatal(r, err)
		}
		if err == nil {
			checkInvariants(t, l, r)
		}
	})
}

// Memory is taken once: a longer simulation takes no more of it.
func TestSeasonsAllocateNothing(t *testing.T) {
	l := roundRobin(10, true)
	l.HeadToHead = true
	allocations := func(seasons int) float64 {
		return testing.AllocsPerRun(3, func() { run(t, l, Options{Seasons: seasons, Drift: typicalDrift}) })
	}
	if few, many := allocations(blockSize), allocations(40*blockSize); many != few {
		t.Errorf("%v allocations for one block, %v for forty", few, many)
	}
}
