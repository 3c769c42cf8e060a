package serving

import (
	"fmt"

	pb "footballprediction/api/gen/footballprediction/v1"
)

// A seasonRule is how a league ends: how many clubs go up and down, directly and by way of play-offs,
// and how clubs level on points are ranked. Play-offs themselves are not simulated, nor is what splits
// a league in two (B1, G1, SC0): the table is that of the matches known.
type seasonRule struct {
	up, upPlayoff     int // from the top
	downPlayoff, down int // to the bottom
	headToHead        bool
	meetings          int // how often a club may receive another; 0 means once
}

// seasonRules are those of 2024-25 by competition. Of a league that is not here no zone is known, and
// its clubs may meet as often as they like.
var seasonRules = map[string]seasonRule{
	"E0":  {down: 3},
	"E1":  {up: 2, upPlayoff: 4, down: 3},
	"E2":  {up: 2, upPlayoff: 4, down: 4},
	"E3":  {up: 3, upPlayoff: 4, down: 2},
	"EC":  {up: 1, upPlayoff: 6, down: 4},
	"SC0": {downPlayoff: 1, down: 1, meetings: 2},
	"SC1": {up: 1, upPlayoff: 3, downPlayoff: 1, down: 1, meetings: 2},
	"SC2": {up: 1, upPlayoff: 3, downPlayoff: 1, down: 1, meetings: 2},
	"SC3": {up: 1, upPlayoff: 3, downPlayoff: 1, meetings: 2},
	"D1":  {downPlayoff: 1, down: 2},
	"D2":  {up: 2, upPlayoff: 1, downPlayoff: 1, down: 2},
	"I1":  {down: 3, headToHead: true},
	"I2":  {up: 2, upPlayoff: 6, downPlayoff: 2, down: 3, headToHead: true},
	"SP1": {down: 3, headToHead: true},
	"SP2": {up: 2, upPlayoff: 4, down: 4, headToHead: true},
	"F1":  {downPlayoff: 1, down: 2},
	"F2":  {up: 2, upPlayoff: 3, downPlayoff: 1, down: 2},
	"N1":  {downPlayoff: 1, down: 2},
	"P1":  {downPlayoff: 1, down: 2, headToHead: true},
	"T1":  {down: 3, headToHead: true},
	"B1":  {meetings: 2},
	"G1":  {headToHead: true, meetings: 2},
}

// seasonRuleOf returns the rule of a competition.
func seasonRuleOf(competition string) seasonRule {
	rule, known := seasonRules[competition]
	switch {
	case !known:
		rule.meetings = 1000
	case rule.meetings == 0:
		rule.meetings = 1
	}
	return rule
}

// relegation is the zone that SimulatedTeam.relegation_probability sums up.
const relegation = "relegation"

// zones are the places of the rule in a league of that many teams. A league with too few has none.
func (r seasonRule) zones(teams int) []*pb.Zone {
	if r.up+r.upPlayoff+r.downPlayoff+r.down > teams {
		return nil
	}
	var zones []*pb.Zone
	add := func(name string, first, count int) {
		if count > 0 {
			zones = append(zones, &pb.Zone{Name: name, FirstPlace: int32(first), LastPlace: int32(first + count - 1)})
		}
	}
	add("promotion", 1, r.up)
	add("promotion_playoff", 1+r.up, r.upPlayoff)
	add("relegation_playoff", 1+teams-r.down-r.downPlayoff, r.downPlayoff)
	add(relegation, 1+teams-r.down, r.down)
	return zones
}

// checkZones refuses zones that are not places of a league of that many teams.
func checkZones(zones []*pb.Zone, teams int) error {
	seen := make(map[string]bool, len(zones))
	for i, z := range zones {
		path := fmt.Sprintf("zones[%d]", i)
		switch first, last := int(z.GetFirstPlace()), int(z.GetLastPlace()); {
		case z.GetName() == "" || seen[z.GetName()]:
			return errorf(FieldInvalid, "%s.name: expected a name of its own, got %q", path, clip(z.GetName())).at(path + ".name")
		case first < 1 || first > teams:
			return errorf(FieldInvalid, "%s.first_place: expected 1 to %d, got %d", path, teams, first).at(path + ".first_place")
		case last < first || last > teams:
			return errorf(FieldInvalid, "%s.last_place: expected %d to %d, got %d", path, first, teams, last).at(path + ".last_place")
		}
		seen[z.GetName()] = true
	}
	return nil
}
