package mlflow

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
)

// What was logged in a version's run, and of the model itself, is told with the version, and after a
// restart without MLflow too.
func TestMetrics(t *testing.T) {
	files := tiny(t, "half_plus_two")
	name := register(t, files)
	dir, p := t.TempDir(), newProxy(t)
	s := newSource(t, p.URL, dir, t.TempDir(), Options{})
	first, err := s.client.version(t.Context(), name, "1")
	if err != nil {
		t.Fatal(err)
	}
	logged := first.loggedModel()
	run, evaluation := tracking.StartRun(t), tracking.StartRun(t)
	for i, m := range []struct {
		run, model, key string
		value           any
		at              int64
	}{
		{run, "", "rps", .25, 1},
		{run, "", "rows", 7.0, 1},
		{run, "", "loss", "NaN", 1},
		{evaluation, logged, "log_loss", .97, 20},
		{evaluation, logged, "log_loss", .99, 10},
		{evaluation, logged, "rps", .1978, 2},
	} {
		tracking.LogMetric(t, m.run, m.model, m.key, m.value, m.at+int64(i))
	}
	version := tracking.RegisterSource(t, name, map[string]any{"source": "models:/" + logged, "model_id": logged, "run_id": run})
	tracking.Alias(t, name, "challenger", version)

	want := map[string]float64{"rps": .1978, "rows": 7, "log_loss": .97}
	p.misbehave(only("/runs/get", dies))
	if wish := list(t, s, name); brief(wish) != "[1 2] map[challenger:2 champion:1] -> 1" || wish.Err != nil || wish.Metrics["2"] != nil {
		t.Errorf("the metrics do not come: %s %v %v", brief(wish), wish.Err, wish.Metrics)
	}
	p.misbehave(nil)
	wish := list(t, s, name)
	if !maps.Equal(wish.Metrics["2"], want) || wish.Metrics["1"]["rps"] != .1978 {
		t.Errorf("got %v, want %v", wish.Metrics, want)
	}
	asked := p.asked.Load()
	list(t, s, name)
	if again := p.asked.Load() - asked; again != 1 {
		t.Errorf("what is known was asked for again: %d requests", again)
	}

	p.misbehave(dies)
	s = newSource(t, p.URL, dir, t.TempDir(), Options{})
	if wish := list(t, s, name); !maps.Equal(wish.Metrics["2"], want) || wish.Serving != "1" {
		t.Errorf("after a restart: %s %v", brief(wish), wish.Metrics)
	}
}

func TestMetricsOfWhatIsGone(t *testing.T) {
	for _, answer := range []string{
		`{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "gone"}`,
	} {
		p := newProxy(t)
		name := register(t, tiny(t, "half_plus_two"))
		s := newSource(t, p.URL, t.TempDir(), t.TempDir(), Options{})
		p.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.Contains(r.URL.Path, "/logged-models/") {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusNotFound)
				_, _ = w.Write([]byte(answer))
				return
			}
			next.ServeHTTP(w, r)
		})
		if wish := list(t, s, name); brief(wish) != "[1] map[champion:1] -> 1" || wish.Err != nil || len(wish.Metrics) != 0 {
			t.Errorf("got %s %v %v", brief(wish), wish.Err, wish.Metrics)
		}
		asked := p.asked.Load()
		list(t, s, name)
		if again := p.asked.Load() - asked; again != 1 {
			t.Errorf("what is gone was asked for again: %d requests", again)
		}
	}
}

func TestCollectMetrics(t *testing.T) {
	one := func(key, value string, at int) metric {
		return metric{key, json.RawMessage(value), json.Number(fmt.Sprint(at))}
	}
	found := map[string]float64{"known": 1}
	var many []metric
	for i := range metricsMax {
		many = append(many, one(fmt.Sprint("m", i), "3", 0))
	}
	collect(found, append([]metric{
		one("a", "1", 5), one("a", "2", 7), one("a", "3", 6), one("b", `"NaN"`, 1), one("c", "1e999", 1), one("", "1", 1),
		one(string(make([]byte, metricNameBytesMax+1)), "1", 1), one("d", "", 1), one("e", "null", 1),
	}, append(many, one("known", "2", 0))...))
	if len(found) != metricsMax || found["a"] != 2 || found["known"] != 2 {
		t.Errorf("got %d metrics, a %v, known %v", len(found), found["a"], found["known"])
	}
	for _, key := range []string{"b", "c", "", "d", "e"} {
		if v, ok := found[key]; ok {
			t.Errorf("%q: got %v", key, v)
		}
	}
}
