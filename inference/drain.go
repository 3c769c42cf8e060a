package inference

import (
	"log/slog"
	"time"
)

// drainUsual is how long a version that is wanted no longer may be held before that is told. Nothing
// that was accepted is cut off: what waits for its turn is bounded by the queue, and a run that has
// begun is finished. So what takes longer is a model that does not return, and only an end of the
// process ends it.
const drainUsual = 30 * time.Second

// expectDrained has a version that was given up tell if it is held for longer than is usual. Requires
// r.mu be held.
func (r *Registry) expectDrained(v *versionRecord, live *version) {
	live.overdue = time.AfterFunc(drainUsual, func() {
		r.log(v).Warn("model version is wanted no longer and still held: its memory is not given back",
			slog.Duration("for", drainUsual), slog.Int64("requests", max(0, live.holders.Load())))
	})
}
