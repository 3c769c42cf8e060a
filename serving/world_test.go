package serving

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"footballprediction/features"
	"footballprediction/inference"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// today is the clock of all tests.
var today = time.Date(2025, 6, 10, 15, 4, 5, 0, time.UTC)

// testSchema is small enough to work the answers out by hand.
var testSchema = features.Schema{
	Features: []features.Feature{
		{Name: "home_strength", Unit: "goals", Group: "home_rating"},
		{Name: "away_strength", Unit: "goals", Group: "away_rating"},
	},
	Hash: strings.Repeat("ab", 32),
}

// A world is what a Service stands on: fake stores, and the real registry over a fake source and
// fake models. Tests change its fields before start.
type world struct {
	telemetry *Telemetry      // nil measures nothing
	loaded    <-chan struct{} // nil: models are loaded from the start
	teams     []features.Team
	leagues   []features.Competition
	fixtures  []features.Match
	// strengths are the two features of a team at home and away; asOf is the day they saw last.
	strengths map[string]float32
	asOf      features.Date

	matchErr   error // of every Match
	vectorsErr error // of every Vectors
	// beforeVectors is called by every Vectors; batches notes how many fixtures each was asked for.
	beforeVectors func(ctx context.Context)
	mu            sync.Mutex
	batches       []int

	versions map[string]map[string]*fakeModel // by name and version
	aliases  map[string]map[string]string
	log      *strings.Builder // what was logged at all levels
	logMu    sync.Mutex
}

func newWorld() *world {
	w := &world{
		teams: []features.Team{
			{ID: "eng-arsenal", Name: "Arsenal", Country: "England", Competition: "E0", Aliases: []string{"The Gunners"}},
			{ID: "eng-chelsea", Name: "Chelsea", Country: "England", Competition: "E0"},
			{ID: "eng-everton", Name: "Everton", Country: "England", Competition: "E0"},
			{ID: "ger-bayern-munich", Name: "Bayern Munich", Country: "Germany", Competition: "D1"},
		},
		leagues: []features.Competition{
			{Code: "D1", Name: "Bundesliga", Country: "Germany", Tier: 1, Season: "2024-25"},
			{Code: "E0", Name: "Premier League", Country: "England", Tier: 1, Season: "2024-25"},
		},
		strengths: map[string]float32{"eng-arsenal": 1.8, "eng-chelsea": 1.2, "eng-everton": 0.8, "ger-bayern-munich": 2.4},
		asOf:      date("2025-05-25"),
		versions:  map[string]map[string]*fakeModel{DefaultModel: {"1": matchModel(), "2": matchModel()}},
		log:       new(strings.Builder),
	}
	for i, day := range []string{"2025-05-18", "2025-06-14", "2025-06-21"} {
		m := features.Match{
			ID: fmt.Sprintf("E0-%s-arsenal-chelsea", strings.ReplaceAll(day, "-", "")), Competition: "E0", Season: "2024-25",
			Date: date(day), Home: "eng-arsenal", Away: "eng-chelsea", Status: features.Scheduled, Illustrative: true,
		}
		if i == 0 {
			m.Status, m.HomeGoals, m.AwayGoals, m.Illustrative = features.Finished, 2, 1, false
		}
		if i == 2 {
			m.Kickoff = date(day).Time().Add(14 * time.Hour)
		}
		w.fixtures = append(w.fixtures, m)
	}
	return w
}

