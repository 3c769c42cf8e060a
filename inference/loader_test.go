package inference

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// deaf is a stage that fetches version 9 when the test says so, whatever becomes of who asked.
type deaf struct {
	*stage
	asked, goOn chan struct{}
}

func (d *deaf) Fetch(ctx context.Context, name, version string) (string, error) {
	if version == "9" {
		d.asked <- struct{}{}
		<-d.goOn
	}
	return d.stage.Fetch(ctx, name, version)
}

// What is wanted no longer and then again while it is fetched is loaded in the end.
func TestWantedAgainWhileFetched(t *testing.T) {
	for range 40 { // whether its turn or its end is seen first is drawn
		synctest.Test(t, func(t *testing.T) {
			d := &deaf{three(t), make(chan struct{}, 9), make(chan struct{})}
			d.put(t, "m", "9", "good")
			r := NewRegistry(d, d, Options{})
			look := func(versions ...string) {
				t.Helper()
				d.wishes = []Aspired{{Name: "m", Versions: versions, Serving: "2", Aliases: map[string]string{"champion": "2"}}}
				if err := r.look(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			look("1", "2", "9")
			<-d.asked
			look("1", "2")
			look("1", "2", "9")
			close(d.goOn)
			poll(t, r)
			if got, want := states(r, "m"), "1:AVAILABLE 2:AVAILABLE 9:AVAILABLE -> 2 champion=2"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// However many versions trickle in, up to a bound, the next is fetched all the same.
func TestManySlowFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{three(t), map[string]chan struct{}{}}
		trickle := make(chan struct{})
		for i := range lateMax {
			version := fmt.Sprint(i + 1)
			s.put(t, "a", version, "good") // before "m" in every order
			s.fetched["a/"+version] = trickle
		}
		r := NewRegistry(s, s, Options{})
		polled := make(chan error)
		go func() { polled <- r.Poll(t.Context()) }()
		time.Sleep(lateMax * fetchPatience) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if got := states(r, "m"); got != "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE -> 2 champion=2" {
			t.Errorf("got %s", got)
		}
		close(trickle)
		if err := <-polled; err != nil {
			t.Error(err)
		}
		if got := answer(t, r, "a", ""); got != "a/28=38" {
			t.Errorf("got %s", got)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// released serves versions 1 and 2 of what came with the program, of which the source, which tells
// revisions, then has others under the same numbers: 1 is the champion and broken, 2 a challenger that its
// gate refused.
func released(t *testing.T) (*gatedStage, *Registry, []Aspired) {
	t.Helper()
	g := &gatedStage{stage: newStage(t), verdicts: map[string]Verdict{"m/2": {Said: GateRefused, Reason: "worse"}}}
	for _, version := range []string{"1", "2", "3"} {
		g.put(t, "m", version, "good")
	}
	g.wishes = []Aspired{{Name: "m", Versions: []string{"1", "2"}, Serving: "2"}}
	r := NewRegistry(g, g.stage, Options{})
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	poll(t, r)
	return g, r, []Aspired{{
		Name: "m", Versions: []string{"1", "2", "3"}, Serving: "1", Aliases: map[string]string{"champion": "1", "challenger": "2", "other": "3"},
		Revisions: map[string]string{"1": "broken", "2": "refused", "3": "fine"},
	}}
}

// What came with the program goes on where the source's champion cannot be loaded, although it has a
// version of the champion's number, too.
func TestChallengerDoesNotTakeTheNumber(t *testing.T) {
	g, r, wishes := released(t)
	g.put(t, "m", "1", "bad")
	g.wishes = wishes
	for range 2 {
		poll(t, r)
		if got := states(r, "m"); !strings.HasPrefix(got, "1:FAILED 2:START 3:AVAILABLE -> 2") {
			t.Errorf("got %s", got)
		}
	}
}

// A route that was set for what came with the program ends where the source has others of its numbers.
func TestRouteOfWhatCameWithTheProgram(t *testing.T) {
	g, r, wishes := released(t)
	if err := r.SetRoute(t.Context(), "m", Route{Variants: []Variant{{"all", "2", 100}}}, anna); err != nil {
		t.Fatal(err)
	}
	g.wishes = wishes
	poll(t, r)
	poll(t, r)
	only(t, routed(t, r, ""), "champion=1")
}

// To have served is a version's own: another's of its number does not let it past the gate.
func TestRollBackToANumber(t *testing.T) {
	g, r, wishes := released(t)
	g.put(t, "m", "1", "bad")
	g.wishes = wishes
	poll(t, r)
	if err := r.Promote(t.Context(), "m", "3", anna); !errors.Is(err, ErrNotReady) { // the wishes stand
		t.Errorf("got %v", err)
	}
	wishes[0].Serving, wishes[0].Aliases = "3", map[string]string{"champion": "3", "challenger": "2"}
	poll(t, r)
	poll(t, r)
	if err := r.RollBack(t.Context(), "m", "2", anna); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "worse") {
		t.Errorf("got %v in %s", err, states(r, "m"))
	}
}

// A promotion of a number has succeeded when the source's version of it serves, not another's.
func TestPromoteANumber(t *testing.T) {
	g, r, wishes := released(t)
	wishes[0].Versions, wishes[0].Serving, wishes[0].Aliases = []string{"2"}, "2", map[string]string{"champion": "2"}
	g.wishes, g.verdicts = wishes, nil
	g.put(t, "m", "2", "bad")
	if err := r.Promote(t.Context(), "m", "2", anna); !errors.Is(err, ErrNotReady) {
		t.Errorf("got %v in %s", err, states(r, "m"))
	}
	g.put(t, "m", "2", "mended")
	if err := r.Promote(t.Context(), "m", "2", anna); err != nil {
		t.Errorf("got %v in %s", err, states(r, "m"))
	}
}
