package mlflow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"footballprediction/inference"
)

const (
	registryPath = "/api/2.0/mlflow"
	pageSize     = 500
	// pagesMax, and with it the number of registered models, bounds what is read at each poll.
	pagesMax = 20
	// aliasesMax bounds the versions of one model that are loaded.
	aliasesMax    = 50
	aliasBytesMax = 255 // as MLflow has it
)

// registeredModel is what MLflow says of a model: which versions it has names for.
type registeredModel struct {
	Name    string            `json:"name"`
	Created json.Number       `json:"creation_timestamp"`
	Aliases []registeredAlias `json:"aliases"`
}

type registeredAlias struct {
	Alias   string `json:"alias"`
	Version string `json:"version"`
}

func (m registeredModel) champion() bool {
	for _, a := range m.Aliases {
		if a.Alias == inference.Champion {
			return true
		}
	}
	return false
}

// alias returns the version that an alias names, "" if there is none.
func (m registeredModel) alias(name string) string {
	for _, a := range m.Aliases {
		if a.Alias == name {
			return a.Version
		}
	}
	return ""
}

// search returns all registered models.
func (c *client) search(ctx context.Context) ([]registeredModel, error) {
	type page struct {
		Models []registeredModel `json:"registered_models"`
		Next   string            `json:"next_page_token"`
	}
	var all []registeredModel
	query := url.Values{"max_results": {strconv.Itoa(pageSize)}}
	for range pagesMax {
		answer, err := getJSON[page](ctx, c, registryPath+"/registered-models/search", query)
		if err != nil {
			return nil, err
		}
		all = append(all, answer.Models...)
		if answer.Next == "" {
			return all, nil
		}
		query.Set("page_token", answer.Next)
	}
	return nil, &refusedError{fmt.Errorf("expected at most %d registered models, got more", pagesMax*pageSize)}
}

// model returns one registered model.
func (c *client) model(ctx context.Context, name string) (registeredModel, error) {
	answer, err := getJSON[struct {
		Model registeredModel `json:"registered_model"`
	}](ctx, c, registryPath+"/registered-models/get", url.Values{"name": {name}})
	if err == nil && answer.Model.Name != name {
		err = &refusedError{fmt.Errorf("asked for model %q, got %q", name, clip(answer.Model.Name))}
	}
	return answer.Model, err
}

// setAlias makes an alias of a model name that version.
func (c *client) setAlias(ctx context.Context, name, alias, version string) error {
	return c.post(ctx, "/registered-models/alias", map[string]string{"name": name, "alias": alias, "version": version})
}

// post has the registry change something.
func (c *client) post(ctx context.Context, path string, fields map[string]string) error {
	body, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return c.send(ctx, http.MethodPost, c.at(registryPath+path, nil, nil), body, func(*http.Response, io.Reader) error { return nil })
}

// setPrevious makes inference.Previous name the champion of now, if another version is to be that.
func (c *client) setPrevious(ctx context.Context, name, version string) error {
	m, err := c.model(ctx, name)
	if err != nil {
		return err
	}
	if champion := m.alias(inference.Champion); champion != "" && champion != version {
		return c.setAlias(ctx, name, inference.Previous, champion)
	}
	return nil
}

