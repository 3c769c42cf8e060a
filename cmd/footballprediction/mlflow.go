package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"footballprediction/inference"
	"footballprediction/inference/mlflow"
	"footballprediction/serving"
)

// mlflowVariable names the tracking server whose models are served; MLflow's own variables say how to
// log in there.
const mlflowVariable = "MLFLOW_TRACKING_URI"

// mlflowServer reads these variables; environ is as os.Environ gives it. Without the first the server
// is not Given.
func mlflowServer(environ []string) (mlflow.Server, error) {
	values := variables(environ)
	if values[mlflowVariable] == "" {
		return mlflow.Server{}, nil
	}
	switch strings.ToLower(values["MLFLOW_TRACKING_INSECURE_TLS"]) {
	case "", "false", "0":
	default:
		return mlflow.Server{}, usagef("MLFLOW_TRACKING_INSECURE_TLS: the server's certificate is always verified; name the authority's in MLFLOW_TRACKING_SERVER_CERT_PATH")
	}
	server, err := mlflow.ParseServer(values[mlflowVariable], mlflow.Credentials{
		Username:   values["MLFLOW_TRACKING_USERNAME"],
		Password:   values["MLFLOW_TRACKING_PASSWORD"],
		Token:      values["MLFLOW_TRACKING_TOKEN"],
		ServerCert: values["MLFLOW_TRACKING_SERVER_CERT_PATH"],
		ClientCert: values["MLFLOW_TRACKING_CLIENT_CERT_PATH"],
	})
	if err != nil {
		return mlflow.Server{}, usagef("%s: %w", mlflowVariable, err)
	}
	return server, nil
}

// variables returns an environment by name.
func variables(environ []string) map[string]string {
	values := map[string]string{}
	for _, variable := range environ {
		if name, value, ok := strings.Cut(variable, "="); ok {
			values[name] = value
		}
	}
	return values
}

// mlflowStore is where copies of MLflow's models are.
func mlflowStore(dataDir string) string { return filepath.Join(dataDir, "models", "mlflow") }

// webhookVariable is what MLflow signs the deliveries of its webhooks with; without it none is taken.
const webhookVariable = environmentPrefix + "MLFLOW_WEBHOOK_SECRET"

// webhooks are what other systems may tell the server: MLflow, that it had better look.
func webhooks(config Config, registry *inference.Registry) []serving.Webhook {
	if config.WebhookSecret == "" {
		return nil
	}
	w := mlflow.NewWebhook(string(config.WebhookSecret), registry.Nudge, nil)
	return []serving.Webhook{{Path: "/webhooks/mlflow", Accept: w.Accept}}
}

// openModels returns where models come from: MLflow, if a server is given, before the folder. The
// caller calls done in the end.
func openModels(config Config, routes *inference.Routes, logger *slog.Logger, telemetry *serving.Telemetry) (source inference.Source, done func(), err error) {
	folder := inference.NewFolderSource(config.Models, logger)
	if !config.MLflow.Given() {
		return folder, func() {}, nil
	}
	dir := mlflowStore(config.DataDir)
	models, err := mlflow.New(config.MLflow, dir, folder, mlflow.Options{
		Limits: mlflow.Limits{StoreBytes: config.StoreBytes}, Routed: routes.Versions, Logger: logger,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := telemetry.WatchBreaker("mlflow", models.Breaker); err != nil {
		models.Close()
		return nil, nil, err
	}
	return models, models.Close, nil
}

// mlflowPatience is how long a start waits for MLflow's first answer and the models that it names.
const mlflowPatience = 15 * time.Second

// askMLflow loads what MLflow names, so that the first request is answered by it; the models of the
// folder have been loaded. Where it takes its time, the server starts without.
func askMLflow(ctx context.Context, registry *inference.Registry) error {
	asking, cancel := context.WithTimeout(ctx, mlflowPatience)
	defer cancel()
	if err := poll(asking, registry); asking.Err() == nil || ctx.Err() != nil {
		return err
	}
	return nil
}
