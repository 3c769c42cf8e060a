package features

import "testing"

// BenchmarkCompare is the feature work of one prediction.
func BenchmarkCompare(b *testing.B) {
	r := NewReplay(matchRecipe)
	if err := r.Advance(history(), nil); err != nil {
		b.Fatal(err)
	}
	league, home, visitor := r.League("E0"), r.Team("eng-a"), r.Team("eng-b")
	values := make([]float32, 0, len(matchRecipe.Schema.Features))
	b.ReportAllocs()
	for b.Loop() {
		v := matchRecipe.Compare(league, home, visitor, "2013-14", 20000, values)
		if len(v.Values) != len(matchRecipe.Schema.Features) {
			b.Fatal(v)
		}
	}
}

// BenchmarkReplay is the whole pass over history; divide by the matches it reports.
func BenchmarkReplay(b *testing.B) {
	matches := history()
	b.ReportAllocs()
	for b.Loop() {
		if err := NewReplay(matchRecipe).Advance(matches, func(*Played, *Vector) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(matches))/b.Elapsed().Seconds(), "matches/s")
}
