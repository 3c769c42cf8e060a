package inference

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
)

// Each step changes files, polls and tells what is loaded.
func TestPollFollowsTheSource(t *testing.T) {
	type step struct {
		do   func(t *testing.T, s *stage)
		want string
	}
	put := func(version, text string) func(*testing.T, *stage) {
		return func(t *testing.T, s *stage) { s.put(t, "m", version, text) }
	}
	remove := func(version string) func(*testing.T, *stage) {
		return func(t *testing.T, s *stage) {
			if err := os.RemoveAll(filepath.Join(s.dir, "m", version)); err != nil {
				t.Fatal(err)
			}
		}
	}
	aliases := func(text string) func(*testing.T, *stage) {
		return func(t *testing.T, s *stage) { writeFile(t, filepath.Join(s.dir, "m", "aliases.json"), text) }
	}
	tests := map[string][]step{
		"a higher version takes over": {
			{put("9", "good"), "9:AVAILABLE -> 9"},
			{put("10", "good"), "9:AVAILABLE 10:AVAILABLE -> 10"},
			{remove("9"), "9:END 10:AVAILABLE -> 10"},
			{nil, "10:AVAILABLE -> 10"},
		},
		"a higher version fails, is replaced": {
			{put("1", "good"), "1:AVAILABLE -> 1"},
			{put("2", "bad"), "1:AVAILABLE 2:FAILED -> 1"},
			{nil, "1:AVAILABLE 2:FAILED -> 1"},
			{put("2", "good"), "1:AVAILABLE 2:AVAILABLE -> 2"},
		},
		"at start the highest that works serves": {
			{func(t *testing.T, s *stage) {
				put("1", "good")(t, s)
				put("2", "good")(t, s)
				put("3", "bad")(t, s)
			}, "1:AVAILABLE 2:AVAILABLE 3:FAILED -> 2"},
			{put("3", "good"), "1:AVAILABLE 2:AVAILABLE 3:AVAILABLE -> 3"},
		},
		"nothing stands in for a champion that failed at start": {
			{func(t *testing.T, s *stage) {
				put("1", "good")(t, s)
				put("2", "bad")(t, s)
				aliases(`{"champion": "2"}`)(t, s)
			}, "1:AVAILABLE 2:FAILED -> "},
			{put("2", "good"), "1:AVAILABLE 2:AVAILABLE -> 2 champion=2"},
		},
		"the champion moves to a version that failed, then to one that works": {
			{func(t *testing.T, s *stage) {
				put("1", "good")(t, s)
				put("2", "bad")(t, s)
				put("3", "good")(t, s)
				aliases(`{"champion": "1"}`)(t, s)
			}, "1:AVAILABLE 2:FAILED 3:AVAILABLE -> 1 champion=1"},
			{aliases(`{"champion": "2"}`), "1:AVAILABLE 2:FAILED 3:AVAILABLE -> 1 champion=1"},
			{aliases(`{"champion": "3"}`), "1:AVAILABLE 2:FAILED 3:AVAILABLE -> 3 champion=3"},
			{aliases(`{"champion": "1"}`), "1:AVAILABLE 2:FAILED 3:AVAILABLE -> 1 champion=1"},
		},
		"the last good one is removed while its successor fails": {
			{put("1", "good"), "1:AVAILABLE -> 1"},
			{func(t *testing.T, s *stage) {
				remove("1")(t, s)
				put("2", "bad")(t, s)
			}, "1:AVAILABLE 2:FAILED -> 1"},
			{put("2", "good"), "1:END 2:AVAILABLE -> 2"},
		},
		"an alias names a version that is not there": {
			{func(t *testing.T, s *stage) {
				put("1", "good")(t, s)
				aliases(`{"champion": "1", "challenger": "1"}`)(t, s)
			}, "1:AVAILABLE -> 1 challenger=1 champion=1"},
			{aliases(`{"champion": "7", "challenger": "8"}`), "1:AVAILABLE -> 1 challenger=1 champion=1"},
			{aliases(`{"challenger": "1"}`), "1:AVAILABLE -> 1 challenger=1"},
		},
		"aliases.json is broken": {
			{func(t *testing.T, s *stage) {
				put("1", "good")(t, s)
				put("2", "good")(t, s)
				aliases(`{"champion": "1"}`)(t, s)
			}, "1:AVAILABLE 2:AVAILABLE -> 1 champion=1"},
			{aliases(`{"champion": `), "1:AVAILABLE 2:AVAILABLE -> 1 champion=1"},
			{remove("1"), "1:AVAILABLE 2:AVAILABLE -> 1 champion=1"},
			{aliases(`{}`), "1:END 2:AVAILABLE -> 2"},
		},
		"aliases.json is broken at start": {
			{func(t *testing.T, s *stage) {
				put("1", "good")(t, s)
				aliases(`[]`)(t, s)
			}, "1:AVAILABLE -> "},
			{aliases(`{}`), "1:AVAILABLE -> 1"},
		},
		"the source cannot be read": {
			{put("1", "good"), "1:AVAILABLE -> 1"},
			{func(t *testing.T, s *stage) {
				put("2", "good")(t, s)
				s.listErr.Store(&errNoAnswer)
			}, "1:AVAILABLE -> 1"},
			{func(t *testing.T, s *stage) { s.listErr.Store(nil) }, "1:AVAILABLE 2:AVAILABLE -> 2"},
		},
		"the model goes and comes back": {
			{put("1", "good"), "1:AVAILABLE -> 1"},
			{remove(""), "1:END -> "},
			{nil, "none"},
			{put("1", "good"), "1:AVAILABLE -> 1"},
		},
		"a version folder is filled bit by bit": {
			{put("1", "good"), "1:AVAILABLE -> 1"},
			{func(t *testing.T, s *stage) {
				if err := os.Mkdir(filepath.Join(s.dir, "m", "2"), 0o700); err != nil {
					t.Fatal(err)
				}
			}, "1:AVAILABLE 2:FAILED -> 1"},
			{put("2", "bad half"), "1:AVAILABLE 2:FAILED -> 1"},
			{put("2", "good"), "1:AVAILABLE 2:AVAILABLE -> 2"},
		},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				r := newRegistry(t, s, Options{})
				for i, step := range steps {
					if step.do != nil {
						step.do(t, s)
					}
					if err := r.Poll(t.Context()); err != nil && !errors.Is(err, errNoAnswer) {
						t.Fatal(err)
					}
					synctest.Wait() // for what is being closed
					if got := states(r, "m"); got != step.want {
						t.Errorf("step %d: got %s, want %s", i, got, step.want)
					}
				}
			})
		})
	}
}
