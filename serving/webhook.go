package serving

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// webhookBytesMax bounds the body of a webhook.
const webhookBytesMax = 1 << 20

// refusalInterval is the time between two log lines about refused deliveries, which anybody can send.
const refusalInterval = time.Minute

// A Webhook is where another system says, by POST on the public HTTP port, that something has happened.
type Webhook struct {
	// Path is where, such as "/webhooks/mlflow".
	Path string
	// Accept takes a delivery, or returns why it is refused, which its sender is told. It does not wait,
	// and lets nobody in whom it does not know: the port is open to all.
	Accept func(header http.Header, body []byte) error
}

// mountWebhooks mounts webhooks: 204 for what was taken, 401 for what was not.
func mountWebhooks(mux *http.ServeMux, p *policy, webhooks []Webhook) {
	for _, webhook := range webhooks {
		var logged atomic.Int64
		mux.HandleFunc("POST "+webhook.Path, func(w http.ResponseWriter, r *http.Request) {
			limitBodyTime(w)
			if err := receive(webhook, w, r); err != nil {
				p.telemetry.received(r.Context(), webhook.Path, false)
				if now := p.now(); now.Sub(time.Unix(0, logged.Load())) > refusalInterval {
					logged.Store(now.UnixNano())
					p.logger.WarnContext(r.Context(), "webhook refused", slog.String("path", webhook.Path), slog.String("from", r.RemoteAddr), slog.Any("error", err))
				}
				drain(r)
				writeError(w, p.outgoing(explain(err)))
				return
			}
			p.telemetry.received(r.Context(), webhook.Path, true)
			w.WriteHeader(http.StatusNoContent)
		})
	}
}

func receive(webhook Webhook, w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhookBytesMax))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return errorf(MessageTooLarge, "body: expected at most %d bytes, got more", webhookBytesMax)
	}
	if err != nil {
		return BodyError(err)
	}
	if err := webhook.Accept(r.Header, body); err != nil {
		return errorf(WebhookRefused, "%w", err)
	}
	return nil
}

// received counts a delivery.
func (t *Telemetry) received(ctx context.Context, path string, taken bool) {
	if t != nil {
		t.webhooks.Add(ctx, 1, metric.WithAttributes(attribute.String("path", path), attribute.Bool("taken", taken)))
	}
}
