package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"footballprediction/inference"
	"footballprediction/inference/mlflow/mlflowtest"
	"footballprediction/serving"
)

// TestLifecycleStory tells how a model lives, with a real MLflow server: two versions are trained and
// registered, the first serves, MLflow's alias is moved and the second serves, the first gets a tenth
// of the requests, the operator goes back to it, MLflow dies, and the server starts without it. All the
// while requests are answered: none fails, and each answer is the one of the version that it names.
func TestLifecycleStory(t *testing.T) {
	tracking, err := mlflowtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.Once
	end := func() {
		ended.Do(func() {
			if err := tracking.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(end)
	train(t, tracking.URL)
	const first, second = "1", "2"
	if got := tracking.Aliased(t, serving.DefaultModel, inference.Champion); got != second {
		t.Fatalf("training made version %s the champion", got)
	}
	tracking.Alias(t, serving.DefaultModel, inference.Champion, first)
	tracking.Alias(t, serving.DefaultModel, "challenger", second)

	environment := []string{"MLFLOW_TRACKING_URI=" + tracking.URL}
	arguments := []string{"--data-dir", t.TempDir(), "--poll-interval", "50ms"}
	s := startServerWith(t, environment, arguments...)
	callers := audienceOf(t, s, first, second)
	offline := callers.offline
	if offline[first] == offline[second] {
		t.Fatal("both versions answer alike: nothing below would tell them apart")
	}
	models := modelsOf(t, s)
	leave := callers.crowd(t)
	if !callers.gets(t, first) {
		t.Error("the champion does not serve")
	}

	tracking.Alias(t, serving.DefaultModel, inference.Champion, second)
	eventually(t, "the version that the alias moved to", func() bool { return callers.gets(t, second) })

	models("traffic", serving.DefaultModel, "champion=champion:90", "canary="+first+":10", "--actor", "anna")
	seen := callers.shares(t, 1000)
	// 100 expected, standard deviation 9.5.
	if got := seen["canary="+first]; len(seen) != 2 || got < 50 || got > 150 {
		t.Errorf("a tenth: got %v", seen)
	}

	if said := models("rollback", serving.DefaultModel, first, "--actor", "ben", "--reason", "worse after all"); !strings.Contains(said, "version "+first+" serves") {
		t.Errorf("rollback said %s", said)
	}
	if got := tracking.Aliased(t, serving.DefaultModel, inference.Champion); got != first || !callers.gets(t, first) {
		t.Errorf("after rollback MLflow's champion is %s", got)
	}
	// MLflow's own pages show where the operator went.
	for version, alias := range map[string]string{first: inference.Champion, second: "challenger"} {
		page := pageOf(t, tracking.URL+"/#/models/"+serving.DefaultModel+"/versions/"+version)
		if strings.Contains(page, `title="champion"`) != (version == first) || !strings.Contains(page, `title="`+alias+`"`) {
			t.Errorf("MLflow's page of version %s does not show the alias %s, or shows another", version, alias)
		}
	}

	end()
	eventually(t, "the status to say that MLflow is away", func() bool {
		return strings.Contains(models("status", serving.DefaultModel), "has not answered since")
	})
	if !callers.gets(t, first) {
		t.Error("MLflow is away, and the champion does not serve")
	}
	leave()
	s = startServerWith(t, environment, arguments...)
	callers = audienceOf(t, s, first, second)
	if !callers.gets(t, first) {
		t.Error("after a restart without MLflow the champion does not serve")
	}
	for version, was := range offline {
		if got := callers.offline[version]; math.Abs(got-was) > 1e-6 {
			t.Errorf("after a restart version %s: %v for the home side, before %v", version, got, was)
		}
	}
}

// train exports the features of a made-up history and trains on them, as `make train` does.
func train(t *testing.T, trackingURI string) {
	t.Helper()
	root := filepath.Dir(filepath.Dir(program))
	work := t.TempDir()
	table := filepath.Join(work, "features.parquet")
	runOK(t, "features", "export", "--data", writeSeasons(t), "--parquet", table)
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "models", ".venv", "bin", "python"), filepath.Join(root, "models", "train.py"),
		"--features", table, "--released", filepath.Join(work, "released"), "--tracking-uri", trackingURI, "--work", work)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("train: %v\n%s", err, out)
	}
}

// writeSeasons writes a history long enough to train on: twenty seasons of a league of ten clubs that
// differ.
func writeSeasons(t *testing.T) string {
	t.Helper()
	const clubs = 10
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	goals := func(mean float64) (n int) {
		for product := random.Float64(); product > math.Exp(-mean); product *= random.Float64() {
			n++
		}
		return n
	}
	for year := 2005; year < 2025; year++ {
		folder := filepath.Join(dir, fmt.Sprintf("%02d%02d", year%100, (year+1)%100))
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, division := range []string{"E0"} {
			var csv strings.Builder
			csv.WriteString("Div,Date,HomeTeam,AwayTeam,FTHG,FTAG\n")
			for round := range 2 * (clubs - 1) {
				day := time.Date(year, 8, 12+14*round, 0, 0, 0, 0, time.UTC)
				for pair := range clubs / 2 {
					// The circle method: the last club stays, the others go round.
					home, away := (round+pair)%(clubs-1), (round+clubs-1-pair)%(clubs-1)
					if pair == 0 {
						away = clubs - 1
					}
					if round >= clubs-1 {
						home, away = away, home
					}
					fmt.Fprintf(&csv, "%s,%s,%s Town %c,%s Town %c,%d,%d\n", division, day.Format("02/01/2006"), division, 'A'+home, division, 'A'+away,
						goals(1.5*math.Exp(.08*float64(away-home))), goals(1.2*math.Exp(.08*float64(home-away))))
				}
			}
			if err := os.WriteFile(filepath.Join(folder, division+".csv"), []byte(csv.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// pageOf returns what a browser shows at an address, as HTML.
func pageOf(t *testing.T, address string) string {
	t.Helper()
	page, err := exec.CommandContext(t.Context(), "chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=20000", "--dump-dom", address).Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return string(page)
}
