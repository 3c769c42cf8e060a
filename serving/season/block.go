package season

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// blockSize is how many seasons are played together, match by match, so that a match's tables and
// the numbers of its two teams stay in the fastest cache. Each block has random numbers of its own:
// who plays it when does not matter.
const blockSize = 256

// teamBits and lotBits are what a team's rank adds below its packed result: equal teams are ranked by
// lot, and the team is told from the rank.
const (
	teamBits = 6
	lotBits  = 14
	rankBits = teamBits + lotBits
)

// A block plays seasons; it belongs to one goroutine.
type block struct {
	plan      *plan
	source    rand.PCG
	random    *rand.Rand         // over source
	results   [][blockSize]int64 // by team: packed
	strengths [][blockSize]int32 // by team, in units
	scores    [][blockSize]uint8 // by match; nil where head-to-head does not count
	words     [blockSize / 2]uint64
	ranks     [MaxTeams]uint64
	tally     *tally
}

func newBlock(p *plan) *block {
	b := &block{
		plan:      p,
		results:   make([][blockSize]int64, len(p.start)),
		strengths: make([][blockSize]int32, len(p.start)+teamsPerWord-1), // steps are drawn for four teams at once
		tally:     newTally(p),
	}
	b.random = rand.New(&b.source)
	if p.rivals != nil {
		b.scores = make([][blockSize]uint8, len(p.matches))
	}
	return b
}

// play plays a block and counts the first of its seasons.
func (b *block) play(seed, number uint64, seasons int) {
	b.source.Seed(seed, number)
	b.begin()
	week := 0
	for i := range b.plan.matches {
		f := &b.plan.matches[i]
		for ; week < f.week && b.plan.walks; week++ {
			b.walk()
		}
		b.playMatch(f, i)
	}
	for s := range seasons {
		b.rank(s)
	}
}

// begin sets the table and draws the strengths of the first week.
func (b *block) begin() {
	for team, packed := range b.plan.start {
		results, strengths := &b.results[team], &b.strengths[team]
		for s := range results {
			results[s] = packed
		}
		if b.plan.first > 0 {
			for s := range strengths {
				strengths[s] = int32(math.Round(b.random.NormFloat64() * b.plan.first))
			}
		}
	}
}

// walk moves all strengths by a week.
func (b *block) walk() {
	for team := 0; team < len(b.plan.start); team += teamsPerWord {
		four := (*[teamsPerWord][blockSize]int32)(b.strengths[team:])
		for s := range blockSize {
			w := b.source.Uint64()
			four[0][s] += int32(bits.OnesCount16(uint16(w))) - coins/2
			four[1][s] += int32(bits.OnesCount16(uint16(w>>16))) - coins/2
			four[2][s] += int32(bits.OnesCount16(uint16(w>>32))) - coins/2
			four[3][s] += int32(bits.OnesCount16(uint16(w>>48))) - coins/2
		}
	}
}

// playMatch plays match i in all seasons.
func (b *block) playMatch(f *fixture, i int) {
	for w := range b.words {
		b.words[w] = b.source.Uint64()
	}
	home, away := &b.results[f.home], &b.results[f.away]
	stronger, weaker := &b.strengths[f.home], &b.strengths[f.away]
	reach, perUnit := f.reach, b.plan.perUnit
	for s := range blockSize {
		level := (int(stronger[s]-weaker[s])*perUnit + 1<<15) >> 16
		level = min(max(level, -reach), reach) + reach
		table := (*[slots]uint32)(f.tables[level*slots:])
		score := draw(table, uint32(b.words[s/2]>>(s%2*32)))
		home[s] += homeGains[score]
		away[s] += awayGains[score]
		if b.scores != nil {
			b.scores[i][s] = uint8(score)
		}
	}
}

// rank counts the final table of a season.
func (b *block) rank(season int) {
	ranks := b.ranks[:len(b.results)]
	var lots uint64
	for team := range ranks {
		if team%4 == 0 {
			lots = b.source.Uint64()
		}
		lot := lots % (1 << lotBits)
		lots >>= 16
		ranks[team] = uint64(b.results[team][season])<<rankBits | lot<<teamBits | uint64(team)
		for i := team; i > 0 && ranks[i] > ranks[i-1]; i-- {
			ranks[i], ranks[i-1] = ranks[i-1], ranks[i]
		}
	}
	if b.plan.rivals != nil {
		b.plan.rivals.settle(ranks, b.scores, season)
	}
	for place, rank := range ranks {
		b.tally.count(int(rank%(1<<teamBits)), place, pointsOf(int64(rank>>rankBits)))
	}
}
