package features

import (
	"slices"
	"testing"
)

// A fixture on a day on which others of its league have been played gets what a replay that stopped
// before that day gives it; one earlier in the season gets nothing that is as late as its day.
func TestALeagueBeforeADay(t *testing.T) { eachRecipe(t, aLeagueBeforeADay) }

func aLeagueBeforeADay(t *testing.T, recipe *Recipe) {
	matches := history()
	whole := learned(t, recipe)
	league := whole.League("E0")
	before := NewReplay(recipe)
	if err := before.Advance(slices.DeleteFunc(clone(matches), func(m Played) bool { return m.Date >= league.AsOf }), nil); err != nil {
		t.Fatal(err)
	}
	known, kept := league.Before(league.AsOf)
	if want := before.League("E0"); !kept || known.Means != want.Means || known.Market != want.Market || known.AsOf != want.AsOf {
		t.Errorf("before its last day: %v, %+v", kept, known)
	}
	if same, kept := league.Before(league.AsOf + 1); same != league || !kept {
		t.Error("after its last day it is itself")
	}
	var seasonStart, lastSeason Date
	for _, m := range matches {
		if m.Competition != "E0" {
			continue
		}
		if m.Season == league.Competition.Season {
			if seasonStart == 0 || m.Date < seasonStart {
				seasonStart = m.Date
			}
		} else {
			lastSeason = max(lastSeason, m.Date)
		}
	}
	for date := lastSeason + 1; date <= league.AsOf; date++ {
		if known, kept := league.Before(date); !kept || known.AsOf >= date {
			t.Fatalf("%s: %v, as of %v", date, kept, known)
		}
	}
	if known, kept := league.Before(lastSeason); kept {
		t.Errorf("before the last season: as of %s", known.AsOf)
	}
	if len(league.Earlier) != mostEarlier || league.Earlier[0].AsOf != lastSeason {
		t.Errorf("kept %+v, season from %s", league.Earlier, seasonStart)
	}
}
