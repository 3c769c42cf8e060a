package features

// parameters are every constant behind the ratings and features. All of them enter the schema's hash,
// so a change here makes models trained before it unfit to serve. Sources of the formulas are named
// where they are used (ratings.go); the values were chosen on seasons before 2015-16 only.
type parameters struct {
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

var constants = parameters{
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

// marketParameters are the constants behind the ratings that learn from the odds of past matches. They
// enter the hash of the recipes that have those.
type marketParameters struct {
	// Revision is raised when code changes a number without changing a constant.
	Revision int

	Rate, RateFast float64 // of a side's strength
	GoalsRate      float64 // of a side's share in the goals
	LeagueRate     float64 // of what the league's sides have in common
	Carry          float64 // share of a rating kept over the summer
	Home           float64 // what playing at home is worth until the league has told, log odds ratio
	Widest         float64 // the most that one match's odds may say, log odds either way
}

var marketConstants = marketParameters{
	Revision: 1,
	Rate:     .12, RateFast: .3,
	GoalsRate:  .08,
	LeagueRate: .004,
	Carry:      .9,
	Home:       .45,
	Widest:     5,
}
