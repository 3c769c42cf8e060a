package collect

import (
	"bytes"
	"math"
	"time"

	"footballprediction/features"
)

const (
	firstYear, lastYear = 1871, 2100
	// mostGoals and mostCounts are beyond what a match has seen.
	mostGoals, mostCounts = 50, 150
)

// parseDate reads dd/mm/yy, dd/mm/yyyy, yyyy-mm-dd and "Sat Aug 17 2013". Years of two digits are
// those from 1970 to 2069.
func parseDate(b []byte) (features.Date, bool) {
	var day, month, year int
	var okDay, okMonth, okYear bool
	if d, rest, ok := bytes.Cut(b, []byte("/")); ok {
		m, y, _ := bytes.Cut(rest, []byte("/"))
		day, okDay = digits(d, 1, 2)
		month, okMonth = digits(m, 1, 2)
		if year, okYear = digits(y, 4, 4); !okYear {
			if year, okYear = digits(y, 2, 2); year < 70 {
				year += 100
			}
			year += 1900
		}
	} else if y, rest, ok := bytes.Cut(b, []byte("-")); ok {
		m, d, _ := bytes.Cut(rest, []byte("-"))
		year, okYear = digits(y, 4, 4)
		month, okMonth = digits(m, 2, 2)
		day, okDay = digits(d, 2, 2)
	} else if words := bytes.Fields(b); len(words) == 4 {
		month, okMonth = months[string(words[1])]
		day, okDay = digits(words[2], 1, 2)
		year, okYear = digits(words[3], 4, 4)
	}
	if !okDay || !okMonth || !okYear || year < firstYear || year > lastYear {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if t.Day() != day || t.Month() != time.Month(month) {
		return 0, false
	}
	return features.Date(t.Unix() / secondsPerDay), true
}

const secondsPerDay = 86400

var months = map[string]int{
	"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12,
}

// digits reads a whole number of least to most digits.
func digits(b []byte, least, most int) (int, bool) {
	if len(b) < least || len(b) > most {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// noKickoff stands for a time of day that is not known.
const noKickoff = math.MinInt16

// kickoff reads hh:mm in the United Kingdom's time as minutes from midnight UTC of the day.
func kickoff(day features.Date, b []byte) int16 {
	h, m, _ := bytes.Cut(b, []byte(":"))
	hour, okHour := digits(h, 1, 2)
	minute, okMinute := digits(m, 2, 2)
	if !okHour || !okMinute || hour > 23 || minute > 59 {
		return noKickoff
	}
	minutes := 60*hour + minute
	t := day.Time().Add(time.Duration(minutes) * time.Minute)
	if year := t.Year(); !t.Before(summerTime(year, time.March)) && t.Before(summerTime(year, time.October)) {
		minutes -= 60
	}
	return int16(minutes)
}

// summerTime is when the clocks change: 1 o'clock on the last Sunday of the month, which has 31
// days. A machine without time zones knows it too.
func summerTime(year int, month time.Month) time.Time {
	t := time.Date(year, month, 31, 1, 0, 0, 0, time.UTC)
	return t.AddDate(0, 0, -int(t.Weekday()))
}

// count reads a whole number up to most; "2.0", as data frames write it, is one too.
func count(b []byte, most int) (int16, bool) {
	n, ok := digits(bytes.TrimSuffix(b, []byte(".0")), 1, 4)
	return int16(n), ok && n <= most
}

// score reads "3-1".
func score(b []byte, most int) (home, away int16, ok bool) {
	h, a, found := bytes.Cut(b, []byte("-"))
	home, okHome := count(trim(h), most)
	away, okAway := count(trim(a), most)
	return home, away, found && okHome && okAway
}

// decimal reads a number like 2.25, of at most 15 digits.
func decimal(b []byte) (float64, bool) {
	whole, fraction, _ := bytes.Cut(b, []byte("."))
	if len(whole)+len(fraction) == 0 || len(whole)+len(fraction) > 15 {
		return 0, false
	}
	w, okWhole := digits(whole, 0, 15)
	f, okFraction := digits(fraction, 0, 15)
	scale := 1
	for range fraction {
		scale *= 10
	}
	// Both are exact, so that the quotient is the nearest float64.
	return float64(w*scale+f) / float64(scale), okWhole && okFraction
}
