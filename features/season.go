package features

import (
	"fmt"
	"strconv"
	"time"
)

// A season runs from July to June and is written "2024-25". Seasons are ordered as strings are.

// SeasonOf returns the season of a day. A season that was played past June is known from its
// source alone.
func SeasonOf(d Date) string {
	t := d.Time()
	year := t.Year()
	if t.Month() < time.July {
		year--
	}
	return SeasonName(year)
}

// SeasonName returns the season that starts in July of the year: "1999-00" for 1999.
func SeasonName(year int) string {
	if i := year - firstNamedSeason; i >= 0 && i < len(seasonNames) {
		return seasonNames[i]
	}
	return fmt.Sprintf("%04d-%02d", year, (year+1)%100)
}

// ParseSeason returns the year in which the season "2024-25" starts.
func ParseSeason(s string) (int, error) {
	if len(s) == 7 && s[4] == '-' {
		year, err := strconv.ParseUint(s[:4], 10, 16)
		if err == nil && s == SeasonName(int(year)) {
			return int(year), nil
		}
	}
	return 0, fmt.Errorf("season %q: expected two years that follow each other, as in \"2024-25\"", s)
}

const firstNamedSeason = 1871

// seasonNames are made once, since every match and every request asks for one.
var seasonNames = func() (names [200]string) {
	for i := range names {
		year := firstNamedSeason + i
		names[i] = fmt.Sprintf("%04d-%02d", year, (year+1)%100)
	}
	return names
}()
