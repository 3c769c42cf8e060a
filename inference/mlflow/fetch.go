package mlflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"syscall"
	"time"

	"footballprediction/inference"
)

// Fetch implements inference.Source. A version that is asked for again has failed to load: its files,
// which may have been damaged on the way or not have been complete, are fetched again now and then.
// Other versions may be fetched, and List called, meanwhile, but the same version only once at a time.
func (s *Source) Fetch(ctx context.Context, name, version string) (string, error) {
	s.mu.Lock()
	revision := s.said[name].Revisions[version]
	s.mu.Unlock()
	if revision == "" {
		return s.fallback.Fetch(ctx, name, version)
	}
	got, err := s.copyOf(ctx, versionKey{name, version, revision})
	if err != nil {
		return "", s.tell(err)
	}
	return got.dir, nil
}

// copyOf returns a copy that stays until giveUp.
func (s *Source) copyOf(ctx context.Context, key versionKey) (*localCopy, error) {
	s.mu.Lock()
	known := s.copies[key]
	s.mu.Unlock()
	now := s.options.Now()
	if known == nil {
		found, broken, err := s.store.find(key.model, key.version, key.revision, now)
		for _, err := range broken {
			s.options.Logger.ErrorContext(ctx, "a copy of a model is broken, it is fetched again", slog.Any("error", err))
		}
		if err != nil {
			return nil, err
		}
		if found != nil {
			known = &localCopy{copied: found}
		}
	} else if now.Before(known.again) {
		return known, nil
	}
	var fetched *copied
	if known == nil || !known.again.IsZero() {
		var err error
		if fetched, err = s.fetch(ctx, key); err != nil && known == nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fetched != nil {
		wait := time.Duration(0)
		if known != nil {
			wait = known.wait
			s.giveUp(key)
		}
		known = &localCopy{copied: fetched, wait: wait}
	}
	known.wait = min(max(2*known.wait, s.options.Limits.Refetch), refetchMax)
	known.again = now.Add(known.wait)
	s.copies[key] = known
	return known, nil
}

// fetch brings the files of a version to the disk.
func (s *Source) fetch(ctx context.Context, key versionKey) (got *copied, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.options.Limits.Fetch, errTooLong)
	defer cancel()
	uri, err := s.client.downloadURI(ctx, key.model, key.version)
	if err != nil {
		return nil, err
	}
	root, err := artifactRoot(s.client.server, uri)
	if err != nil {
		return nil, err
	}
	files, err := s.client.walk(ctx, root)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("it has no files")
	}
	listed := int64(0)
	for _, file := range files {
		listed += max(file.size, 0)
	}
	s.mu.Lock()
	others := s.fetching
	s.fetching += listed
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.fetching -= listed
		s.mu.Unlock()
	}()
	room, err := s.store.makeRoom(listed+others, s.wanted)
	if err != nil {
		return nil, err
	}
	room -= others
	got, err = s.write(ctx, key, root, files, min(room, s.options.Limits.VersionBytes))
	if errors.Is(err, syscall.ENOSPC) { // so that the next try finds more
		_, cleared := s.store.makeRoom(-1, s.wanted)
		err = errors.Join(err, cleared)
	}
	return got, err
}

// write writes files of at most budget bytes together to a copy.
func (s *Source) write(ctx context.Context, key versionKey, root []string, files []artifact, budget int64) (got *copied, err error) {
	d, err := s.store.begin()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(inference.HideFolder(err, d.dir), d.discard()) }()
	r := record{Model: key.model, Version: key.version, Revision: key.revision}
	for _, file := range files {
		var one recordedFile
		err := d.add(file.path, func(to *os.File) (err error) {
			one, err = s.client.download(ctx, root, file, min(budget, s.options.Limits.FileBytes), to)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("file %q: %w", path.Join(file.path...), err)
		}
		budget -= one.Size
		r.Files = append(r.Files, one)
	}
	return d.keep(r)
}

// wanted tells whether an alias, the version before or what MLflow said last needs a copy.
func (s *Source) wanted(r record) bool {
	return r.Revision != "" && (*s.ours.Load())[r.Model].Revisions[r.Version] == r.Revision
}

// Keep implements inference.Keeper: copies that the Registry does not hold any more are given up, and
// those that nobody needs are removed where all together have grown too large.
func (s *Source) Keep(ctx context.Context, held inference.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	needed := map[versionKey]bool{}
	s.serving = map[string]string{}
	for _, m := range held.Models {
		for _, v := range m.Versions {
			if v.Version == m.Serving && v.Revision != "" && v.Revision == s.said[m.Name].Revisions[v.Version] {
				s.serving[m.Name] = v.Version // and not the fallback's of that number
			}
			if v.State != inference.End {
				needed[versionKey{model: m.Name, version: v.Version}] = true
			}
		}
	}
	changed := false
	for key := range s.copies {
		if !needed[versionKey{model: key.model, version: key.version}] {
			s.giveUp(key)
			changed = true
		}
	}
	if !changed {
		return
	}
	if _, err := s.store.makeRoom(0, s.wanted); err != nil {
		s.options.Logger.WarnContext(ctx, "copies of models take more than they may", slog.Any("error", err))
	}
}

// giveUp lets others remove a copy. Requires s.mu be held.
func (s *Source) giveUp(key versionKey) {
	given := s.copies[key]
	if given == nil {
		return // Keep was first
	}
	if err := given.release(); err != nil {
		s.options.Logger.Error("a copy of a model stays locked", slog.Any("error", err))
	}
	delete(s.copies, key)
}
