package inference

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"footballprediction/inference/batch"
)

// load brings a version on its way, and makes it available or Failed. The caller has taken a token of
// loader.fetching.
func (r *Registry) load(l loading) {
	defer r.end(l)
	began := r.options.Now()
	r.begin(l)
	place := place{in: r.loader.fetching}
	late := time.AfterFunc(fetchPatience, func() {
		l.next()
		place.move(r.loader.late)
	})
	dir, err := r.source.Fetch(l.ctx, l.v.model, l.v.version)
	late.Stop()
	place.leave()
	if err != nil {
		r.fail(l, began, "", fmt.Errorf("fetch: %w", err))
		return
	}
	waits := r.options.Now()
	if err := r.takeTurn(l); err != nil {
		r.fail(l, began, "", err)
		return
	}
	defer func() { <-r.loader.preparing }()
	began = began.Add(r.options.Now().Sub(waits))
	files, err := fingerprint(dir)
	if err != nil {
		r.fail(l, began, "", HideFolder(err, dir))
		return
	}
	if !r.open(l, files) {
		return
	}
	live, err := r.prepare(l.ctx, l.v, dir)
	if err != nil {
		r.fail(l, began, files, HideFolder(err, dir))
		return
	}
	if now, err := fingerprint(dir); err != nil || now != files {
		err = errors.Join(err, errors.New("its files changed while it was loaded"), live.model.Close())
		r.fail(l, began, files, HideFolder(err, dir))
		return
	}
	r.serve(l, began, live)
}

