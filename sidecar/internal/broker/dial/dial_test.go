package dial_test

import (
	"testing"

	"github.com/mallee-io/mallee/sidecar/internal/broker/dial"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"nats://127.0.0.1:1": "",
		"nats://u:p%40w@127.0.0.1:1,127.0.0.1:2?create=true": "",
		"tls://127.0.0.1:1":                  "",
		"kafka://127.0.0.1:1,127.0.0.1:2":    "",
		"kafka://u:p@127.0.0.1:1?tls=true":   "",
		"kafka://u:p@h:1?sasl=scram-sha-512": "",
		"amqp://h":                           "broker address: it begins with none of nats://, tls:// and kafka://",
		"kafka://":                           `broker address: "" is not host:port`,
		"kafka://a,,b":                       `broker address: "" is not host:port`,
		"kafka://a/b":                        `broker address: "a/b" is not host:port`,
		"nats://h?tls=true":                  "broker address: nats:// knows no tls; it knows create",
		"nats://h?create=yes":                `broker address: create is "yes"; use true or false`,
		"kafka://h?sasl=plain":               "broker address: sasl=plain needs a user and a password: kafka://user:password@…",
		"kafka://u:p@h?sasl=x":               `broker address: sasl is "x"; use plain, scram-sha-256 or scram-sha-512`,
	} {
		b, err := dial.Broker(address)
		if got := text(err); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
		if b != nil {
			_ = b.Close()
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
