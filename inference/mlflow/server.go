package mlflow

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Server says where a tracking server is and how to log in there. Printed and logged it hides how.
type Server struct {
	url           url.URL // scheme, host, and a path without a slash at its end
	authorization string  // the header's value; empty: none
}

// Credentials are how to log in: with Username and Password, if both are given, else with Token as a
// bearer token, else with the user in the server's address, if any.
type Credentials struct {
	Username, Password, Token string
}

// errServer never quotes the address, in which a password may stand where it cannot be found.
var errServer = errors.New("expected an MLflow tracking server, http://[user:password@]host[:port][/path] or https:// (the value is not shown, since it may hold a password)")

// ParseServer reads an address such as http://127.0.0.1:5000. No error shows it.
func ParseServer(address string, c Credentials) (Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.Hostname() == "" ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return Server{}, errServer
	}
	request := http.Request{Header: http.Header{}}
	switch {
	case c.Username != "" && c.Password != "":
		request.SetBasicAuth(c.Username, c.Password)
	case c.Token != "":
		request.Header.Set("Authorization", "Bearer "+c.Token)
	case u.User != nil:
		password, _ := u.User.Password()
		request.SetBasicAuth(u.User.Username(), password)
	}
	return Server{
		url:           url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")},
		authorization: request.Header.Get("Authorization"),
	}, nil
}

// Given says whether there is an address at all.
func (s Server) Given() bool { return s.url.Host != "" }

// String returns the address without a user or password.
func (s Server) String() string { return s.url.String() }

// GoString is String: %#v shows no password either.
func (s Server) GoString() string { return s.String() }

// LogValue is String.
func (s Server) LogValue() slog.Value { return slog.StringValue(s.String()) }
