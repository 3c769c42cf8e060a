package features

import (
	"strings"
	"testing"
)

func TestSeasonOf(t *testing.T) {
	for day, want := range map[string]string{
		"2024-07-01": "2024-25", "2025-06-30": "2024-25", "2025-07-01": "2025-26",
		"1999-12-31": "1999-00", "2000-01-01": "1999-00", "1850-08-01": "1850-51", "2099-08-01": "2099-00",
	} {
		d, err := ParseDate(day)
		if err != nil {
			t.Fatal(err)
		}
		if got := SeasonOf(d); got != want {
			t.Errorf("SeasonOf(%s) = %q, want %q", day, got, want)
		}
	}
}

func TestParseSeason(t *testing.T) {
	for season, want := range map[string]int{"2024-25": 2024, "1999-00": 1999, "1850-51": 1850, "9999-00": 9999} {
		if got, err := ParseSeason(season); err != nil || got != want {
			t.Errorf("ParseSeason(%q) = %d, %v, want %d", season, got, err, want)
		}
	}
	for _, season := range []string{"", "2024", "2024-26", "2024/25", "24-25", "2024-2025", "-024-25", "abcd-ef", "10000-01"} {
		if _, err := ParseSeason(season); err == nil || !strings.Contains(err.Error(), "expected two years") {
			t.Errorf("ParseSeason(%q): error %v does not say what was expected", season, err)
		}
	}
}

func TestSeasonsAreOrderedAsStrings(t *testing.T) {
	for year := 1872; year < 2070; year++ {
		if SeasonName(year-1) >= SeasonName(year) {
			t.Fatalf("%q is not before %q", SeasonName(year-1), SeasonName(year))
		}
	}
}

func TestSeasonOfDoesNotAllocate(t *testing.T) {
	d, err := ParseDate("2024-12-05")
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { SeasonOf(d) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
