package main

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	pb "footballprediction/api/gen/footballprediction/v1"
	"footballprediction/api/gen/footballprediction/v1/footballpredictionv1connect"
	"footballprediction/serving"
)

// swapper swaps the match model of a server whose folder of models it is: odd versions are those of the
// released version 2, even ones those of version 1.
type swapper struct {
	dir     string // of the model
	serving int
	models  footballpredictionv1connect.ModelServiceClient
}

func releasedAs(version int) string { return []string{"1", "2"}[version%2] }

func (s *swapper) place(t *testing.T, version int) {
	t.Helper()
	released := filepath.Join(filepath.Dir(filepath.Dir(program)), "models", "released", serving.DefaultModel, releasedAs(version))
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(released, filepath.Join(s.dir, strconv.Itoa(version))); err != nil {
		t.Fatal(err)
	}
	s.serving = version
}

// swap returns when the next version serves and the last one is closed.
func (s *swapper) swap(t *testing.T) {
	t.Helper()
	last := strconv.Itoa(s.serving)
	s.place(t, s.serving+1)
	if err := os.Remove(filepath.Join(s.dir, last)); err != nil {
		t.Fatal(err)
	}
	loaded, err := s.models.LoadModel(t.Context(), &pb.LoadModelRequest{Name: serving.DefaultModel, Actor: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	if got := loaded.GetModel().GetServingVersion(); got != strconv.Itoa(s.serving) {
		t.Fatalf("version %s serves, want %d", got, s.serving)
	}
	eventually(t, "the last version to end", func() bool {
		got, err := s.models.GetModel(t.Context(), &pb.GetModelRequest{Name: serving.DefaultModel})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range got.GetModel().GetVersions() {
			if v.GetVersion() == last {
				return v.GetState() == pb.ModelState_MODEL_STATE_END
			}
		}
		return true
	})
}

// While versions take each other's place under their callers nobody is refused, and each answer is what
// the version that it names answers offline. Afterwards, and after many more, nothing is left behind.
func TestSwaps(t *testing.T) {
	home := t.TempDir()
	s := &swapper{dir: filepath.Join(home, "models", serving.DefaultModel)}
	s.place(t, 1)
	server := startServer(t, "--models", filepath.Join(home, "models"), "--data-dir", t.TempDir(), "--poll-interval", "1h")
	s.models = footballpredictionv1connect.NewModelServiceClient(http.DefaultClient, server.operator)
	_, predictions := clientsOf(t, server)

	offline := map[string]*pb.MatchResult{}
	for version := 1; version <= 2; version++ {
		alone := &swapper{dir: filepath.Join(t.TempDir(), serving.DefaultModel)}
		alone.place(t, version)
		var answer pb.PredictResponse
		text := runOK(t, "predict", "Arsenal", "Chelsea", "--json", "--models", filepath.Dir(alone.dir)).stdout
		if err := protojson.Unmarshal([]byte(text), &answer); err != nil {
			t.Fatal(err)
		}
		offline[releasedAs(version)] = answer.GetPrediction().GetMatchResult()
	}
	if math.Abs(offline["1"].GetHomeProbability()-offline["2"].GetHomeProbability()) < 1e-4 {
		t.Fatalf("the released versions do not differ: %v", offline)
	}

	var callers sync.WaitGroup
	var answered [22]atomic.Int64 // by version
	done := make(chan struct{})
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				answer, err := predictions.Predict(t.Context(), &pb.PredictRequest{
					Target: &pb.PredictRequest_Pairing{Pairing: &pb.Pairing{HomeTeam: "Arsenal", AwayTeam: "Chelsea"}},
				})
				if err != nil {
					t.Error(err)
					return
				}
				version, err := strconv.Atoi(answer.GetPrediction().GetModel().GetVersion())
				if err != nil || version >= len(answered) {
					t.Errorf("answered by version %d: %v", version, err)
					return
				}
				answered[version].Add(1)
				got, want := answer.GetPrediction().GetMatchResult(), offline[releasedAs(version)]
				if math.Abs(got.GetHomeProbability()-want.GetHomeProbability()) > 1e-6 || math.Abs(got.GetAwayProbability()-want.GetAwayProbability()) > 1e-6 {
					t.Errorf("version %d answered %v, offline %v", version, got, want)
					return
				}
			}
		})
	}
	for range 20 {
		eventually(t, fmt.Sprintf("version %d to answer", s.serving), func() bool { return t.Failed() || answered[s.serving].Load() > 0 })
		s.swap(t)
	}
	close(done)
	callers.Wait()

	files, goroutines := server.holds(t)
	for range 60 {
		s.swap(t)
	}
	eventually(t, "what was held before", func() bool {
		nowFiles, nowGoroutines := server.holds(t)
		t.Logf("files: %d, before %d; goroutines: %d, before %d", nowFiles, files, nowGoroutines, goroutines)
		return nowFiles <= files && nowGoroutines <= goroutines
	})
}

// holds returns how many files the server has open and how many goroutines it runs.
func (s *server) holds(t *testing.T) (files, goroutines int) {
	t.Helper()
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(s.process.Pid), "fd"))
	if err != nil {
		t.Fatal(err)
	}
	profile := textOf(t, s.operator+"/debug/pprof/goroutine?debug=1")
	found := regexp.MustCompile(`^goroutine profile: total (\d+)`).FindStringSubmatch(profile)
	if found == nil {
		t.Fatalf("goroutines: %.60q", profile)
	}
	if goroutines, err = strconv.Atoi(found[1]); err != nil {
		t.Fatal(err)
	}
	return len(open), goroutines
}
