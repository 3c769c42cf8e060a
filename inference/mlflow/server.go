package mlflow

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Server says where a tracking server is and how to log in there. Printed and logged it hides how.
type Server struct {
	url           url.URL     // scheme, host, and a path without a slash at its end
	authorization string      // the header's value; empty: none
	tls           *tls.Config // nil: the system's authorities, and no certificate of ours
	hide          *strings.Replacer
}

// Credentials are how to log in: with Username and Password, if both are given, else with Token as a
// bearer token, else with the user in the server's address, if any.
type Credentials struct {
	Username, Password, Token string
	// ServerCert is a PEM file of the authorities that may vouch for the server, in place of the
	// system's; ClientCert is one of our own certificate and its key. Empty: none.
	ServerCert, ClientCert string
}

// certificateBytesMax bounds a PEM file; the authorities of a whole system are a few hundred kB.
const certificateBytesMax = 4 << 20

// errServer never quotes the address, in which a password may stand where it cannot be found.
var errServer = errors.New("expected an MLflow tracking server, http://[user:password@]host[:port][/path] or https:// (the value is not shown, since it may hold a password)")

// ParseServer reads an address such as http://127.0.0.1:5000, and the files of c. No error shows the
// address.
func ParseServer(address string, c Credentials) (Server, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.Hostname() == "" ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return Server{}, errServer
	}
	request := http.Request{Header: http.Header{}}
	secrets := []string{c.Password, c.Token}
	switch {
	case c.Username != "" && c.Password != "":
		request.SetBasicAuth(c.Username, c.Password)
	case c.Token != "":
		request.Header.Set("Authorization", "Bearer "+c.Token)
	case u.User != nil:
		password, _ := u.User.Password()
		request.SetBasicAuth(u.User.Username(), password)
		secrets = append(secrets, password)
	}
	s := Server{
		url:           url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")},
		authorization: request.Header.Get("Authorization"),
	}
	_, encoded, _ := strings.Cut(s.authorization, " ")
	s.hide = hiding(append(secrets, encoded)...)
	s.tls, err = tlsConfig(c)
	return s, err
}

// hiding replaces secrets in what others say, who may repeat what they were sent. What is too short
// to keep anybody out is left: it would be found everywhere.
func hiding(secrets ...string) *strings.Replacer {
	var pairs []string
	for _, secret := range secrets {
		if len(secret) > 3 {
			pairs = append(pairs, secret, "[hidden]")
		}
	}
	return strings.NewReplacer(pairs...)
}

// tlsConfig reads the certificates; nil: there are none.
func tlsConfig(c Credentials) (*tls.Config, error) {
	if c.ServerCert == "" && c.ClientCert == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ServerCert != "" {
		text, err := readFile(c.ServerCert, certificateBytesMax)
		if err != nil {
			return nil, fmt.Errorf("server certificate: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("server certificate: expected certificates in PEM in %s, got none", c.ServerCert)
		}
	}
	if c.ClientCert != "" {
		text, err := readFile(c.ClientCert, certificateBytesMax)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		pair, err := tls.X509KeyPair(text, text)
		if err != nil {
			return nil, fmt.Errorf("client certificate: expected a certificate and its key in PEM in %s: %w", c.ClientCert, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// Given says whether there is an address at all.
func (s Server) Given() bool { return s.url.Host != "" }

// String returns the address without a user or password.
func (s Server) String() string { return s.url.String() }

// GoString is String: %#v shows no password either.
func (s Server) GoString() string { return s.String() }

// LogValue is String.
func (s Server) LogValue() slog.Value { return slog.StringValue(s.String()) }
