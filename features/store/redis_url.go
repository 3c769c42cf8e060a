package store

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// RedisURL says where a Redis is and how to log in there. Printed and logged it hides the password.
type RedisURL struct {
	shown  string // without the password
	option rueidis.ClientOption
}

// errRedisURL never quotes the address, in which a password may stand where it cannot be found.
var errRedisURL = errors.New("expected redis://[user:password@]host[:port][/database], or rediss:// for TLS, with special characters in %-form (the value is not shown, since it may hold a password)")

// ParseRedisURL reads redis://user:password@host:port/database, with rediss for TLS. The port is 6379
// and the database 0 unless given. No error shows the address.
func ParseRedisURL(address string) (RedisURL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.Hostname() == "" {
		return RedisURL{}, errRedisURL
	}
	option := rueidis.ClientOption{
		Dialer: net.Dialer{Timeout: connectTimeout, KeepAlive: time.Second},
		// A silent connection is given up after KeepAlive and this, which also ends what waits on it.
		ConnWriteTimeout: time.Second,
		// Reconnecting, breaking and falling back are the guard's work.
		ForceSingleClient: true,
		DisableRetry:      true,
		DisableCache:      true,
		AlwaysPipelining:  true, // else a cancelled context is honoured late
		PipelineMultiplex: -1,   // one connection: concurrent questions share their system calls
		BlockingPipeline:  -1,   // however long
		RingScaleEachConn: ringScale,
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return RedisURL{}, fmt.Errorf("%w; got a port above 65535", errRedisURL)
	}
	option.InitAddress = []string{net.JoinHostPort(u.Hostname(), port)}
	switch u.Scheme {
	case "redis":
	case "rediss":
		option.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	default:
		return RedisURL{}, errRedisURL
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return RedisURL{}, fmt.Errorf("%w; got one with parameters", errRedisURL)
	}
	if database := strings.TrimPrefix(u.Path, "/"); database != "" {
		number, err := strconv.ParseUint(database, 10, 16)
		if err != nil {
			return RedisURL{}, fmt.Errorf("%w; got a database that is no number", errRedisURL)
		}
		option.SelectDB = int(number)
	}
	option.Username = u.User.Username()
	option.Password, _ = u.User.Password()
	return RedisURL{shown: u.Redacted(), option: option}, nil
}

// Given says whether there is an address at all.
func (u RedisURL) Given() bool { return u.shown != "" }

// String returns the address with its password hidden.
func (u RedisURL) String() string { return u.shown }

// GoString is String: %#v shows no password either.
func (u RedisURL) GoString() string { return u.shown }

// LogValue is String.
func (u RedisURL) LogValue() slog.Value { return slog.StringValue(u.shown) }

// connect returns a client even where Redis cannot be reached, and then why not; it connects with its
// first question. The client is to be closed in any case.
func (u RedisURL) connect() (rueidis.Client, error) {
	client, err := rueidis.NewClient(u.option)
	if client == nil { // an option that contradicts another
		return nil, fmt.Errorf("redis %s: %w", u, err)
	}
	return client, err
}
