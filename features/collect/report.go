package collect

// Reason is why a row, a value or a file was not used as it stands.
type Reason string

// Reasons to set a row aside.
const (
	LineTooLong     Reason = "line too long"
	DateUnknown     Reason = "date unknown"
	DivisionUnknown Reason = "division unknown"
	TeamUnknown     Reason = "team missing or not a name"
	SameTeamTwice   Reason = "same team twice"
	NoScore         Reason = "no score"
	GoalsUnknown    Reason = "goals not a count"
	WrongSeason     Reason = "date outside the season of its file"
	ClubUnknown     Reason = "team not in the table of names"
	NotAMatch       Reason = "not a match as openfootball writes it"
	WillNotBePlayed Reason = "cancelled or abandoned without a score"
	ScoreConflict   Reason = "score contradicts an earlier row"
)

// Reasons to use a row without one of its values.
const (
	// ResultConflict: the letter H, D or A is derived from the score, so that the score counts.
	ResultConflict Reason = "result letter contradicts the score"
	// HalfTimeWrong: it is not a count or above full time; it is taken as not known.
	HalfTimeWrong Reason = "half time wrong"
	// StatisticWrong: it is not a count and taken as not known.
	StatisticWrong Reason = "statistic not a count"
	// ShotsConflict: either may be the wrong one; both are taken as not known.
	ShotsConflict Reason = "shots on target above shots"
	// OddsWrong: one of a book is missing, not a number or not above 1; none is kept.
	OddsWrong Reason = "odds not above 1"
	// DateConflict: openfootball has another date than the other files, which count: the pairing is met
	// once in the season of both.
	DateConflict Reason = "date contradicts an earlier file"
	// OddsOverround: their inverses sum to no bookmaker's book; none is kept.
	OddsOverround Reason = "odds with overround outside 0.98 to 1.25"
)

// Reasons to pass over a file.
const (
	NoMatches     Reason = "no match file"
	Empty         Reason = "empty"
	NotJSON       Reason = "not sound JSON"
	TooLarge      Reason = "too large"
	LeagueUnknown Reason = "league unknown"
	NotAFile      Reason = "not a regular file"
	Unreadable    Reason = "cannot be opened"
)

// Report counts what was read. Rows = Matches + Duplicates + SetAside.Total().
type Report struct {
	Files      int // match files
	Rows       int // rows of match files; rows without any value are not counted
	Matches    int // matches, each counted once, the awarded and scheduled ones among them
	Duplicates int // rows that repeat a match
	Awarded    int // matches that were awarded or abandoned
	Scheduled  int // matches without a score, listed by openfootball
	// SetAside are rows that could not be used, Mended values that were not used, PassedOver files.
	SetAside, Mended, PassedOver Tally
}

// Problem is one thing that could not be used.
type Problem struct {
	File   string
	Line   int // from 1; 0 where the whole file is meant
	Reason Reason
	Detail string // the field, what was expected and what was found
}

// examplesPerReason bounds what a Tally keeps.
const examplesPerReason = 5

// Tally counts problems by reason.
type Tally struct {
	Counts map[Reason]int
	// Examples are the first few problems of each reason, in the order in which they were met.
	Examples []Problem
}

// Total is the number of problems.
func (t *Tally) Total() int {
	total := 0
	for _, n := range t.Counts {
		total += n
	}
	return total
}

func (t *Tally) add(p Problem) {
	if t.Counts == nil {
		t.Counts = map[Reason]int{}
	}
	t.Counts[p.Reason]++
	if t.Counts[p.Reason] <= examplesPerReason {
		t.Examples = append(t.Examples, p)
	}
}
