package inference

import (
	"context"
	"fmt"
	"strings"
)

// Gatekeeper is a Source that knows what the gate of whoever trained a version said of it.
type Gatekeeper interface {
	// Verdict returns that, the zero Verdict where the version never came before a gate.
	Verdict(ctx context.Context, model, version string) (Verdict, error)
	// Overrule keeps with the version that it is promoted all the same, by whom and why.
	Overrule(ctx context.Context, model, version string, by By) error
}

// Verdict is what a gate said of a version: one of the constants, or what this program does not know,
// and why.
type Verdict struct {
	Said   string
	Reason string
}

// What a gate says. Whatever else it says is no permission.
const (
	GatePassed  = "passed"
	GateRefused = "refused"
	GatePending = "pending" // its training broke off before the gate had decided
	GateForced  = "forced"  // somebody has overruled it
)

// passes tells whether the version may be promoted without force. One that never came before a gate
// may: it is its owner's to judge, and who promoted it and why is on record.
func (v Verdict) passes() bool {
	return v.Said == "" || v.Said == GatePassed || v.Said == GateForced
}

// heed returns ErrRefused for a version that its gate did not let pass, unless it is forced. Where the
// gate is to be overruled, overrule does that; else it is nil.
func (r *Registry) heed(ctx context.Context, model, version string, by By, force bool) (overrule func() error, err error) {
	if force && strings.TrimSpace(by.Reason) == "" {
		return nil, fmt.Errorf("%w: reason: expected why the gate is overruled, got nothing", ErrRefused)
	}
	keeper, ok := r.source.(Gatekeeper)
	if !ok {
		return nil, nil
	}
	verdict, err := keeper.Verdict(ctx, model, version)
	if err != nil {
		return nil, fmt.Errorf("%w: the gate's verdict on version %s of %q: %w", ErrSource, version, model, err)
	}
	if !force && !verdict.passes() {
		why := verdict.Reason
		if verdict.Said == GatePending {
			why = "its training ended before the gate had decided"
		}
		return nil, fmt.Errorf("%w: model %q version %s: the gate's verdict is %q: %s; to promote it all the same, force it and say why",
			ErrRefused, model, version, clip(verdict.Said), why)
	}
	if !force || verdict.Said == GatePassed {
		return nil, nil
	}
	return func() error {
		if err := keeper.Overrule(ctx, model, version, by); err != nil {
			return fmt.Errorf("%w: overrule the gate's verdict on version %s of %q: %w", ErrSource, version, model, err)
		}
		return nil
	}, nil
}
