package features

// recipe holds every constant behind the ratings and features. All of them enter the schema's hash,
// so a change here makes models trained before it unfit to serve. Sources of the formulas are named
// where they are used (ratings.go); the values were chosen on seasons before 2015-16 only.
type recipe struct {
	// Revision is raised when code changes a number without changing a constant.
	Revision int

	EloStart, EloK, EloHome            float64
	PiLambda, PiGamma, PiBase, PiScale float64
	GapLambda, GapPhi                  float64
	AttackRate, AttackRateFast         float64
	GoalWeight                         float64 // share of goals in the attack target; the rest is shots on target
	FormRate                           float64
	LeagueRate                         float64 // of the league's running means
	Carry                              float64 // share of a rating kept over the summer, the rest goes to neutral
	Newcomers                          int     // how many clubs at an end of the table a newcomer inherits from
	RestMin, RestMax                   float64 // days
	StartMeans                         countMeans
}

var constants = recipe{
	Revision: 1,
	EloStart: 1500, EloK: 12, EloHome: 65,
	PiLambda: .04, PiGamma: .65, PiBase: 10, PiScale: 3,
	GapLambda: .07, GapPhi: .65,
	AttackRate: .025, AttackRateFast: .05,
	GoalWeight: .4,
	FormRate:   .1,
	LeagueRate: .003,
	Carry:      .9,
	Newcomers:  3,
	RestMin:    2, RestMax: 14,
	StartMeans: countMeans{
		goals:         {1.55, 1.15},
		shotsOnTarget: {5.5, 4.3},
		shots:         {13, 10.3},
		corners:       {5.8, 4.5},
		points:        {1.65, 1.08},
	},
}
