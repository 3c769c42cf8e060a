package mlflowtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"testing"
)

const api = "/api/2.0/mlflow"

// call makes a request and reads its answer into into, unless that is nil.
func (s *Server) call(ctx context.Context, method, path string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

type object = map[string]any

// must calls MLflow's API; the test ends where that fails.
func (s *Server) must(t testing.TB, method, path string, body, into any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err == nil {
		err = s.call(context.Background(), method, api+path, text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// CreateModel registers a model that has no versions.
func (s *Server) CreateModel(t testing.TB, model string) {
	t.Helper()
	s.must(t, http.MethodPost, "/registered-models/create", object{"name": model}, nil)
}

// Register logs files, by their paths with slashes, as a model and registers it as a new version, as
// MLflow's own client does. The model is created if need be. It returns the version's number.
func (s *Server) Register(t testing.TB, model string, files map[string][]byte) (version string) {
	t.Helper()
	var logged struct {
		Model struct {
			Info struct {
				ID string `json:"model_id"`
			} `json:"info"`
		} `json:"model"`
	}
	const experiment = "0" // MLflow's default one
	s.must(t, http.MethodPost, "/logged-models", object{"experiment_id": experiment, "name": "m"}, &logged)
	id := logged.Model.Info.ID
	for path, data := range files {
		path = (&url.URL{Path: "/api/2.0/mlflow-artifacts/artifacts/" + experiment + "/models/" + id + "/artifacts/" + path}).EscapedPath()
		if err := s.call(context.Background(), http.MethodPut, path, data, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.must(t, http.MethodPatch, "/logged-models/"+id, object{"model_id": id, "status": "LOGGED_MODEL_READY"}, nil)
	if err := s.call(context.Background(), http.MethodGet, api+"/registered-models/get?name="+url.QueryEscape(model), nil, nil); err != nil {
		s.CreateModel(t, model)
	}
	return s.RegisterSource(t, model, object{"source": "models:/" + id, "model_id": id})
}

// RegisterSource registers a version as a request for it says, and returns its number.
func (s *Server) RegisterSource(t testing.TB, model string, request map[string]any) (version string) {
	t.Helper()
	var created struct {
		Version struct {
			Version string `json:"version"`
		} `json:"model_version"`
	}
	request["name"] = model
	s.must(t, http.MethodPost, "/model-versions/create", request, &created)
	return created.Version.Version
}

// Alias points an alias of a model at a version.
func (s *Server) Alias(t testing.TB, model, alias, version string) {
	t.Helper()
	s.must(t, http.MethodPost, "/registered-models/alias", object{"name": model, "alias": alias, "version": version}, nil)
}

// Aliased returns the version that an alias names.
func (s *Server) Aliased(t testing.TB, model, alias string) (version string) {
	t.Helper()
	var answer struct {
		Version struct {
			Version string `json:"version"`
		} `json:"model_version"`
	}
	s.must(t, http.MethodGet, "/registered-models/alias?"+url.Values{"name": {model}, "alias": {alias}}.Encode(), nil, &answer)
	return answer.Version.Version
}

// Webhook has the server say at an address, signed with a secret, that an alias was set. It is deleted
// with the test.
func (s *Server) Webhook(t testing.TB, address, secret string) {
	t.Helper()
	var created struct {
		Webhook struct {
			ID string `json:"webhook_id"`
		} `json:"webhook"`
	}
	s.must(t, http.MethodPost, "/webhooks", object{
		"name": "test", "url": address, "secret": secret,
		"events": []object{{"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"}},
	}, &created)
	t.Cleanup(func() { s.must(t, http.MethodDelete, "/webhooks/"+created.Webhook.ID, object{}, nil) })
}

// Tag sets a tag of a version.
func (s *Server) Tag(t testing.TB, model, version, key, value string) {
	t.Helper()
	s.must(t, http.MethodPost, "/model-versions/set-tag", object{"name": model, "version": version, "key": key, "value": value}, nil)
}

// Tags returns the tags of a version.
func (s *Server) Tags(t testing.TB, model, version string) map[string]string {
	t.Helper()
	var answer struct {
		Version struct {
			Tags []struct{ Key, Value string } `json:"tags"`
		} `json:"model_version"`
	}
	s.must(t, http.MethodGet, "/model-versions/get?"+url.Values{"name": {model}, "version": {version}}.Encode(), nil, &answer)
	tags := map[string]string{}
	for _, tag := range answer.Version.Tags {
		tags[tag.Key] = tag.Value
	}
	return tags
}

// DeleteAlias takes an alias away.
func (s *Server) DeleteAlias(t testing.TB, model, alias string) {
	t.Helper()
	s.must(t, http.MethodDelete, "/registered-models/alias", object{"name": model, "alias": alias}, nil)
}

// DeleteVersion deletes a version, and with it its aliases.
func (s *Server) DeleteVersion(t testing.TB, model, version string) {
	t.Helper()
	s.must(t, http.MethodDelete, "/model-versions/delete", object{"name": model, "version": version}, nil)
}

// DeleteModel deletes a registered model with all its versions.
func (s *Server) DeleteModel(t testing.TB, model string) {
	t.Helper()
	s.must(t, http.MethodDelete, "/registered-models/delete", object{"name": model}, nil)
}

// Folder reads all files below a folder, by their paths with slashes.
func Folder(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	root := os.DirFS(dir)
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[path], err = fs.ReadFile(root, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// StartRun starts a run and returns its number.
func (s *Server) StartRun(t testing.TB) (run string) {
	t.Helper()
	var created struct {
		Run struct {
			Info struct {
				ID string `json:"run_id"`
			} `json:"info"`
		} `json:"run"`
	}
	s.must(t, http.MethodPost, "/runs/create", object{"experiment_id": "0", "start_time": 1}, &created)
	return created.Run.Info.ID
}

// LogMetric logs a measurement in a run, of a logged model if one is named. The value is a number, or
// text such as "NaN".
func (s *Server) LogMetric(t testing.TB, run, loggedModel, key string, value any, timestamp int64) {
	t.Helper()
	request := object{"run_id": run, "key": key, "value": value, "timestamp": timestamp}
	if loggedModel != "" {
		request["model_id"] = loggedModel
	}
	s.must(t, http.MethodPost, "/runs/log-metric", request, nil)
}
