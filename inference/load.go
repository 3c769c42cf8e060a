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

// load brings one version on its way, and makes it available or Failed. It returns an error only
// where ctx ended it; the version is then tried again at the next poll.
func (r *Registry) load(ctx context.Context, v *versionRecord) error {
	began := r.options.Now()
	r.begin(v)
	dir, err := r.source.Fetch(ctx, v.model, v.version)
	if err != nil {
		return r.fail(ctx, v, began, "", fmt.Errorf("fetch: %w", err))
	}
	files, err := fingerprint(dir)
	if err != nil {
		return r.fail(ctx, v, began, "", HideFolder(err, dir))
	}
	if !r.open(v, files) {
		return nil
	}
	live, err := r.prepare(ctx, v, dir)
	if err != nil {
		return r.fail(ctx, v, began, files, HideFolder(err, dir))
	}
	if now, err := fingerprint(dir); err != nil || now != files {
		err = errors.Join(err, errors.New("its files changed while it was loaded"), live.model.Close())
		return r.fail(ctx, v, began, files, HideFolder(err, dir))
	}
	r.serve(ctx, v, began, live)
	return nil
}

// begin says that the version is being loaded, unless it has failed: it stays so until there are other
// files.
func (r *Registry) begin(v *versionRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v.state == Start {
		v.state = Loading
		r.touch()
	}
}

// open says that what was fetched is being loaded; false means that the same files have failed before.
func (r *Registry) open(v *versionRecord, files string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v.state == Failed && v.files == files {
		return false
	}
	v.state, v.reason, v.files = Loading, "", files
	r.touch()
	return true
}

// prepare opens, checks and warms a version.
func (r *Registry) prepare(ctx context.Context, v *versionRecord, dir string) (live *version, err error) {
	config, err := ReadConfig(dir)
	if err != nil {
		return nil, err
	}
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

// serve makes a version available.
func (r *Registry) serve(ctx context.Context, v *versionRecord, began time.Time, live *version) {
	live.holders.Store(1)
	// Closing takes its time, which the request that was the last holder need not spend.
	live.unload = func() { go r.unload(v, live) }
	live.sicken = func() { go r.quarantine(v, live) }
	now := r.options.Now()
	r.loaded.Add(1)
	r.mu.Lock()
	replaced := v.live
	if replaced != nil {
		r.expectDrained(v, replaced)
	}
	v.state, v.reason, v.quarantined, v.loadedAt, v.live = Available, "", false, now, live
	v.inputs, v.outputs, v.metadata = live.model.Inputs(), live.model.Outputs(), live.metadata
	v.open++
	swaps := r.publish()
	serving := r.models[v.model].labels[""]
	r.mu.Unlock()
	if replaced != nil {
		replaced.release()
	}
	r.options.Loaded(v.model, now.Sub(began), nil)
	r.log(v).InfoContext(ctx, "model version available", slog.String("serving", serving), slog.Duration("took", now.Sub(began)))
	r.announce(ctx, swaps)
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

// fail says why a version could not be loaded, and from which files.
func (r *Registry) fail(ctx context.Context, v *versionRecord, began time.Time, files string, err error) error {
	r.mu.Lock()
	if ctx.Err() != nil {
		defer r.mu.Unlock()
		if v.state == Loading {
			v.state = Start
		}
		return ctx.Err()
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
		r.log(v).ErrorContext(ctx, "model version failed, what serves goes on", slog.Any("error", err))
	}
	r.options.Loaded(v.model, r.options.Now().Sub(began), err)
	r.announce(ctx, swaps)
	return nil
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
