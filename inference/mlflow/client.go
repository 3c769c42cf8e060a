package mlflow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

const (
	// attemptsMax is how often a request is made before it has failed.
	attemptsMax = 3
	// tripAfter is how many attempts fail in a row before the breaker opens.
	tripAfter = 5
	// redirectsMax is how often a server may send a request elsewhere on itself.
	redirectsMax = 3
	// retryAfterMax is the longest wait that a server may ask for within one request.
	retryAfterMax  = 5 * time.Second
	headerBytesMax = 64 << 10
)

var (
	errStalled = errors.New("no byte came in time")
	errTooLong = errors.New("it took too long altogether")
)

// client asks one server, and never another: what is idempotent only, which is made again where the
// failure may be gone a moment later. It is safe for concurrent use.
type client struct {
	server  Server
	http    *http.Client
	breaker *gobreaker.CircuitBreaker[struct{}]
	limits  Limits
	failed  atomic.Pointer[failure] // the last
}

// failure is why a request was not answered, and until when the server asks not to be asked again.
type failure struct {
	err   error
	until time.Time
}

func newClient(server Server, o Options) *client {
	c := &client{server: server, limits: o.Limits}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        server.tls,
			MaxConnsPerHost:        8, // a few fetches, each on one, keep nothing else waiting
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: headerBytesMax,
			DisableCompression:     true, // sizes are compared with those listed
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: c.checkRedirect,
	}
	c.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     o.Limits.Recovery,
		ReadyToTrip: func(counts gobreaker.Counts) bool { return counts.ConsecutiveFailures >= tripAfter },
		// Whatever MLflow says, it has answered.
		IsSuccessful: func(err error) bool { return !errors.As(err, new(*unavailableError)) },
		IsExcluded: func(err error) bool {
			return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		},
		OnStateChange: func(_ string, from, to gobreaker.State) {
			o.Logger.Warn("breaker around MLflow", slog.String("from", from.String()), slog.String("to", to.String()))
		},
	})
	return c
}

func (c *client) checkRedirect(to *http.Request, via []*http.Request) error {
	if to.URL.Scheme != c.server.url.Scheme || !strings.EqualFold(to.URL.Host, c.server.url.Host) {
		return &refusedError{fmt.Errorf("redirected to another server, %s://%s: refused", to.URL.Scheme, clip(to.URL.Host))}
	}
	if len(via) > redirectsMax {
		return &refusedError{fmt.Errorf("redirected more than %d times", redirectsMax)}
	}
	return nil
}

// at returns the address of a path below the server's. Segments are escaped, so that none can be
// more than one.
func (c *client) at(path string, segments []string, query url.Values) *url.URL {
	u := c.server.url
	escaped := []string{c.server.url.EscapedPath() + path}
	unescaped := []string{c.server.url.Path + path}
	for _, segment := range segments {
		escaped = append(escaped, url.PathEscape(segment))
		unescaped = append(unescaped, segment)
	}
	u.RawPath, u.Path = strings.Join(escaped, "/"), strings.Join(unescaped, "/")
	u.RawQuery = query.Encode()
	return &u
}

// get asks for what is at an address and has read take the answer, perhaps several times. While the
// breaker is open, or the server has asked to be left alone, it returns why.
func (c *client) get(ctx context.Context, at *url.URL, read func(*http.Response, io.Reader) error) error {
	return c.send(ctx, http.MethodGet, at, nil, read)
}

// send is get with another method and a body in JSON.
func (c *client) send(ctx context.Context, method string, at *url.URL, body []byte, read func(*http.Response, io.Reader) error) error {
	if last := c.failed.Load(); last != nil && time.Now().Before(last.until) {
		return last.err
	}
	for attempt := 1; ; attempt++ {
		_, err := c.breaker.Execute(func() (struct{}, error) { return struct{}{}, c.attempt(ctx, method, at, body, read) })
		if err == nil {
			return nil
		}
		if last := c.failed.Load(); last != nil && (errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)) {
			return last.err
		}
		err = fmt.Errorf("%s %s: %w", method, strings.TrimPrefix(at.Path, c.server.url.Path), err)
		unavailable, ok := errors.AsType[*unavailableError](err)
		if !ok {
			return err
		}
		last := &failure{err: err}
		if unavailable.after > retryAfterMax {
			last.until = time.Now().Add(min(unavailable.after, c.limits.Rest))
		}
		c.failed.Store(last)
		if attempt == attemptsMax || unavailable.after > retryAfterMax {
			return err
		}
		delay := c.limits.Retry << (attempt - 1)
		timer := time.NewTimer(max(delay/2+rand.N(delay), unavailable.after))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// attempt makes one request.
func (c *client) attempt(ctx context.Context, method string, at *url.URL, body []byte, read func(*http.Response, io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(c.limits.Stall, func() { cancel(errStalled) })
	defer watch.Stop()
	request, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "footballprediction")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.server.authorization != "" {
		request.Header.Set("Authorization", c.server.authorization)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer response.Body.Close()
	answer := &watchedBody{ctx, response.Body, watch, c.limits.Stall}
	if err := checkStatus(response, answer); err != nil {
		return err
	}
	return read(response, answer)
}

// watchedBody is a response's body that is given up when it stalls.
type watchedBody struct {
	ctx   context.Context
	body  io.Reader
	watch *time.Timer
	stall time.Duration
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if n > 0 {
		b.watch.Reset(b.stall)
	}
	if err != nil && err != io.EOF { //nolint:errorlint // a Reader returns io.EOF itself
		err = interrupted(b.ctx, err)
	}
	return n, err
}

// close stops the idle connections.
func (c *client) close() { c.http.CloseIdleConnections() }
