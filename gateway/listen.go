package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

var _ http.Handler = (*Gateway)(nil)

// ServeHTTP makes a WebSocket of the request and serves its client, which goes
// on after it has returned. Clients speak frames if they offer the subprotocol
// edge.Subprotocol. The server's ReadTimeout bounds what comes before
// that, and does not touch the client's connection afterwards.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.draining.Load() { // load balancers try another one
		http.Error(w, "the gateway is about to stop", http.StatusServiceUnavailable)
		return
	}
	conn, err := g.acceptor.Upgrade(w, r)
	if err != nil {
		g.counts.badUpgrades.Add(1)
		return // it has been answered
	}
	g.accept(conn, r.Header)
}

// ServeTCP serves clients that speak frames over TCP, or over TLS where the
// listener is one of package crypto/tls, until the listener is closed: then it
// returns nil.
func (g *Gateway) ServeTCP(listener net.Listener) error {
	return g.acceptor.ServeTCP(listener, g.Accept)
}

// ServeQUIC serves clients that speak frames over a stream of QUIC, or of
// WebTransport on any path, at a UDP socket, until ctx ends or the socket is
// closed: then it returns nil. The socket is the caller's to close, after Stop.
func (g *Gateway) ServeQUIC(ctx context.Context, socket net.PacketConn, certificates *tls.Config) error {
	return g.acceptor.ServeQUIC(ctx, socket, certificates, g.Accept)
}
