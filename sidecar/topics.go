package sidecar

import (
	"net"
	"strings"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/broker"
	"github.com/mallee-io/mallee/sidecar/internal/broker/kafka"
	"github.com/mallee-io/mallee/sidecar/internal/broker/nats"
)

// dialBroker makes a client of the broker that a URL names; nil: of none.
// Topics that are missing are made.
func dialBroker(url string) (broker.Broker, error) {
	scheme, rest, _ := strings.Cut(url, "://")
	switch scheme {
	case "":
		return nil, nil
	case "nats", "tls":
		return nats.Dial(nats.Config{Servers: strings.Split(url, ","), Create: true})
	case "kafka":
		brokers := strings.Split(rest, ",")
		for _, addr := range brokers {
			if _, _, err := net.SplitHostPort(addr); err != nil {
				return nil, mallee.ErrInvalid.Errorf("broker: %q is not an address such as kafka1:9092", addr)
			}
		}
		return kafka.Dial(kafka.Config{Brokers: brokers, Create: true})
	}
	return nil, mallee.ErrInvalid.Errorf("no broker is named by a URL that begins with %.32q; there are nats://HOST:PORT and kafka://HOST:PORT,…", scheme)
}