func date(s string) features.Date {
	d, err := features.ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// Write collects log lines.
func (w *world) Write(line []byte) (int, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.Write(line)
}

func (w *world) logged() string {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.String()
}

// service returns a Service on the world, its models loaded.
func (w *world) service(t testing.TB) (*Service, *slog.Logger) {
	t.Helper()
	root := t.TempDir()
	for name, versions := range w.versions {
		for version, model := range versions {
			dir := filepath.Join(root, name, version)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if model.manifest != "" {
				for file, text := range map[string]string{"manifest.json": model.manifest, "golden.json": golden} {
					if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	logger := slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
	options := inference.Options{Admit: AdmitMatchModel(testSchema), Logger: logger, Now: func() time.Time { return today }}
	if w.telemetry != nil {
		options.Observe, options.Loaded = w.telemetry.Observe, w.telemetry.Loaded
	}
	registry := inference.NewRegistry(&folder{w, root}, opener{w, root}, options)
	if w.telemetry != nil {
		if err := w.telemetry.WatchModels(registry); err != nil {
			t.Fatal(err)
		}
	}
	if err := registry.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Close(context.Background()); err != nil {
			t.Errorf("close registry: %v", err)
		}
	})
	service, err := NewService(testSchema, registry, w, w, ServiceOptions{
		Loaded: w.loaded,
		Logger: logger, Now: func() time.Time { return today }, Telemetry: w.telemetry,
	})
	if err != nil {
		t.Fatal(err)
	}
	return service, logger
}

// folder is an inference.Source over the world's models.
type folder struct {
	world *world
	root  string
}

func (f *folder) List(context.Context) ([]inference.Aspired, error) {
	var all []inference.Aspired
	for name, versions := range f.world.versions {
		numbers := slices.Sorted(maps.Keys(versions))
		if len(numbers) == 0 {
			all = append(all, inference.Aspired{Name: name})
			continue
		}
		wish := inference.Aspired{Name: name, Versions: numbers, Aliases: f.world.aliases[name], Serving: numbers[len(numbers)-1]}
		if champion := wish.Aliases[inference.Champion]; champion != "" {
			wish.Serving = champion
		}
		all = append(all, wish)
	}
	return all, nil
}

func (f *folder) Fetch(_ context.Context, name, version string) (string, error) {
	return filepath.Join(f.root, name, version), nil
}

func (f *folder) SetAlias(_ context.Context, model, alias, version string) error {
	if f.world.aliases == nil {
		f.world.aliases = map[string]map[string]string{}
	}
	f.world.aliases[model] = map[string]string{alias: version}
	return nil
}

// opener opens the world's models.
type opener struct {
	world *world
	root  string
}

func (o opener) Open(_ context.Context, dir string) (inference.Model, error) {
	return o.world.versions[filepath.Base(filepath.Dir(dir))][filepath.Base(dir)], nil
}

// fakeModel is a match model in Go: home and away goals are the features, the probabilities follow
// from them in a way that can be worked out by hand. run, if set, may change or fail a run.
type fakeModel struct {
	manifest        string
	inputs, outputs []inference.TensorSpec
	run             func(ctx context.Context, features []float32, outcomes, goals []float32) error
	mu              sync.Mutex
	rows            []int // of each run
}

func manifest(hash string) string {
	return fmt.Sprintf(`{"model":"match-outcome","version":"1","feature_schema_hash":%q,"features":["home_strength","away_strength"],
		"rho":-0.05,"data_cutoff":"2025-05-25","metrics":{"rps":0.198,"log_loss":0.975},
		"feature_means":{"home_strength":1.5,"away_strength":1.5}}`, hash)
}

// golden is a row of the fake model, worked out by hand.
const golden = `{"tolerance":1e-5,"inputs":[{"name":"features","datatype":"FP32","shape":[1,2],"data":[2,1]}],
	"outputs":[{"name":"outcome_probabilities","datatype":"FP32","shape":[1,3],"data":[0.5,0.25,0.25]},
	{"name":"expected_goals","datatype":"FP32","shape":[1,2],"data":[2,1]}]}`

func matchModel() *fakeModel {
	return &fakeModel{
		manifest: manifest(testSchema.Hash),
		inputs:   []inference.TensorSpec{{Name: "features", Type: inference.FP32, Shape: []int64{-1, 2}}},
		outputs: []inference.TensorSpec{
			{Name: "outcome_probabilities", Type: inference.FP32, Shape: []int64{-1, 3}},
			{Name: "expected_goals", Type: inference.FP32, Shape: []int64{-1, 2}},
		},
	}
}

func (m *fakeModel) Inputs() []inference.TensorSpec  { return m.inputs }
func (m *fakeModel) Outputs() []inference.TensorSpec { return m.outputs }
func (m *fakeModel) Concurrency() int                { return 1 }
func (m *fakeModel) Close() error                    { return nil }

// forecast is what the fake model says: a draw has a quarter, the rest is shared by goals.
func forecast(home, away float32) (outcomes [3]float32, goals [2]float32) {
	return [3]float32{.75 * home / (home + away), .25, .75 * away / (home + away)}, [2]float32{home, away}
}

func (m *fakeModel) Run(ctx context.Context, inputs, outputs []inference.Tensor) error {
	if _, err := inference.CheckInputs(m.inputs, inputs); err != nil {
		return err
	}
	in := inference.ElementsOf[float32](inputs[0].Data)
	n := len(in) / 2
	outcomes, goals := make([]float32, 3*n), make([]float32, 2*n)
	for i := range n {
		o, g := forecast(in[2*i], in[2*i+1])
		copy(outcomes[3*i:], o[:])
		copy(goals[2*i:], g[:])
	}
	m.mu.Lock()
	m.rows = append(m.rows, n)
	run := m.run
	m.mu.Unlock()
	if run != nil {
		if err := run(ctx, in, outcomes, goals); err != nil {
			return err
		}
	}
	for i := range outputs {
		out := &outputs[i]
		out.Type = inference.FP32
		if out.Name == "outcome_probabilities" {
			out.Shape, out.Data = []int64{int64(n), 3}, append(out.Data[:0], inference.BytesOf(outcomes)...)
		} else {
			out.Shape, out.Data = []int64{int64(n), 2}, append(out.Data[:0], inference.BytesOf(goals)...)
		}
	}
	return nil
}

func (m *fakeModel) runs() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.rows)
}

func (m *fakeModel) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = nil
}

