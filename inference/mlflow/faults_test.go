package mlflow

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"footballprediction/inference"
)

// TestFaults is what can go wrong between MLflow and what serves. In each case version 1 goes on serving,
// every request is answered by the version that it names, the status says what is wrong, without a word
// of where on the disk or of how to log in, nothing is left behind, and once the fault has ended the
// champion serves without anybody's doing more.
func TestFaults(t *testing.T) {
	all := func(f fault) func(*world) { // whatever is asked of MLflow
		return func(w *world) { w.proxy.misbehave(f); w.promote() }
	}
	file := func(f fault) func(*world) { return all(only(modelFile, f)) }
	champion := func(files func(*testing.T) map[string][]byte) func(*world) {
		return func(w *world) { w.promoteFiles(files(w.t)) }
	}
	tests := []struct {
		name  string
		begin func(*world)
		says  string
		end   func(*world) // beside MLflow's being well again; nil: nothing
	}{
		{"MLflow down at start", func(w *world) { all(dies)(w); w.restart() }, "has not answered since the start", nil},
		{"MLflow goes away", all(dies), "has not answered since 20", nil},
		{"MLflow hangs", all(hangs), "took too long altogether", nil},
		{"MLflow hangs at start", func(w *world) { all(hangs)(w); w.restart() }, "it goes on as MLflow said at 20", nil},
		{"answers 500", all(answers(500, "")), "500 Internal Server Error", nil},
		{"answers 429", all(answers(429, "", "Retry-After", "60")), "429 Too Many Requests", nil},
		{"answers HTML", all(answers(200, "<html>", "Content-Type", "text/html")), "expected JSON, got text/html", nil},
		{"answers half", all(half), "unexpected EOF", nil},
		{"answers without end", all(endless), "expected at most 16777216 bytes of JSON", nil},
		{"redirects elsewhere", all(answers(302, "", "Location", "http://192.0.2.1/")), "redirected to another server, http://192.0.2.1: refused", nil},

		{"dies while fetching", file(dies), `file "model.onnx": GET`, nil},
		{"500 for a file", file(answers(500, "")), "500 Internal Server Error", nil},
		{"429 for a file", file(answers(429, "", "Retry-After", "60")), "429 Too Many Requests", nil},
		{"HTML for a file", file(answers(200, "<html>", "Content-Type", "text/html")), "expected a file, got text/html", nil},
		{"a file slowly", file(drips(time.Hour)), "no byte came in time", nil},
		{"a file in an endless drip", file(drips(10 * time.Millisecond)), "took too long altogether", nil},
		{"half a file", file(half), "unexpected EOF", nil},
		{"a file of the wrong length", file(answers(200, "short")), "bytes as listed, got Content-Length 5", nil},
		{"a file without end", file(endless), "bytes, got more", nil},
		{"a file too large, as declared", all(only("/artifacts", says(`{"files": [{"path": "model.onnx", "file_size": 3000000000}]}`))), "expected a file of at most 2147483648 bytes", nil},
		{"a file from elsewhere", file(answers(302, "", "Location", "http://192.0.2.1/")), "redirected to another server, http://192.0.2.1: refused", nil},
		{"files elsewhere", all(only(downloadURI, says(`{"artifact_uri": "mlflow-artifacts://anna:s3cret@192.0.2.1/0/m"}`))), "they are on another server", nil},

		{"the alias moves three times within a second", func(w *world) {
			versions := []string{w.next(), w.next(), w.next()}
			polled := make(chan struct{})
			go func() {
				defer close(polled)
				for range 3 {
					poll(w.t, w.registry)
				}
			}()
			for _, version := range versions {
				w.champion(version)
			}
			<-polled
		}, "", nil},
		{"alias to a deleted version", func(w *world) {
			version := w.next()
			w.champion(version)
			tracking.DeleteVersion(w.t, w.model, version)
		}, `it has no alias "champion" any more, and goes on with the last`, (*world).promote},
		{"alias to a version that is gone", all(only("/registered-models/search", rewrites(`"version": "2"`, `"version": "9"`))), "(name=TestFaults-alias_to_a_version_that_is_gone, version=9) not found", nil},
		{"alias to a pending version", all(only("/model-versions/get", rewrites(`"READY"`, `"PENDING_REGISTRATION"`))), "expected status READY, got PENDING_REGISTRATION", nil},
		{"alias to a failed version", all(only("/model-versions/get", rewrites(`"READY"`, `"FAILED_REGISTRATION"`))), "expected status READY, got FAILED_REGISTRATION", nil},

		{"a model for another schema", champion(ofAnotherSchema), "version 2 FAILED manifest.json: feature_schema_hash: expected ", (*world).promote},
		{"a model cut off", champion(cutOff), "version 2 FAILED open model: ", (*world).promote},
		{"an opset that is not known", champion(ofTheFuture), "version 2 FAILED open model: ", (*world).promote},
		{"a model that answers otherwise than it did", champion(unlikeItself), "version 2 FAILED golden rows: ", (*world).promote},

		{"a bad champion and MLflow down at start", func(w *world) {
			w.promoteFiles(cutOff(w.t))
			poll(w.t, w.registry)
			w.proxy.misbehave(dies)
			w.restart()
		}, "version 2 FAILED open model: ", (*world).promote},

		{"disk full while fetching", func(w *world) {
			files := tiny(w.t, "third_plus_two")
			files["weights"] = noise(100_000)
			w.promoteFiles(files)
			w.answers["2"] = third6
		}, "no space left on device", func(w *world) { resizeDisk(w.t, w.store, "1m", syscall.MS_REMOUNT) }},
		{"another server removes all that it may", func(w *world) {
			other := newProxy(w.t)
			name := w.model + "-other"
			tracking.Alias(w.t, name, inference.Champion, tracking.Register(w.t, name, tiny(w.t, "half_plus_two")))
			w.t.Cleanup(func() { tracking.DeleteModel(w.t, name) })
			other.misbehave(only("/registered-models/search", rewrites(`"`+w.model+`"`, `"elsewhere"`)))
			s := newSource(w.t, other.URL, w.store, w.t.TempDir(), Options{Limits: Limits{StoreBytes: 1}})
			list(w.t, s, name)
			if _, err := s.Fetch(w.t.Context(), name, "1"); err != nil {
				w.told = append(w.told, err)
			}
			w.proxy.misbehave(dies)
			w.promote()
			if err := os.Remove(filepath.Join(w.store, savedFile)); err != nil { // which is the other's
				w.t.Fatal(err)
			}
			if err := w.source.store.saveAs(w.source.saved); err != nil {
				w.t.Fatal(err)
			}
			w.restart()
		}, "all that is there is in use or wanted", nil},

		{"webhook forged", func(w *world) { w.deliver("a", time.Now(), "a guess") }, "it is not this delivery's", (*world).promote},
		{"webhook replayed", func(w *world) {
			now := time.Now()
			w.deliver("a", now, webhookSecret)
			w.deliver("a", now, webhookSecret)
		}, "this delivery has come before", (*world).promote},
		{"webhook stale", func(w *world) { w.deliver("a", time.Now().Add(-time.Hour), webhookSecret) }, "from the time here, got 1h0m", (*world).promote},
		{"weights that do not sum", func(w *world) {
			w.route(inference.Variant{Name: "champion", Version: "champion", Percent: 90}, inference.Variant{Name: "canary", Version: "1", Percent: 20})
		}, "expected percents that sum to 100, got 110", (*world).promote},
		{"an unknown variant", func(w *world) {
			w.route(inference.Variant{Name: "champion", Version: "champion", Percent: 90}, inference.Variant{Name: "canary", Version: "7", Percent: 10})
		}, `version unknown: `, (*world).promote},
	}
	for _, test := range tests {
		t.Run(strings.ReplaceAll(test.name, ",", ""), func(t *testing.T) {
			store := t.TempDir()
			if strings.HasPrefix(test.name, "disk full") {
				if store = onSmallDisk(t); store == "" {
					return
				}
			}
			w := newWorld(t, store)
			test.begin(w)
			end := w.ask()
			w.says(test.says)
			if test.says != "" {
				serves(t, "while it lasts", w.registry, w.model, "1", half6)
			}
			if told := w.status(); strings.Contains(told, store) || strings.Contains(told, "s3cret") {
				t.Errorf("it tells too much:\n%s", told)
			}
			w.proxy.misbehave(nil)
			if test.end != nil {
				test.end(w)
			}
			w.ends()
			end()
			for _, left := range inStore(t, store) {
				if strings.HasPrefix(left, asidePrefix) {
					t.Errorf("left behind: %s", left)
				}
			}
		})
	}
}

