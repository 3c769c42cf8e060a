package mlflow

import (
	"context"
	"fmt"
	"maps"

	"strings"
	"sync/atomic"
	"testing"
	"time"

	"footballprediction/inference"
	"footballprediction/inference/onnx"
	"footballprediction/inference/onnx/onnxtest"
)

// newRegistry returns a Registry over the source, with real ONNX models.
func newRegistry(t *testing.T, s inference.Source) *inference.Registry {
	t.Helper()
	opener, err := onnx.New(onnxtest.Library(t), onnx.Options{Sessions: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := inference.NewRegistry(s, opener, inference.Options{})
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func poll(t *testing.T, r *inference.Registry) {
	t.Helper()
	if err := r.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The tiny models tell themselves apart by their answers to 6: 6/2+2 and 6/3+2.
const half6, third6 = 5, 4

// serves expects the version that serves, and its answer to 6.
func serves(t *testing.T, what string, r *inference.Registry, model, version string, want float32) {
	t.Helper()
	h, err := r.Acquire(model, "")
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	defer h.Release()
	got, err := answerTo6(h)
	if err != nil || h.Version() != version || got != want {
		t.Errorf("%s: version %s answers %v (%v), expected version %s and %v", what, h.Version(), got, err, version, want)
	}
}

func answerTo6(h inference.Handle) (float32, error) {
	six := []inference.Tensor{{Name: "x", Type: inference.FP32, Shape: []int64{1, 1}, Data: inference.BytesOf([]float32{6})}}
	y := []inference.Tensor{{Name: "y"}}
	if err := h.Run(context.Background(), six, y); err != nil {
		return 0, err
	}
	return inference.ElementsOf[float32](y[0].Data)[0], nil
}

// reason returns the state of a version and why it is in it.
func reason(t *testing.T, r *inference.Registry, model, version string) string {
	t.Helper()
	for _, m := range r.Status().Models {
		for _, v := range m.Versions {
			if m.Name == model && v.Version == version {
				return fmt.Sprint(v.State, " ", v.Reason)
			}
		}
	}
	return "unknown"
}

// with returns files with those of another model in their place, by name.
func with(files, other map[string][]byte, names ...string) map[string][]byte {
	files = maps.Clone(files)
	for _, name := range names {
		files[name] = other[name]
	}
	return files
}

// What came with the program serves until MLflow answers, and then what MLflow names does: also where
// both give their versions the same numbers.
func TestMLflowTakesOver(t *testing.T) {
	name := register(t, tiny(t, "third_plus_two"))
	p := newProxy(t)
	p.misbehave(dies)
	r := newRegistry(t, newSource(t, p.URL, t.TempDir(), folder(t, name+"/1", name+"/2", "released/1"), Options{}))
	poll(t, r)
	serves(t, "MLflow is down", r, name, "2", half6)
	for _, m := range r.Status().Models {
		wants(t, m.Name, m.Err, "has not answered since the start")
	}
	p.misbehave(nil)
	pollUntil(t, r, name, "1")
	serves(t, "MLflow answers", r, name, "1", third6)
	if got := reason(t, r, name, "2"); !strings.HasPrefix(got, "END") && !strings.HasPrefix(got, "UNLOADING") {
		t.Errorf("the version that came with the program: %s", got)
	}
	serves(t, "a model that MLflow does not have", r, "released", "1", half6)

	// It goes on while MLflow is down, and the status says so.
	p.misbehave(dies)
	poll(t, r)
	serves(t, "MLflow is down again", r, name, "1", third6)
	for _, m := range r.Status().Models {
		if m.Name == name {
			wants(t, "status", m.Err, "has not answered since 20")
		}
	}
}

// pollUntil polls until a version serves: the breaker may take a moment.
func pollUntil(t *testing.T, r *inference.Registry, model, version string) {
	t.Helper()
	for range 200 {
		poll(t, r)
		if h, err := r.Acquire(model, ""); err == nil {
			got := h.Version()
			h.Release()
			if got == version {
				return
			}
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Errorf("version %s of %s does not serve: %s", version, model, reason(t, r, model, version))
}

// A champion that cannot serve leaves the last good version in its place, whatever is wrong with it.
func TestBadChampions(t *testing.T) {
	half, third := tiny(t, "half_plus_two"), tiny(t, "third_plus_two")
	cut := maps.Clone(half)
	cut["model.onnx"] = half["model.onnx"][:len(half["model.onnx"])/2]
	name := register(t, half)
	p := newProxy(t)
	r := newRegistry(t, newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{}))
	poll(t, r)
	serves(t, "at first", r, name, "1", half6)

	tests := []struct {
		name  string
		files map[string][]byte
		fault fault
		want  string
	}{
		{"golden rows not met", with(half, third, "model.onnx"), nil, `FAILED golden rows: output "y": element 1: expected 3 within 1e-05, got 2.6666667`},
		{"cut off where it was made", cut, nil, "FAILED open model: "},
		{"no model", map[string][]byte{"card.md": nil}, nil, "FAILED open model: find the model file"},
		{"dies while it is fetched", third, only(modelFile, dies), `FAILED fetch: file "model.onnx": GET `},
		{"a page in its place", third, only(modelFile, answers(200, "<html>")), "FAILED fetch: file \"model.onnx\": GET"},
		{"not ready", third, only("/model-versions/get", rewrites(`"READY"`, `"PENDING_REGISTRATION"`)), "unknown"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p.misbehave(test.fault)
			version := tracking.Register(t, name, test.files)
			tracking.Alias(t, name, inference.Champion, version)
			poll(t, r)
			if got := reason(t, r, name, version); !strings.HasPrefix(got, test.want) {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
			serves(t, "beside it", r, name, "1", half6)

		})
	}
	p.misbehave(nil)
	version := tracking.Register(t, name, third)
	tracking.Alias(t, name, inference.Champion, version)
	pollUntil(t, r, name, version)
	serves(t, "a good one", r, name, version, third6)
	tracking.Alias(t, name, inference.Champion, "1")
	poll(t, r)
	serves(t, "back", r, name, "1", half6)
}

// The process starts again while the champion is bad, and MLflow up or down: something serves.
func TestRestartWithABadChampion(t *testing.T) {
	half, third := tiny(t, "half_plus_two"), tiny(t, "third_plus_two")
	name := register(t, third, with(half, third, "model.onnx"))
	p := newProxy(t)
	dir := t.TempDir()
	for _, f := range []fault{nil, dies} {
		p.misbehave(f)
		s, err := New(at(t, p.URL), dir, inference.NewFolderSource(folder(t, name+"/9"), nil), Options{Limits: Limits{Retry: 1}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r := newRegistry(t, s)
		poll(t, r)
		serves(t, "at first", r, name, "9", half6)
		poll(t, r)
		serves(t, "then", r, name, "9", half6)
		if got := reason(t, r, name, "2"); !strings.HasPrefix(got, "FAILED golden rows") {
			t.Errorf("the champion: %s", got)
		}
	}
}

// Processes that start while MLflow is down serve what it named last.
func TestRestartServesTheLastChampion(t *testing.T) {
	name := register(t, tiny(t, "half_plus_two"), tiny(t, "third_plus_two"))
	p := newProxy(t)
	dir, fallback := t.TempDir(), folder(t, name+"/2")
	poll(t, newRegistry(t, newSource(t, p.URL, dir, fallback, Options{})))
	p.misbehave(dies)
	r := newRegistry(t, newSource(t, p.URL, dir, fallback, Options{}))
	poll(t, r)
	serves(t, "MLflow is down", r, name, "2", third6)
}

// However quickly the alias moves, what serves in the end is what it names in the end, and every
// answer before is that of the version it names.
func TestAliasMovesQuickly(t *testing.T) {
	half, third := tiny(t, "half_plus_two"), tiny(t, "third_plus_two")
	name := register(t, half, third, half, third)
	tracking.Alias(t, name, inference.Champion, "1")
	r := newRegistry(t, newSource(t, tracking.URL, t.TempDir(), t.TempDir(), Options{}))
	poll(t, r)
	var stop atomic.Bool
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		for !stop.Load() {
			if err := r.Poll(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	want := map[string]float32{"1": half6, "2": third6, "3": half6, "4": third6}
	for _, version := range []string{"2", "3", "4", "2", "1", "4", "3"} {
		tracking.Alias(t, name, inference.Champion, version)
		if h, err := r.Acquire(name, ""); err != nil {
			t.Error(err)
		} else {
			serving := h.Version()
			h.Release()
			if serving == "" || want[serving] == 0 {
				t.Errorf("version %q serves", serving)
			}
		}
	}
	stop.Store(true)
	<-polled
	poll(t, r)
	serves(t, "in the end", r, name, "3", half6)
}

// A version can be asked for by each alias that names it.
func TestAliasesAreAddressable(t *testing.T) {
	name := register(t, tiny(t, "half_plus_two"), tiny(t, "third_plus_two"))
	tracking.Alias(t, name, "challenger", "1")
	r := newRegistry(t, newSource(t, tracking.URL, t.TempDir(), t.TempDir(), Options{}))
	poll(t, r)
	for alias, want := range map[string]string{"": "2", inference.Champion: "2", "challenger": "1", "1": "1"} {
		h, err := r.Acquire(name, alias)
		if err != nil {
			t.Errorf("%q: %v", alias, err)
			continue
		}
		if h.Version() != want {
			t.Errorf("%q: got version %s, expected %s", alias, h.Version(), want)
		}
		h.Release()
	}
}