// The world as a features.VectorStore.

func (w *world) Vectors(ctx context.Context, fixtures []features.Fixture, out []features.Vector) error {
	w.mu.Lock()
	w.batches = append(w.batches, len(fixtures))
	before := w.beforeVectors
	w.mu.Unlock()
	if before != nil {
		before(ctx)
	}
	if w.vectorsErr != nil {
		return w.vectorsErr
	}
	for i, f := range fixtures {
		v := features.Vector{Values: append(out[i].Values[:0], w.strengths[f.Home], w.strengths[f.Away]), AsOf: w.asOf}
		v.Unlinked = f.Home[:3] != f.Away[:3]
		switch {
		case f.MatchID != "" && f.Date <= w.asOf:
			v.Err = fmt.Errorf("%w: %q", features.ErrNotKept, f.MatchID)
		case f.Date <= w.asOf:
			v.Err = fmt.Errorf("%w: expected a date after %s, got %s", features.ErrDateBeforeHistory, w.asOf, f.Date)
		}
		out[i] = v
	}
	return nil
}

// The world as a features.MatchStore.

func (w *world) Match(_ context.Context, id string) (features.Match, error) {
	if w.matchErr != nil {
		return features.Match{}, w.matchErr
	}
	for _, m := range w.fixtures {
		if m.ID == id {
			return m, nil
		}
	}
	return features.Match{}, fmt.Errorf("%w: %q", features.ErrMatchUnknown, id)
}

func (w *world) Matches(_ context.Context, q features.MatchQuery) (page features.Page[features.Match], err error) {
	key := func(m *features.Match) string { return m.Date.String() + "/" + m.ID }
	for i := range w.fixtures {
		m := &w.fixtures[i]
		if !q.Selects(m) || key(m) <= q.After {
			continue
		}
		if len(page.Items) == q.Limit {
			page.Next = key(&page.Items[len(page.Items)-1])
			break
		}
		page.Items = append(page.Items, *m)
	}
	return page, nil
}

func (w *world) Team(_ context.Context, id string) (features.Team, error) {
	for _, team := range w.teams {
		if team.ID == id {
			return team, nil
		}
	}
	return features.Team{}, fmt.Errorf("%w: %q", features.ErrTeamUnknown, id)
}

func (w *world) FindTeam(_ context.Context, name, country string) (features.Team, error) {
	for _, team := range w.teams {
		if country != "" && team.Country != country {
			continue
		}
		for _, known := range append([]string{team.ID, team.Name}, team.Aliases...) {
			if strings.EqualFold(known, name) {
				return team, nil
			}
		}
	}
	return features.Team{}, &features.TeamUnknownError{Name: name, Suggestions: w.teams[:2]}
}

func (w *world) Teams(_ context.Context, q features.TeamQuery) (page features.Page[features.Team], err error) {
	for _, team := range w.teams {
		if team.ID <= q.After || q.Competition != "" && team.Competition != q.Competition ||
			!strings.Contains(strings.ToLower(team.Name), strings.ToLower(q.Query)) {
			continue
		}
		if len(page.Items) == q.Limit {
			page.Next = page.Items[len(page.Items)-1].ID
			break
		}
		page.Items = append(page.Items, team)
	}
	return page, nil
}

func (w *world) Competition(_ context.Context, code string) (features.Competition, error) {
	for _, c := range w.leagues {
		if c.Code == code {
			return c, nil
		}
	}
	return features.Competition{}, fmt.Errorf("%w: %q", features.ErrCompetitionUnknown, code)
}

func (w *world) Competitions(context.Context) ([]features.Competition, error) { return w.leagues, nil }

func (w *world) Table(ctx context.Context, code string) (features.Table, error) {
	c, err := w.Competition(ctx, code)
	if err != nil {
		return features.Table{}, err
	}
	return features.Table{Competition: c, Season: c.Season, AsOf: w.asOf, Rows: []features.TableRow{
		{Team: w.teams[0], Played: 38, Won: 25, Drawn: 9, Lost: 4, GoalsFor: 80, GoalsAgainst: 30, Points: 84},
		{Team: w.teams[1], Played: 38, Won: 20, Drawn: 9, Lost: 9, GoalsFor: 64, GoalsAgainst: 43, Points: 69},
	}}, nil
}

var (
	_ features.VectorStore = (*world)(nil)
	_ features.MatchStore  = (*world)(nil)
)