// route shares requests out.
func (w *world) route(variants ...inference.Variant) {
	w.t.Helper()
	err := w.registry.SetRoute(w.t.Context(), w.model, inference.Route{Variants: variants}, inference.By{Actor: "a test"})
	if err == nil {
		w.t.Error("the route was set")
	}
	w.told = append(w.told, err)
}

func ofAnotherSchema(t *testing.T) map[string][]byte {
	files := tiny(t, "third_plus_two")
	manifest, err := os.ReadFile(filepath.Join("..", "..", "models", "released", "match-outcome", "1", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	files["manifest.json"] = bytes.Replace(manifest, []byte(`"feature_schema_hash": "`), []byte(`"feature_schema_hash": "0`), 1)
	return files
}

func cutOff(t *testing.T) map[string][]byte {
	files := tiny(t, "third_plus_two")
	files["model.onnx"] = files["model.onnx"][:len(files["model.onnx"])/2]
	return files
}

// ofTheFuture returns a model whose operators are of version 127.
func ofTheFuture(t *testing.T) map[string][]byte {
	files := tiny(t, "third_plus_two")
	model := bytes.Clone(files["model.onnx"])
	opset := []byte("\x42\x04\x0a\x00\x10") // field 8, opset_import: domain "", version
	at := bytes.LastIndex(model, opset)
	if at < 0 || at+len(opset) >= len(model) {
		t.Fatal("the model has no opset where it is looked for")
	}
	model[at+len(opset)] = 127
	files["model.onnx"] = model
	return files
}

func unlikeItself(t *testing.T) map[string][]byte {
	return with(tiny(t, "half_plus_two"), tiny(t, "third_plus_two"), "model.onnx")
}

// noise returns bytes that no disk makes smaller.
func noise(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}
