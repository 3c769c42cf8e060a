package season

// Result is what became of each team, in the order of League.Table.
type Result struct {
	Seasons int // simulated
	Teams   []Team
}

// Team is what became of one team.
type Team struct {
	// Places are the probabilities of each place, the first one first; they sum to 1. Over all teams,
	// those of one place sum to 1 too.
	Places []float64
	Points Points
}

// Points is a distribution of final points.
type Points struct {
	Min           int       // points with a probability above 0 run from here …
	Probabilities []float64 // … one by one; they sum to 1
}

// Mean is the expected points.
func (p *Points) Mean() float64 {
	mean := 0.0
	for i, probability := range p.Probabilities {
		mean += probability * float64(p.Min+i)
	}
	return mean
}

// Quantile is the fewest points that are not exceeded with a probability of at least q, in (0, 1].
func (p *Points) Quantile(q float64) int {
	sum := 0.0
	for i, probability := range p.Probabilities {
		if sum += probability; sum >= q-1e-12 {
			return p.Min + i
		}
	}
	return p.Min + len(p.Probabilities) - 1
}

// A tally counts final tables.
type tally struct {
	teams  int
	places []uint32   // [team·teams+place]
	points [][]uint32 // by team: points above least
	least  []int
}

func newTally(p *plan) *tally {
	n := len(p.start)
	t := &tally{teams: n, places: make([]uint32, n*n), points: make([][]uint32, n), least: p.least}
	left := make([]int, n)
	for i := range p.matches {
		left[p.matches[i].home]++
		left[p.matches[i].away]++
	}
	for team := range t.points {
		t.points[team] = make([]uint32, 3*left[team]+1)
	}
	return t
}

func (t *tally) count(team, place, points int) {
	t.places[team*t.teams+place]++
	t.points[team][points-t.least[team]]++
}

func (t *tally) add(other *tally) {
	for i, n := range other.places {
		t.places[i] += n
	}
	for team, counts := range other.points {
		for i, n := range counts {
			t.points[team][i] += n
		}
	}
}

func (t *tally) result(p *plan, seasons int) *Result {
	r := &Result{Seasons: seasons, Teams: make([]Team, t.teams)}
	for team := range r.Teams {
		out := &r.Teams[team]
		out.Places = shares(t.places[team*t.teams:][:t.teams], seasons)
		counts, first := t.points[team], 0
		for counts[first] == 0 {
			first++
		}
		last := len(counts)
		for counts[last-1] == 0 {
			last--
		}
		out.Points = Points{Min: p.least[team] + first, Probabilities: shares(counts[first:last], seasons)}
	}
	return r
}

func shares(counts []uint32, of int) []float64 {
	all := make([]float64, len(counts))
	for i, n := range counts {
		all[i] = float64(n) / float64(of)
	}
	return all
}
