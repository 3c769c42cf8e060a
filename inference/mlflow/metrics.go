package mlflow

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	"footballprediction/inference"
)

const (
	// metricsMax bounds the metrics of a version; what is beyond is left out, in MLflow's order.
	metricsMax         = 1000
	metricNameBytesMax = 250 // as MLflow has it
)

// metric is a measurement as MLflow keeps it. Value is a number, or the text "NaN"; MLflow makes
// the infinities the largest numbers.
type metric struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
	Time  json.Number     `json:"timestamp"`
}

// metrics returns the last measured value of each metric of the version's run and of its logged model,
// which has the last word. What is not a number is left out, as is what belonged to a run or a model
// that was deleted.
func (c *client) metrics(ctx context.Context, v registeredVersion) (map[string]float64, error) {
	found := map[string]float64{}
	if v.Run != "" {
		answer, err := getJSON[struct {
			Run struct {
				Data struct {
					Metrics []metric `json:"metrics"`
				} `json:"data"`
			} `json:"run"`
		}](ctx, c, registryPath+"/runs/get", url.Values{"run_id": {v.Run}})
		if err != nil && !gone(err) {
			return nil, err
		}
		collect(found, answer.Run.Data.Metrics)
	}
	if logged := v.loggedModel(); logged != "" {
		answer, err := getJSON[struct {
			Model struct {
				Data struct {
					Metrics []metric `json:"metrics"`
				} `json:"data"`
			} `json:"model"`
		}](ctx, c, registryPath+"/logged-models/"+url.PathEscape(logged), nil)
		if err != nil && !gone(err) {
			return nil, err
		}
		collect(found, answer.Model.Data.Metrics)
	}
	return found, nil
}

// gone tells whether asking again is of no use.
func gone(err error) bool {
	return isMissing(err) || errors.As(err, new(*refusedError))
}

// collect adds the last value of each metric.
func collect(found map[string]float64, measured []metric) {
	last := map[string]int64{}
	for _, m := range measured {
		var value *float64
		if m.Key == "" || len(m.Key) > metricNameBytesMax || json.Unmarshal(m.Value, &value) != nil || value == nil {
			continue // NaN is text
		}
		at, err := m.Time.Int64()
		if err != nil {
			at = 0
		}
		if was, again := last[m.Key]; again && at < was {
			continue
		}
		if _, known := found[m.Key]; !known && len(found) >= metricsMax {
			continue
		}
		last[m.Key], found[m.Key] = at, *value
	}
}

// knownVersion is what is known of a READY version, which stays so for as long as its model exists.
type knownVersion struct {
	registeredVersion
	metrics map[string]float64 // nil until MLflow has told them
}

// known returns what is known of a version, and asks for what is not.
func (c *client) known(ctx context.Context, model, version string, already knownVersion) (knownVersion, error) {
	if already.revision() == "" {
		v, err := c.version(ctx, model, version)
		if err != nil {
			return already, err
		}
		already = knownVersion{registeredVersion: v}
	}
	if already.metrics == nil {
		// A version is served without them, and they are asked for again.
		if metrics, err := c.metrics(ctx, already.registeredVersion); err == nil {
			already.metrics = metrics
		}
	}
	return already, nil
}

// told adds what is known of a version to what should be served.
func (k knownVersion) told(wish *inference.Aspired, version string) {
	wish.Revisions[version] = k.revision()
	wish.Versions = append(wish.Versions, version)
	if len(k.metrics) > 0 {
		wish.Metrics[version] = k.metrics
	}
}
