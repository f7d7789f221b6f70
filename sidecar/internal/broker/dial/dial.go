// Package dial makes the client of a message broker of its address.
package dial

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
	"github.com/mallee-io/mallee/sidecar/internal/broker/kafka"
	"github.com/mallee-io/mallee/sidecar/internal/broker/nats"
)

// Broker makes a client. It connects by itself, so that the broker need not be
// up: an error is one of the address. Addresses are
//
//	nats://[user:password@]host:port[,host:port…][?create=true]
//	kafka://[user:password@]host:port[,host:port…][?tls=true&sasl=plain&create=true]
//
// with tls:// in the place of nats:// for TLS. Sasl is plain, scram-sha-256 or
// scram-sha-512, and plain where there is a user. Create makes topics that are
// missing.
func Broker(address string) (broker.Broker, error) {
	a, err := parse(address)
	if err != nil {
		return nil, fmt.Errorf("broker address: %w", err)
	}
	if a.scheme == "kafka" {
		return a.kafka()
	}
	return a.nats()
}

type address struct {
	scheme string
	user   *url.Userinfo
	hosts  []string
	query  url.Values
}

// parse does not use url.Parse for the whole, which takes one host.
func parse(text string) (*address, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || scheme != "nats" && scheme != "tls" && scheme != "kafka" {
		return nil, fmt.Errorf("it begins with none of nats://, tls:// and kafka://")
	}
	a := &address{scheme: scheme}
	rest, query, _ := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		u, err := url.Parse("x://" + rest[:at] + "@host")
		if err != nil {
			return nil, fmt.Errorf("its user and password cannot be read; encode their special characters as %%XX")
		}
		a.user, rest = u.User, rest[at+1:]
	}
	for host := range strings.SplitSeq(rest, ",") {
		if host == "" || strings.ContainsAny(host, "/ ") {
			return nil, fmt.Errorf("%q is not host:port", host)
		}
		a.hosts = append(a.hosts, host)
	}
	var err error
	if a.query, err = url.ParseQuery(query); err != nil {
		return nil, err
	}
	known := "create"
	if scheme == "kafka" {
		known = "create tls sasl"
	}
	for name, values := range a.query {
		if !strings.Contains(" "+known+" ", " "+name+" ") {
			return nil, fmt.Errorf("%s:// knows no %s; it knows %s", scheme, name, known)
		}
		if v := values[0]; name != "sasl" && v != "true" && v != "false" {
			return nil, fmt.Errorf("%s is %q; use true or false", name, v)
		}
	}
	return a, nil
}

func (a *address) is(name string) bool { return a.query.Get(name) == "true" }

func (a *address) nats() (broker.Broker, error) {
	c := nats.Config{Create: a.is("create")}
	for _, host := range a.hosts {
		c.Servers = append(c.Servers, (&url.URL{Scheme: a.scheme, User: a.user, Host: host}).String())
	}
	b, err := nats.Dial(c)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (a *address) kafka() (broker.Broker, error) {
	c := kafka.Config{Brokers: a.hosts, Create: a.is("create")}
	if a.is("tls") {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	var err error
	if c.Auth, err = a.auth(); err != nil {
		return nil, fmt.Errorf("broker address: %w", err)
	}
	b, err := kafka.Dial(c)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (a *address) auth() (sasl.Mechanism, error) {
	mechanism := a.query.Get("sasl")
	if a.user == nil {
		if mechanism != "" {
			return nil, fmt.Errorf("sasl=%s needs a user and a password: kafka://user:password@…", mechanism)
		}
		return nil, nil
	}
	user := a.user.Username()
	password, _ := a.user.Password()
	switch mechanism {
	case "", "plain":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "scram-sha-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case "scram-sha-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	default:
		return nil, fmt.Errorf("sasl is %q; use plain, scram-sha-256 or scram-sha-512", mechanism)
	}
}
