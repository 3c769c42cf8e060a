package inference

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// gatedStage is a stage whose versions came before a gate.
type gatedStage struct {
	*stage
	verdicts map[string]Verdict
	overrule []string
	verdict  error // of Verdict
	kept     error // of Overrule
}

func (g *gatedStage) Verdict(_ context.Context, model, version string) (Verdict, error) {
	return g.verdicts[model+"/"+version], g.verdict
}

func (g *gatedStage) Overrule(_ context.Context, model, version string, by By) error {
	g.overrule = append(g.overrule, fmt.Sprintf("%s/%s by %s: %s", model, version, by.Actor, by.Reason))
	return g.kept
}

func TestPromoteHeedsTheGate(t *testing.T) {
	broken := errors.New("connection reset")
	for _, test := range []struct {
		name          string
		verdict       Verdict
		verdictErr    error
		overruleErr   error
		force         bool
		reason        string
		want          error // nil: promoted
		text          string
		wantOverruled string
	}{
		{name: "it passed", verdict: Verdict{GatePassed, "better"}},
		{name: "it never came before a gate"},
		{name: "it was forced before", verdict: Verdict{GateForced, "because"}},
		{
			name: "it was refused", verdict: Verdict{GateRefused, "not promoted: its log loss is worse"}, want: ErrRefused,
			text: `model "m" version 3: the gate's verdict is "refused": not promoted: its log loss is worse; to promote it all the same, force it and say why`,
		},
		{
			name: "its training broke off", verdict: Verdict{GatePending, "promoted: better"}, want: ErrRefused,
			text: `the gate's verdict is "pending": its training ended before the gate had decided`,
		},
		{name: "an unknown verdict", verdict: Verdict{"Passed", "who knows"}, want: ErrRefused, text: `the gate's verdict is "Passed": who knows`},
		{name: "no answer", verdictErr: broken, want: ErrSource, text: `the gate's verdict on version 3 of "m": connection reset`},
		{name: "forced", verdict: Verdict{Said: GateRefused}, force: true, reason: "we must", wantOverruled: "m/3 by anna: we must"},
		{name: "forced without a verdict", force: true, reason: "we must", wantOverruled: "m/3 by anna: we must"},
		{name: "forced without need", verdict: Verdict{Said: GatePassed}, force: true, reason: "we must"},
		{name: "forced without a reason", verdict: Verdict{Said: GateRefused}, force: true, want: ErrRefused, text: "reason: expected why the gate is overruled"},
		{name: "forced with a blank", verdict: Verdict{Said: GateRefused}, force: true, reason: " \n", want: ErrRefused, text: "reason: expected why"},
		{
			name: "the force is not kept", verdict: Verdict{Said: GateRefused}, overruleErr: broken, force: true, reason: "we must", want: ErrSource,
			text: `overrule the gate's verdict on version 3 of "m": connection reset`, wantOverruled: "m/3 by anna: we must",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := &gatedStage{stage: three(t), verdicts: map[string]Verdict{"m/3": test.verdict}, verdict: test.verdictErr, kept: test.overruleErr}
			routes, err := OpenRoutes("")
			if err != nil {
				t.Fatal(err)
			}
			r := NewRegistry(g, g.stage, Options{Routes: routes})
			defer func() {
				if err := r.Close(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			poll(t, r)
			promote := r.Promote
			if test.force {
				promote = r.PromoteForced
			}
			err = promote(t.Context(), "m", "3", By{Actor: "anna", Reason: test.reason})
			if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v\nwant %v: %s", err, test.want, test.text)
			}
			want := "2"
			if test.want == nil {
				want = "3"
			}
			if got, _ := r.serving("m"); got != want {
				t.Errorf("version %s serves, want %s", got, want)
			}
			if got := strings.Join(g.overrule, "; "); got != test.wantOverruled {
				t.Errorf("overruled %q, want %q", got, test.wantOverruled)
			}
			changes := routes.Changes("m")
			if (len(changes) == 1) != (test.want == nil) || len(changes) == 1 && changes[0].Forced != test.force {
				t.Errorf("got changes %+v", changes)
			}
		})
	}
}

// Who goes back to what has served is not asked for what the gate said; what never served is let through
// by it, or cannot be judged.
func TestRollBackPassesNoGate(t *testing.T) {
	g := &gatedStage{stage: three(t), verdicts: map[string]Verdict{"m/1": {Said: GateRefused}, "m/3": {Said: GateRefused, Reason: "worse"}}}
	r := NewRegistry(g, g.stage, Options{})
	defer func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for _, champion := range []string{"1", "2"} {
		writeFile(t, filepath.Join(g.dir, "m", "aliases.json"), `{"champion": "`+champion+`"}`)
		poll(t, r)
	}
	if err := r.RollBack(t.Context(), "m", "3", anna); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "worse") {
		t.Errorf("got %v", err)
	}
	only(t, routed(t, r, ""), "champion=2")
	if err := r.RollBack(t.Context(), "m", "1", anna); err != nil {
		t.Error(err)
	}
	only(t, routed(t, r, ""), "champion=1")
	g.verdict = errors.New("connection reset")
	if err := r.RollBack(t.Context(), "m", "3", anna); err != nil {
		t.Error(err)
	}
	only(t, routed(t, r, ""), "champion=3")
}
