package openinference

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"footballprediction/serving"
)

// readBody returns a request's body, decompressed, of no more than serving.MaxMessageBytes.
func readBody(r *http.Request) ([]byte, error) {
	if r.ContentLength > serving.MaxMessageBytes {
		return nil, serving.TooLarge("body", serving.MaxMessageBytes, r.ContentLength)
	}
	encoding := strings.ToLower(r.Header.Get("Content-Encoding"))
	var (
		from io.Reader = r.Body
		err  error
	)
	switch encoding {
	case "", "identity":
	case encodingGzip:
		from, err = gzip.NewReader(r.Body)
	case encodingDeflate:
		from, err = zlib.NewReader(r.Body)
	default:
		return nil, serving.ErrorAt("Content-Encoding", serving.FieldInvalid,
			"header Content-Encoding: expected gzip, deflate or none, got %q", clip(encoding))
	}
	var body []byte
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(from, serving.MaxMessageBytes+1))
	}
	switch {
	case err != nil && encoding != "" && !errors.Is(err, os.ErrDeadlineExceeded):
		return nil, serving.ErrorAt("body", serving.FieldInvalid, "body: expected it whole, compressed by %s: %w", encoding, err)
	case err != nil:
		return nil, serving.BodyError(err)
	case len(body) > serving.MaxMessageBytes:
		return nil, serving.TooLarge("body", serving.MaxMessageBytes, int64(len(body)))
	}
	return body, nil
}

// Content encodings. What HTTP calls deflate has zlib's header.
const (
	encodingGzip    = "gzip"
	encodingDeflate = "deflate"
)

// compressMinBytes is the least that is worth compressing.
const compressMinBytes = 1024

// compress compresses an answer if its caller says that it may be.
func compress(answer *serving.Answer, r *http.Request) error {
	encoding := acceptedEncoding(strings.Join(r.Header.Values("Accept-Encoding"), ","))
	if encoding == "" || len(answer.Body) < compressMinBytes {
		return nil
	}
	var (
		compressed bytes.Buffer
		to         io.WriteCloser = gzip.NewWriter(&compressed)
	)
	if encoding == encodingDeflate {
		to = zlib.NewWriter(&compressed)
	}
	if _, err := to.Write(answer.Body); err != nil {
		return err
	}
	if err := to.Close(); err != nil {
		return err
	}
	answer.Body = compressed.Bytes()
	answer.Header["Content-Encoding"] = []string{encoding}
	return nil
}

// acceptedEncoding returns the first encoding of an Accept-Encoding header that there is here.
func acceptedEncoding(header string) string {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(part, ";")
		name = strings.TrimSpace(name)
		if _, q, ok := strings.Cut(weight, "="); ok {
			if v, err := strconv.ParseFloat(strings.TrimSpace(q), 64); err != nil || v == 0 {
				continue
			}
		}
		if name == encodingGzip || name == encodingDeflate {
			return name
		}
	}
	return ""
}

// headerLength says how much of a body with binary tensors is JSON.
const headerLength = "Inference-Header-Content-Length"

// cutHeader cuts a body into its JSON and the binary tensors behind it.
func cutHeader(r *http.Request, body []byte) (header, binary []byte, err error) {
	texts := r.Header.Values(headerLength)
	if len(texts) == 0 {
		return body, nil, nil
	}
	n, err := strconv.ParseUint(texts[0], 10, 31)
	if err != nil || n < 1 || n > uint64(len(body)) || len(texts) > 1 {
		return nil, nil, serving.ErrorAt(headerLength, serving.FieldInvalid,
			"header %s: expected one number from 1 to %d, as the body has, got %q", headerLength, len(body), clip(strings.Join(texts, ", ")))
	}
	return body[:n], body[n:], nil
}

// explainJSON says why a body is not the JSON that was expected.
func explainJSON(body []byte, err error) *serving.Error {
	if trimmed := bytes.TrimSpace(body); len(trimmed) == 0 {
		return serving.ErrorAt("body", serving.FieldInvalid, "body: expected a JSON object, got nothing")
	} else if trimmed[0] != '{' && json.Valid(trimmed) {
		return serving.ErrorAt("body", serving.FieldInvalid, "body: expected a JSON object, got %q", clip(string(trimmed)))
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		rest := body[min(max(syntax.Offset-1, 0), int64(len(body))):]
		rest = bytes.TrimPrefix(rest, []byte("-"))
		if bytes.HasPrefix(rest, []byte("N")) || bytes.HasPrefix(rest, []byte("I")) {
			return serving.ErrorAt("body", serving.FieldInvalid,
				"body: JSON has no NaN and no Infinity (byte %d): give such a tensor as binary data", syntax.Offset-1)
		}
		return serving.ErrorAt("body", serving.FieldInvalid, "body: expected JSON: byte %d: %w", syntax.Offset-1, err)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return serving.ErrorAt("body", serving.FieldInvalid, "body: field %s: expected %s, got %s", wrong.Field, jsonName(wrong.Type), wrong.Value)
	}
	return serving.ErrorAt("body", serving.FieldInvalid, "body: expected JSON: %w", err)
}

// jsonName says what is read into a type, as JSON has it.
func jsonName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int64:
		return "a whole number of 64 bits"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

// checkText refuses JSON that is not UTF-8, of which something would be lost unnoticed.
func checkText(header []byte) error {
	if utf8.Valid(header) {
		return nil
	}
	return serving.ErrorAt("body", serving.FieldInvalid, "body: expected JSON in UTF-8: give strings of other bytes as binary data")
}
