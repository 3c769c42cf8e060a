package inference

import (
	"context"
	"fmt"
	"log/slog"
	"math/bits"
	"sync/atomic"
)

const (
	// healthWindow is how many of the last answers count, and sickAt how many of these may not fail.
	healthWindow = 64
	sickAt       = 16
)

// registryActor is who the record names where nobody decided.
const registryActor = "registry"

// health remembers which of the last answers of a version failed, a bit each, the latest lowest. It
// costs a version without failures one look.
type health struct {
	failed atomic.Uint64
	sick   atomic.Bool
}

// answered notes an answer.
func (v *version) answered(ok bool) {
	for {
		before := v.health.failed.Load()
		if ok && before == 0 {
			return
		}
		after := before << 1
		if !ok {
			after |= 1
		}
		if !v.health.failed.CompareAndSwap(before, after) {
			continue
		}
		if bits.OnesCount64(after) >= sickAt && v.health.sick.CompareAndSwap(false, true) {
			v.sicken()
		}
		return
	}
}

// quarantine takes a version that fails in service out of it, where another can stand in: bad answers
// of some requests are better than none of any. It is on record as the Registry's own decision.
func (r *Registry) quarantine(v *versionRecord, failing *version) {
	ctx := context.Background()
	r.mu.Lock()
	m := r.models[v.model]
	if m == nil || v.live != failing || m.versions[v.version] != v {
		r.mu.Unlock() // it has been replaced or given up meanwhile
		return
	}
	v.state, v.quarantined, v.live = Failed, true, nil
	if m.labels[""] == v.version && m.choose("", m.wish.Serving) == "" {
		v.state, v.quarantined, v.live = Available, false, failing
		r.mu.Unlock()
		r.log(v).ErrorContext(ctx, "model version fails in service, and there is none to go back to")
		failing.health.failed.Store(0)
		failing.health.sick.Store(false)
		return
	}
	why := fmt.Sprintf("%d of its last %d answers failed", sickAt, healthWindow)
	v.reason = "quarantined: " + why
	m.quarantines++
	r.expectDrained(v, failing)
	swaps := r.publish()
	serving := m.labels[""]
	r.mu.Unlock()
	r.log(v).ErrorContext(ctx, "model version quarantined: it fails in service",
		slog.String("reason", v.reason), slog.String("serving", serving))
	r.announce(ctx, swaps)
	if err := r.options.Routes.record(Change{
		At: r.options.Now().UTC(), Model: v.model, Action: Quarantine, Actor: registryActor, Reason: why, Version: serving, From: v.version,
	}); err != nil {
		r.log(v).ErrorContext(ctx, "the quarantine is not on record", slog.Any("error", err))
	}
	failing.release()
}
