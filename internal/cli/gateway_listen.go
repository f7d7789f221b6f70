package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/internal/config"
)

// listeners are where clients come to. Those that are not wanted are nil.
type listeners struct {
	websocket, tcp, tls net.Listener
	quic                net.PacketConn
	secure              *tls.Config // nil: there is no certificate
}

// openListeners takes the addresses before anything is started, so that one that
// is taken is told of at once.
func openListeners(ctx context.Context, s config.Gateway) (l *listeners, err error) {
	if !strings.HasPrefix(s.Path, "/") {
		return nil, &usageError{fmt.Errorf("gateway.path: %q does not begin with /", s.Path)}
	}
	l = new(listeners)
	if l.secure, err = clientTLS(s); err != nil {
		return nil, &usageError{err}
	}
	var from net.ListenConfig
	for _, carrier := range []struct {
		setting, addr string
		to            *net.Listener
	}{{"websocket", s.WebSocket, &l.websocket}, {"tcp", s.TCP, &l.tcp}, {"tls", s.TLS, &l.tls}} {
		if carrier.addr == "" {
			continue
		}
		if *carrier.to, err = from.Listen(ctx, "tcp", carrier.addr); err != nil {
			return nil, errors.Join(fmt.Errorf("gateway.%s: %w", carrier.setting, err), l.close())
		}
	}
	if s.QUIC != "" {
		if l.quic, err = from.ListenPacket(ctx, "udp", s.QUIC); err != nil {
			return nil, errors.Join(fmt.Errorf("gateway.quic: %w", err), l.close())
		}
	}
	return l, nil
}

// clientTLS shows the certificate that clients see.
func clientTLS(s config.Gateway) (*tls.Config, error) {
	if s.Cert == "" && s.Key == "" {
		if s.TLS != "" || s.QUIC != "" {
			return nil, errors.New("TLS and QUIC need a certificate; set --cert and --key")
		}
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(s.Cert, s.Key)
	if err != nil {
		return nil, fmt.Errorf("gateway.cert and gateway.key: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}, nil
}

// headerTimeout is how long a client has for the request of its WebSocket.
const headerTimeout = 10 * time.Second

// serve brings clients to the gateway. The channel tells when a listener fails.
func (l *listeners) serve(ctx context.Context, g *gateway.Gateway, path string) <-chan error {
	failed := make(chan error, 4)
	run := func(carrier string, serve func() error) {
		go func() {
			if err := serve(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("gateway.%s: %w", carrier, err)
			}
		}()
	}
	mux := http.NewServeMux()
	mux.Handle(path, g)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, TLSConfig: l.secure}
	run("websocket", func() error {
		if l.secure != nil {
			return server.ServeTLS(l.websocket, "", "")
		}
		return server.Serve(l.websocket)
	})
	if l.tcp != nil {
		run("tcp", func() error { return g.ServeTCP(l.tcp) })
	}
	if l.tls != nil {
		run("tls", func() error { return g.ServeTCP(tls.NewListener(l.tls, l.secure)) })
	}
	if l.quic != nil {
		run("quic", func() error { return g.ServeQUIC(ctx, l.quic, l.secure) })
	}
	return failed
}

// addresses are what clients are told, by carrier.
func (l *listeners) addresses(path string) map[string]string {
	all := make(map[string]string)
	scheme := "ws://"
	if l.secure != nil {
		scheme = "wss://"
	}
	all["websocket"] = scheme + l.websocket.Addr().String() + path
	if l.tcp != nil {
		all["tcp"] = "tcp://" + l.tcp.Addr().String()
	}
	if l.tls != nil {
		all["tls"] = "tls://" + l.tls.Addr().String()
	}
	if l.quic != nil {
		all["quic"] = "quic://" + l.quic.LocalAddr().String()
	}
	return all
}

func (l *listeners) close() (err error) {
	for _, listener := range []net.Listener{l.websocket, l.tcp, l.tls} {
		if listener != nil {
			err = errors.Join(err, ignoreClosed(listener.Close()))
		}
	}
	if l.quic != nil {
		err = errors.Join(err, ignoreClosed(l.quic.Close()))
	}
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
