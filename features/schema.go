package features

// Schema describes a vector: its features in order. Its Hash covers names, order, units and every
// constant of the recipes behind them (see Options), so that two schemas with one hash mean the
// same numbers.
type Schema struct {
	Features []Feature
	// Hash is lowercase hex SHA-256.
	Hash string
}

// Feature is one element of a vector.
type Feature struct {
	Name  string
	Unit  string
	Group string // rating, form, rest, … : what an explanation sums over
}
