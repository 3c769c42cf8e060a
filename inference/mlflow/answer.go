package mlflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	// jsonBytesMax bounds an answer in JSON: a page of registered models with all their tags.
	jsonBytesMax  = 16 << 20
	errorBytesMax = 64 << 10
)

// unavailableError is a failure of the server, or of the way to it, that may be gone a moment later.
type unavailableError struct {
	error
	after time.Duration // how long the server asks to be left alone
}

func (e *unavailableError) Unwrap() error { return e.error }

// refusedError is an answer that is not followed, whoever gave it.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

// rejection is MLflow's own error.
type rejection struct {
	status  string
	Code    string `json:"error_code"`
	Message string `json:"message"`
}

func (e *rejection) Error() string {
	return fmt.Sprintf("%s: %s: %s", e.status, clip(e.Code), clip(e.Message))
}

// isMissing tells whether MLflow says that there is no such thing.
func isMissing(err error) bool {
	var r *rejection
	return errors.As(err, &r) && r.Code == "RESOURCE_DOES_NOT_EXIST"
}

// interrupted explains why a request or the reading of its answer ended early.
func interrupted(ctx context.Context, err error) error {
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return refused
	}
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, errStalled) || errors.Is(cause, errTooLong) {
			return &unavailableError{error: cause}
		}
		return cause
	}
	if from, ok := errors.AsType[*url.Error](err); ok { // says the address once more
		err = from.Err
	}
	if from, ok := errors.AsType[*net.OpError](err); ok && from.Op != "dial" { // says our port, another one each time
		err = fmt.Errorf("%s: %w", from.Op, from.Err)
	}
	return &unavailableError{error: err}
}

// checkStatus turns all answers but plain success into errors.
func checkStatus(response *http.Response, body io.Reader) error {
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return &unavailableError{error: fmt.Errorf("expected no Content-Encoding, got %q", clip(encoding))}
	}
	if response.StatusCode == http.StatusOK {
		return nil
	}
	err := readRejection(response, body)
	switch {
	case response.StatusCode >= 500,
		response.StatusCode == http.StatusTooManyRequests,
		response.StatusCode == http.StatusRequestTimeout:
		return &unavailableError{err, retryAfter(response.Header)}
	}
	return err
}

func readRejection(response *http.Response, body io.Reader) error {
	r := &rejection{status: response.Status}
	data, err := io.ReadAll(io.LimitReader(body, errorBytesMax))
	if err != nil || json.Unmarshal(data, r) != nil || r.Code == "" {
		return fmt.Errorf("%s, and %s in place of MLflow's error", clip(response.Status), describe(response))
	}
	return r
}

// retryAfter returns how long a server asks to be left alone: seconds, or until a moment by its own
// clock. What cannot be read counts as 0.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(until.Sub(now), 0)
}

// getJSON asks for a T.
func getJSON[T any](ctx context.Context, c *client, path string, query url.Values) (T, error) {
	var answer T
	err := c.get(ctx, c.at(path, nil, query), func(response *http.Response, body io.Reader) error {
		if kind(response) != "application/json" {
			return &unavailableError{error: fmt.Errorf("expected JSON, got %s", describe(response))}
		}
		data, err := io.ReadAll(io.LimitReader(body, jsonBytesMax+1))
		if err != nil {
			return err
		}
		if len(data) > jsonBytesMax {
			return &refusedError{fmt.Errorf("expected at most %d bytes of JSON, got more", jsonBytesMax)}
		}
		var fresh T // as an attempt before may have filled answer
		if err := json.Unmarshal(data, &fresh); err != nil {
			return &unavailableError{error: fmt.Errorf("expected MLflow's JSON: %w", err)}
		}
		answer = fresh
		return nil
	})
	return answer, err
}

// kind returns an answer's media type.
func kind(response *http.Response) string {
	t, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

func describe(response *http.Response) string {
	if t := kind(response); t != "" {
		return clip(t)
	}
	return "something without a Content-Type"
}

// clip makes what a server says fit for a log line.
func clip(text string) string { return plain(text, 200) }

// plain leaves of a text what can be printed, and of that so many characters.
func plain(text string, longest int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return text
}