// takeTurn waits for a version's turn to be prepared, and takes the token of loader.preparing.
func (r *Registry) takeTurn(l loading) error {
	select {
	case <-l.after:
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
	select {
	case r.loader.preparing <- struct{}{}:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}

// begin says that the version is being loaded, unless it has failed: it stays so until there are other
// files.
func (r *Registry) begin(l loading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.v.state == Start && l.ctx.Err() == nil {
		l.v.state = Loading
		r.touch()
	}
}

// open says that what was fetched is being loaded; false means that the same files have failed before,
// or that the version is wanted no longer.
func (r *Registry) open(l loading, files string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.ctx.Err() != nil || l.v.state == Failed && l.v.files == files {
		return false
	}
	l.v.state, l.v.reason, l.v.files = Loading, "", files
	r.touch()
	return true
}

// prepare opens, checks and warms a version, giving way to those who are served, if anybody is.
func (r *Registry) prepare(ctx context.Context, v *versionRecord, dir string) (live *version, err error) {
	config, err := ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	// Threads that a model keeps would give way for good.
	keepsThreads := config.Threads > 1 || config.Provider != "" && config.Provider != "cpu"
	if keepsThreads || !r.table.Load().serves() {
		return r.build(ctx, v, dir, config)
	}
	givingWay(func() { live, err = r.build(ctx, v, dir, config) })
	return live, err
}

// build opens, checks and warms a version.
func (r *Registry) build(ctx context.Context, v *versionRecord, dir string, config Config) (live *version, err error) {
	golden, err := readGoldenIfAny(dir)
	if err != nil {
		return nil, err
	}
	m, err := r.opener.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if golden != nil {
		if err := golden.Check(ctx, m); err != nil {
			return nil, err
		}
	}
	live = &version{name: v.model, version: v.version, config: config}
	if live.metadata, err = r.options.Admit(v.model, v.version, dir, m); err != nil {
		return nil, err
	}
	batching := config.batching()
	mixed := !batching.Alone && mixes(ctx, m, golden)
	if mixed {
		r.log(v).WarnContext(ctx, "the model's rows depend on one another: each request is run by itself")
		batching.Alone, batching.Delay = true, 0
	}
	most := int64(cmp.Or(batching.MaxRows, batch.MaxRowsDefault))
	if batching.Alone {
		most = warmRowsMax
	}
	err = warm(ctx, m, golden, config.WarmUpRows, most, r.options.Now)
	if err != nil && golden == nil && ctx.Err() == nil {
		// Zeros were a guess at what the model takes.
		r.log(v).InfoContext(ctx, "model version not warmed, its first requests will be slower", slog.Any("error", err))
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if live.model, err = newBatched(m, batching, r.options.Observe(v.model, v.version)); err != nil {
		return nil, err
	}
	live.model.mixes = mixed
	return live, nil
}

// serve makes a version available, if it is wanted still.
func (r *Registry) serve(l loading, began time.Time, live *version) {
	v := l.v
	live.holders.Store(1)
	// Closing takes its time, which the request that was the last holder need not spend.
	live.unload = func() { go r.unload(v, live) }
	live.sicken = func() { go r.quarantine(v, live) }
	now := r.options.Now()
	r.mu.Lock()
	if r.closed || l.ctx.Err() != nil {
		r.mu.Unlock()
		r.fail(l, began, "", errors.Join(l.ctx.Err(), live.model.Close()))
		return
	}
	r.loaded.Add(1)
	replaced := v.live
	if replaced != nil {
		r.expectDrained(v, replaced)
	}
	v.state, v.reason, v.quarantined, v.loadedAt, v.live, v.loaded = Available, "", false, now, live, v.revision
	v.served = false
	v.condemned = r.options.Routes.condemned(v.identity(v.files))
	v.inputs, v.outputs, v.metadata = live.model.Inputs(), live.model.Outputs(), live.metadata
	v.open++
	swaps := r.publish()
	serving := r.models[v.model].labels[""]
	r.mu.Unlock()
	if replaced != nil {
		replaced.release()
	}
	r.options.Loaded(v.model, now.Sub(began), nil)
	r.log(v).InfoContext(l.ctx, "model version available", slog.String("serving", serving), slog.Duration("took", now.Sub(began)))
	r.announce(l.ctx, swaps)
}

func (r *Registry) log(v *versionRecord) *slog.Logger {
	return r.options.Logger.With(slog.String("model", v.model), slog.String("version", v.version))
}

// unload closes a version that nobody holds.
func (r *Registry) unload(v *versionRecord, live *version) {
	defer r.loaded.Done()
	err := live.model.Close()
	r.mu.Lock()
	if live.overdue != nil {
		live.overdue.Stop()
	}
	v.open--
	if v.state == Unloading && v.open == 0 {
		v.state = End
	}
	r.touch()
	r.mu.Unlock()
	if err != nil {
		r.log(v).Error("model version closed with an error", slog.Any("error", err))
		return
	}
	r.log(v).Info("model version closed")
}

// fail says why a version could not be loaded, and from which files, unless it is wanted no longer.
func (r *Registry) fail(l loading, began time.Time, files string, err error) {
	v := l.v
	r.mu.Lock()
	if r.closed || l.ctx.Err() != nil {
		if v.state == Loading {
			v.state = Start
		}
		r.mu.Unlock()
		r.log(v).InfoContext(l.ctx, "model version wanted no longer, it is not loaded", slog.Any("error", err))
		return
	}
	reason := err.Error()
	if v.live != nil {
		reason += " (another revision of the version, loaded before, answers for it)"
	}
	again := v.state == Failed && v.reason == reason
	v.state, v.reason, v.files = Failed, reason, files
	swaps := r.publish()
	r.mu.Unlock()
	if !again {
		r.log(v).ErrorContext(l.ctx, "model version failed, what serves goes on", slog.Any("error", err))
	}
	r.options.Loaded(v.model, r.options.Now().Sub(began), err)
	r.announce(l.ctx, swaps)
}

// fingerprint tells whether files in dir were added, removed, replaced or written, by their names,
// sizes and times. Links are followed. It refuses what is neither file nor folder: to open a pipe may
// block for good, and a model's own files may name others of the folder.
func fingerprint(dir string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%q\n", dir) // no folder, not even an empty one, has an empty fingerprint

	root, err := filepath.EvalSymlinks(dir) // WalkDir does not enter a link
	if err != nil {
		return "", err
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() { // a link to one
			if err := checkRegular(path, info); err != nil {
				return err
			}
		}
		fmt.Fprintf(&b, "%q %d %s\n", path, info.Size(), info.ModTime().Format(time.RFC3339Nano))
		return nil
	})
	return b.String(), err
}
