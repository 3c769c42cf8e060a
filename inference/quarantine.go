package inference

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/bits"
	"slices"
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
// of some requests are better than none of any. It is on record as the Registry's own decision, and
// holds after a restart.
func (r *Registry) quarantine(v *versionRecord, failing *version) {
	ctx := context.Background()
	r.mu.Lock()
	m := r.models[v.model]
	if m == nil || v.live != failing || m.versions[v.version] != v {
		r.mu.Unlock() // it has been replaced or given up meanwhile
		return
	}
	if !m.spare(v) {
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
	serving, identity := m.labels[""], v.identity(v.files)
	identity.Reason = v.reason
	r.mu.Unlock()
	r.log(v).ErrorContext(ctx, "model version quarantined: it fails in service",
		slog.String("reason", identity.Reason), slog.String("serving", serving))
	r.announce(ctx, swaps)
	if err := r.options.Routes.condemn(identity, Change{
		At: r.options.Now().UTC(), Model: v.model, Action: Quarantine, Actor: registryActor, Reason: why, Version: serving, From: v.version,
	}); err != nil {
		r.log(v).ErrorContext(ctx, "the quarantine is not on record, and ends with a restart", slog.Any("error", err))
	}
	failing.release()
}

// spare makes a version Failed and quarantined where another can stand in for it, and tells whether it
// did. Requires Registry.mu be held.
func (m *modelRecord) spare(v *versionRecord) bool {
	live := v.live
	v.state, v.quarantined, v.live = Failed, true, nil
	if m.labels[""] == v.version && m.choose("", m.wish.Serving) == "" {
		v.state, v.quarantined, v.live = Available, false, live
		return false
	}
	return true
}

// spareCondemned is spare for all versions that were quarantined before a restart, and returns what was
// loaded of them, to be released. Requires r.mu be held.
func (r *Registry) spareCondemned(m *modelRecord) (failing []*version) {
	for _, v := range m.versions {
		if live := v.live; live != nil && v.condemned != "" && v.state == Available && m.spare(v) {
			v.reason = v.condemned
			r.expectDrained(v, live)
			failing = append(failing, live)
		}
	}
	return failing
}

// identity is what the version that is loaded is known by after a restart. files is the fingerprint of
// its files.
func (v *versionRecord) identity(files string) quarantined {
	q := quarantined{Model: v.model, Version: v.version, Revision: v.loaded}
	if q.Revision == "" {
		sum := sha256.Sum256([]byte(files))
		q.Files = hex.EncodeToString(sum[:])
	}
	return q
}

// pardon ends the quarantines of versions that the source wants no longer, or of which it has another
// revision.
func (r *Registry) pardon(ctx context.Context, wishes []Aspired) {
	err := r.options.Routes.pardon(func(q quarantined) bool {
		at := slices.IndexFunc(wishes, func(wish Aspired) bool { return wish.Name == q.Model })
		if at < 0 || wishes[at].Err != nil || (q.Revision == "") != (len(wishes[at].Revisions) == 0) {
			return false // the source does not know just now, or it is not the one that had the version
		}
		return !slices.Contains(wishes[at].Versions, q.Version) || wishes[at].Revisions[q.Version] != q.Revision
	})
	if err != nil {
		r.options.Logger.ErrorContext(ctx, "a quarantine that has ended stays on record", slog.Any("error", err))
	}
}
