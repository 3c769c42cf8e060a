package inference

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
)

// listed wants these versions of model "m", each in its revision, and the one as champion; "" is none.
func listed(champion string, revisions map[string]string) []Aspired {
	wish := Aspired{Name: "m", Versions: slices.Sorted(maps.Keys(revisions)), Revisions: revisions, Serving: champion}
	if champion == "" {
		wish.Serving = wish.Versions[len(wish.Versions)-1]
	} else {
		wish.Aliases = map[string]string{Champion: champion}
	}
	return []Aspired{wish}
}

// moving is a stage whose champion is moved in what it lists.
type moving struct{ *stage }

func (s moving) SetAlias(_ context.Context, _, _, version string) error {
	s.wishes = listed(version, s.wishes[0].Revisions)
	return nil
}

// The version to go back to is the one that served before: not another, of another source or day, that
// has its number.
func TestPreviousIsOfItsRevision(t *testing.T) {
	type both = map[string]string
	first, champion2, champion1 := listed("", both{"1": "", "2": ""}), listed("2", both{"1": "a", "2": "b"}), listed("1", both{"1": "a", "2": "b"})
	tests := map[string]struct {
		lists [][]Aspired
		back  string // "": there is none to go back to
	}{
		"the same":                    {[][]Aspired{champion2, champion1}, "2"},
		"of versions without any":     {[][]Aspired{first, listed("1", both{"1": "", "2": ""})}, "2"},
		"another source's":            {[][]Aspired{first, champion1}, ""},
		"another source's, later":     {[][]Aspired{first, listed("1", both{"1": "a"}), champion1}, ""},
		"registered anew":             {[][]Aspired{champion2, champion1, listed("1", both{"1": "a", "2": "c"})}, ""},
		"registered anew as it ended": {[][]Aspired{champion2, listed("1", both{"1": "a", "2": "c"})}, ""},
		"given up and wanted again":   {[][]Aspired{champion2, listed("1", both{"1": "a"}), champion1}, "2"},
	}
	for name, test := range tests {
		for how, leave := range map[string]func(*testing.T, *Registry) error{
			"rolled back": func(t *testing.T, r *Registry) error { return r.RollBack(t.Context(), "m", "", anna) },
			"quarantined": func(t *testing.T, r *Registry) error { fail(t, r, "1", 0, sickAt); return nil },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := moving{newStage(t)}
					s.put(t, "m", "1", "good")
					s.put(t, "m", "2", "good")
					r := NewRegistry(s, s, Options{})
					for _, s.wishes = range test.lists {
						poll(t, r)
						synctest.Wait() // for what is given up
					}
					err := leave(t, r)
					synctest.Wait()
					want := "m/1=11"
					if test.back != "" {
						want = "m/2=12"
					}
					if got := answer(t, r, "m", ""); got != want {
						t.Errorf("got %s, want %s", got, want)
					}
					if refused := how == "rolled back" && test.back == ""; errors.Is(err, ErrRefused) != refused || !refused && err != nil {
						t.Errorf("refused: %v, got %v", refused, err)
					}
					if err := r.Close(t.Context()); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}
