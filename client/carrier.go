package client

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/mallee-io/mallee/wire/edge"
)

// carrier brings frames to a gateway and back.
type carrier interface {
	// read returns the next frame; one goroutine. The error is an *edge.Closed
	// where the gateway has said why it closes, or an *edge.Violation.
	read() (edge.Data, error)
	// write writes frames; one goroutine.
	write(frames []edge.Data) error
	// goodbye tells the gateway why the connection ends, and with CodeNormal
	// that the session is over; any goroutine.
	goodbye(code edge.Code, reason string)
	// close ends the connection; any goroutine. The session is not over.
	close()
}

// writeTimeout is how long a gateway may take nothing before the connection is
// given up.
const writeTimeout = 15 * time.Second

// dialers are what schemes of URLs stand for.
var dialers = map[string]func(ctx context.Context, u *url.URL, c *Config) (carrier, error){
	"ws":   dialWebSocket,
	"wss":  dialWebSocket,
	"tcp":  dialTCP,
	"tls":  dialTCP,
	"quic": dialQUIC,
}

// carries reports whether the scheme of a URL is one of dialers.
func carries(address string) bool {
	u, err := url.Parse(address)
	return err == nil && dialers[u.Scheme] != nil
}

func dial(ctx context.Context, address string, c *Config) (carrier, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	dialer := dialers[u.Scheme]
	if dialer == nil {
		return nil, fmt.Errorf("the scheme of %q is not ws, wss, tcp, tls or quic", address)
	}
	conn, err := dialer(ctx, u, c)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	return conn, nil
}
