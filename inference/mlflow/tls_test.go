package mlflow

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string // of its certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, key := a.sign(t, template)
	var err error
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.key = key
	a.file = writePEM(t, pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// sign makes a key and a certificate for it; the first is the authority's own.
func (a *authority) sign(t *testing.T, template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// issue returns a certificate, and a file with it and its key.
func (a *authority) issue(t *testing.T, address string, until time.Time) (tls.Certificate, string) {
	t.Helper()
	der, key := a.sign(t, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "a test"}, NotAfter: until,
		IPAddresses: []net.IP{net.ParseIP(address)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	text, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := writePEM(t, pem.Block{Type: "CERTIFICATE", Bytes: der}, pem.Block{Type: "EC PRIVATE KEY", Bytes: text})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func writePEM(t *testing.T, blocks ...pem.Block) string {
	t.Helper()
	var text []byte
	for i := range blocks {
		text = append(text, pem.EncodeToMemory(&blocks[i])...)
	}
	path := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Over TLS only a server that an authority vouches for is asked, and it learns who we are only then:
// whoever answers in its place is not even told the password.
func TestTLS(t *testing.T) {
	ours, another := newAuthority(t), newAuthority(t)
	later := time.Now().Add(time.Hour)
	good, _ := ours.issue(t, "127.0.0.1", later)
	elsewhere, _ := ours.issue(t, "192.0.2.1", later)
	expired, _ := ours.issue(t, "127.0.0.1", time.Now().Add(-time.Hour))
	_, client := ours.issue(t, "127.0.0.1", later)
	_, stranger := another.issue(t, "127.0.0.1", later)
	name := register(t, tiny(t, "half_plus_two"))
	tests := []struct {
		name        string
		server      tls.Certificate
		asks        bool // for a client's certificate
		credentials Credentials
		want        string // "": it is trusted
	}{
		{"by the authority that is named", good, false, Credentials{ServerCert: ours.file}, ""},
		{"by nobody who is known", good, false, Credentials{}, "certificate signed by unknown authority"},
		{"by another authority", good, false, Credentials{ServerCert: another.file}, "certificate signed by unknown authority"},
		{"for another host", elsewhere, false, Credentials{ServerCert: ours.file}, "certificate is valid for 192.0.2.1, not 127.0.0.1"},
		{"for a time that is over", expired, false, Credentials{ServerCert: ours.file}, "certificate has expired"},
		{"to whom we show ours", good, true, Credentials{ServerCert: ours.file, ClientCert: client}, ""},
		{"to whom we show none", good, true, Credentials{ServerCert: ours.file}, "tls: certificate required"},
		{"to whom we show another's", good, true, Credentials{ServerCert: ours.file, ClientCert: stranger}, "remote error: tls: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newTLSProxy(t, func(config *tls.Config) {
				config.Certificates = []tls.Certificate{test.server}
				if test.asks {
					config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
					config.ClientCAs.AddCert(ours.certificate)
				}
			})
			var told atomic.Bool
			p.misbehave(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				told.Store(r.Header.Get("Authorization") == "Bearer s3cret")
				next.ServeHTTP(w, r)
			})
			test.credentials.Token = "s3cret"
			server, err := ParseServer(p.URL, test.credentials)
			if err != nil {
				t.Fatal(err)
			}
			s := newSourceOf(t, server, t.TempDir(), folder(t, name+"/9"), Options{})
			wish := list(t, s, name)
			if test.want != "" {
				wants(t, "list", wish.Err, test.want)
				if told.Load() {
					t.Error("it was told the token")
				}
				return
			}
			if _, err := s.Fetch(t.Context(), name, "1"); err != nil || wish.Err != nil || wish.Serving != "1" || !told.Load() {
				t.Errorf("got %s, %v, %v", brief(wish), wish.Err, err)
			}
		})
	}
}

// Files that hold no certificates are refused, by their names and without what is in them.
func TestCertificatesRefused(t *testing.T) {
	a := newAuthority(t)
	none := filepath.Join(t.TempDir(), "none.pem")
	secret := filepath.Join(t.TempDir(), "secret.pem")
	if err := os.WriteFile(secret, slices.Repeat([]byte("s3cret "), 10), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, test := range map[string]struct {
		credentials Credentials
		want        string
	}{
		"no authority":     {Credentials{ServerCert: none}, "server certificate: open " + none},
		"a folder":         {Credentials{ServerCert: t.TempDir()}, "server certificate: read "},
		"no PEM":           {Credentials{ServerCert: secret}, "server certificate: expected certificates in PEM in " + secret + ", got none"},
		"no client's":      {Credentials{ClientCert: none}, "client certificate: open " + none},
		"client's without": {Credentials{ClientCert: a.file}, "client certificate: expected a certificate and its key in PEM"},
		"no client's PEM":  {Credentials{ClientCert: secret}, "client certificate: expected a certificate and its key in PEM"},
	} {
		_, err := ParseServer("https://h", test.credentials)
		wants(t, what, err, test.want)
	}
}

// What a server repeats of what it was sent, or what whoever registered a version wrote, tells nobody
// how to log in.
func TestSecretsAreHidden(t *testing.T) {
	name := register(t, tiny(t, "half_plus_two"))
	p := newProxy(t)
	repeats := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		user, password, _ := r.BasicAuth()
		says(`{"error_code": "DENIED", "message": "`+user+` may not with `+password+`, nor `+r.Header.Get("Authorization")+`"}`)(statusWriter{w}, r, next)
	}
	server, err := ParseServer(p.URL, Credentials{Username: "anna", Password: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	s := newSourceOf(t, server, t.TempDir(), t.TempDir(), Options{})
	list(t, s, name)
	told := func(what string) {
		t.Helper()
		_, fetched := s.Fetch(t.Context(), name, "1")
		for _, err := range []error{list(t, s, name).Err, fetched, s.SetAlias(t.Context(), name, "a", "1")} {
			if err != nil {
				hides(t, what, err)
			}
		}
	}
	p.misbehave(repeats)
	told("a server that repeats it")
	p.misbehave(nil)
	listSoon(t, s, name)
	for _, uri := range []string{"s3://key:s3cret@bucket/m", "https://h/m?sig=s3cret", "mlflow-artifacts://u:s3cret@h/m", "mlflow-artifacts:/m#s3cret", "mlflow-artifacts://%s3cret@h"} {
		p.misbehave(only(downloadURI, says(`{"artifact_uri": "`+uri+`"}`)))
		told(uri)
	}
}

// statusWriter answers 403.
type statusWriter struct{ http.ResponseWriter }

func (w statusWriter) Write(text []byte) (int, error) {
	w.WriteHeader(http.StatusForbidden)
	return w.ResponseWriter.Write(text)
}

func hides(t *testing.T, what string, err error) {
	t.Helper()
	for _, secret := range []string{"s3cret", "YW5uYTpzM2NyZXQ"} {
		if text := err.Error(); strings.Contains(text, secret) {
			t.Errorf("%s: %s", what, text)
		}
	}
}
