package season

// rivals knows who meets whom, to rank teams level on points by the matches among them.
type rivals struct {
	teams   int
	played  []int64   // [team·teams+rival]: packed, what the team took from the rival so far
	meeting [][]int32 // [team·teams+rival]: the matches to come with the team at home
}

func newRivals(teams int, played []Score, matches []fixture) *rivals {
	r := &rivals{teams: teams, played: make([]int64, teams*teams), meeting: make([][]int32, teams*teams)}
	for _, s := range played {
		home, away := pointsFor(s.HomeGoals, s.AwayGoals)
		r.played[s.Home*teams+s.Away] += pack(home, s.HomeGoals, s.AwayGoals)
		r.played[s.Away*teams+s.Home] += pack(away, s.AwayGoals, s.HomeGoals)
	}
	for i := range matches {
		f := &matches[i]
		r.meeting[f.home*teams+f.away] = append(r.meeting[f.home*teams+f.away], int32(i))
	}
	return r
}

// settle puts teams that are level on points into their order; ranks come in the order of the rest.
func (r *rivals) settle(ranks []uint64, scores [][blockSize]uint8, season int) {
	const shift = rankBits + pointsShift
	for from := 0; from < len(ranks); {
		to := from + 1
		for to < len(ranks) && ranks[to]>>shift == ranks[from]>>shift {
			to++
		}
		if to-from > 1 {
			r.order(ranks[from:to], scores, season)
		}
		from = to
	}
}

// order sorts a group by points and goal difference among themselves; what is equal there stays.
func (r *rivals) order(group []uint64, scores [][blockSize]uint8, season int) {
	var table [MaxTeams]int64
	for i, one := range group {
		for j, other := range group[:i] {
			team, rival := int(one%(1<<teamBits)), int(other%(1<<teamBits))
			out, back := team*r.teams+rival, rival*r.teams+team
			table[i] += r.played[out]
			table[j] += r.played[back]
			for _, m := range r.meeting[out] {
				score := scores[m][season]
				table[i] += homeGains[score]
				table[j] += awayGains[score]
			}
			for _, m := range r.meeting[back] {
				score := scores[m][season]
				table[j] += homeGains[score]
				table[i] += awayGains[score]
			}
		}
	}
	for i := range group {
		table[i] >>= differenceShift // goals scored do not count
		for ; i > 0 && table[i] > table[i-1]; i-- {
			table[i], table[i-1] = table[i-1], table[i]
			group[i], group[i-1] = group[i-1], group[i]
		}
	}
}