// registeredVersion is what MLflow says of a version.
type registeredVersion struct {
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Status  string      `json:"status"`
	Message string      `json:"status_message"`
	Created json.Number `json:"creation_timestamp"`
	Source  string      `json:"source"`
	Run     string      `json:"run_id"`
	Tags    []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"tags"`
}

// loggedModel returns the number of the logged model that the version is, "" if it is none: MLflow
// tells it as the source alone.
func (v registeredVersion) loggedModel() string {
	id, ok := strings.CutPrefix(v.Source, "models:/")
	if !ok || strings.Contains(id, "/") {
		return ""
	}
	return id
}

// revision tells a version from another of the same number, such as one of a model that was deleted
// and registered anew. It is empty where there is no version.
func (v registeredVersion) revision() string {
	if v.Version == "" {
		return ""
	}
	hash := sha256.Sum256([]byte(v.Created.String() + " " + v.Source))
	return hex.EncodeToString(hash[:8])
}

// version returns a version. One that is not READY is an error.
func (c *client) version(ctx context.Context, name, version string) (registeredVersion, error) {
	answer, err := getJSON[struct {
		Version registeredVersion `json:"model_version"`
	}](ctx, c, registryPath+"/model-versions/get", versionQuery(name, version))
	if err != nil {
		return registeredVersion{}, err
	}
	v := answer.Version
	if v.Name != name || v.Version != version {
		return registeredVersion{}, &refusedError{fmt.Errorf("asked for version %s of %q, got %q of %q", version, name, clip(v.Version), clip(v.Name))}
	}
	if v.Status != "READY" {
		return registeredVersion{}, fmt.Errorf("expected status READY, got %s %s", clip(v.Status), clip(v.Message))
	}
	return v, nil
}

// downloadURI returns where a version's files are.
func (c *client) downloadURI(ctx context.Context, name, version string) (string, error) {
	answer, err := getJSON[struct {
		URI string `json:"artifact_uri"`
	}](ctx, c, registryPath+"/model-versions/get-download-uri", versionQuery(name, version))
	return answer.URI, err
}

func versionQuery(name, version string) url.Values {
	return url.Values{"name": {name}, "version": {version}}
}

// readyVersion is a version that was READY, which it stays for as long as its model exists.
type readyVersion struct {
	model   string
	created json.Number // when the model was registered
	version string
}

// wish returns what should be served of a model: what aliases name, and what is routed to. ready holds
// the versions that are known to be READY, and is added to.
func (c *client) wish(ctx context.Context, m registeredModel, routed []string, ready map[readyVersion]knownVersion) inference.Aspired {
	wish := inference.Aspired{Name: m.Name, Aliases: map[string]string{}, Revisions: map[string]string{}, Metrics: map[string]map[string]float64{}}
	var problems error
	add := func(err error) {
		if problems != nil {
			err = fmt.Errorf("%w; %w", problems, err)
		}
		problems = err
	}
	for i, a := range m.Aliases {
		problem := func(format string, args ...any) {
			add(fmt.Errorf("alias %q: "+format, append([]any{clip(a.Alias)}, args...)...))
		}
		switch {
		case i >= aliasesMax && a.Alias != inference.Champion:
			problem("a model may have at most %d", aliasesMax)
			continue
		case a.Alias == "" || len(a.Alias) > aliasBytesMax || inference.IsVersion(a.Alias):
			problem("expected a name that is no version")
			continue
		case !inference.IsVersion(a.Version):
			problem("expected a version such as \"2\", got %q", clip(a.Version))
			continue
		}
		wish.Aliases[a.Alias] = a.Version
		if wish.Revisions[a.Version] != "" {
			continue
		}
		key := readyVersion{m.Name, m.Created, a.Version}
		known, err := c.known(ctx, m.Name, a.Version, ready[key])
		if err != nil {
			problem("version %s: %w", a.Version, err)
			continue
		}
		ready[key] = known
		known.told(&wish, a.Version)
	}
	for _, version := range routed {
		if wish.Revisions[version] != "" {
			continue
		}
		key := readyVersion{m.Name, m.Created, version}
		known, err := c.known(ctx, m.Name, version, ready[key])
		if err != nil {
			add(fmt.Errorf("version %s, which the route names: %w", version, err))
			continue
		}
		ready[key] = known
		known.told(&wish, version)
	}
	slices.SortFunc(wish.Versions, inference.CompareVersions)
	wish.Serving = wish.Aliases[inference.Champion]
	if problems != nil {
		wish.Err = fmt.Errorf("model %q in MLflow: %w", m.Name, problems)
	}
	return wish
}
