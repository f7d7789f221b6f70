// Package clienttest is what tests of clients connect to: gateways in front of
// a cluster, behind proxies that can be cut.
package clienttest

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/internal/tlstest"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/wire/edge"
)

// Patience bounds waits that end at once unless something is wrong.
const Patience = time.Minute

// World is some gateways of one cluster.
type World struct {
	Gates []*Gate
}

// Gate is a gateway with its listeners. All but that of QUIC are reached by
// proxies.
type Gate struct {
	Gateway   *gateway.Gateway
	WebSocket *Proxy // of HTTP: the gateway is at /play
	TCP       *Proxy
	TLS       *Proxy
	QUIC      net.Addr // and WebTransport

	certificate []byte
}

// Start runs gateways until the test ends. Their clients say {"user": …} and
// talk to the actor of that name: see words.
func Start(t testing.TB, gateways int, change ...func(*gateway.Config)) *World {
	t.Helper()
	cluster := malleetest.Start(t, 2, mallee.NewType(mallee.Interface{Name: "Words"}, func(self *mallee.Self) any { return &words{self} }))
	w := &World{Gates: make([]*Gate, gateways)}
	for i := range w.Gates {
		config := gateway.Config{
			Node: cluster.Client(), Login: login.Func(admit), Origins: []string{"*"},
			Secrets: [][]byte{[]byte("what all gateways of a test have")}, DrainSpread: 100 * time.Millisecond,
			Log: slog.New(slog.DiscardHandler),
		}
		for _, c := range change {
			c(&config)
		}
		w.Gates[i] = open(t, config)
	}
	return w
}

func open(t testing.TB, config gateway.Config) *Gate {
	t.Helper()
	g, err := gateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/play", g)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: Patience}
	forHTTP, forTCP, forTLS, socket := listen(t), listen(t), listen(t), listenUDP(t)
	files := tlstest.Certificate(t)
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	secure := &tls.Config{Certificates: []tls.Certificate{pair}}
	serving, stop := context.WithCancel(context.Background())
	for _, serve := range []func() error{
		func() error { return server.Serve(forHTTP) },
		func() error { return g.ServeTCP(forTCP) },
		func() error { return g.ServeTCP(tls.NewListener(forTLS, secure)) },
		func() error { return g.ServeQUIC(serving, socket, secure) },
	} {
		go func() { _ = serve() }() // until the test ends
	}
	t.Cleanup(func() {
		_ = server.Close()
		stop()
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := g.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return &Gate{
		Gateway:     g,
		WebSocket:   NewProxy(t, forHTTP.Addr()),
		TCP:         NewProxy(t, forTCP.Addr()),
		TLS:         NewProxy(t, forTLS.Addr()),
		QUIC:        socket.LocalAddr(),
		certificate: pair.Certificate[0],
	}
}

func listenUDP(t testing.TB) net.PacketConn {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return socket
}

// Trust is what clients of TLS and QUIC need.
func (g *Gate) Trust(t testing.TB) *tls.Config {
	t.Helper()
	root, err := x509.ParseCertificate(g.certificate)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return &tls.Config{RootCAs: roots}
}

// Hash is what browsers need, in hexadecimal digits.
func (g *Gate) Hash() string {
	sum := sha256.Sum256(g.certificate)
	return hex.EncodeToString(sum[:])
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// Handler serves the program of a test in another language what it asks for:
// POST /cut, /drain of the first gateway.
func (w *World) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cut", func(http.ResponseWriter, *http.Request) { w.Gates[0].WebSocket.Cut() })
	mux.HandleFunc("POST /drain", func(rw http.ResponseWriter, r *http.Request) {
		w.Gates[0].WebSocket.Refuse()
		if err := w.Gates[0].Gateway.Drain(r.Context()); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
		}
	})
	return mux
}

// URL of the gateway's WebSocket.
func (g *Gate) URL() string { return "ws://" + g.WebSocket.Addr() + "/play" }

func admit(_ context.Context, r *login.Request) (login.Admission, error) {
	var l struct{ User string }
	if err := json.Unmarshal(r.Packet, &l); err != nil || l.User == "" {
		return login.Admission{}, &login.Refusal{Code: edge.CodeLoginRefused, Reason: "there is no user"}
	}
	return login.Admission{Actor: mallee.ID{Type: "Words", Key: l.User}, User: l.User, First: r.Packet}, nil
}

// words is an actor that sends back what it gets, but for "push 10", which
// makes it send the numbers up to 10, and "kick …".
type words struct{ self *mallee.Self }

func (w *words) OnConnect(context.Context, mallee.Session, mallee.Arrival) error { return nil }

func (w *words) OnDisconnect(context.Context, mallee.Session, mallee.DisconnectReason) error {
	return nil
}

func (w *words) OnMessage(ctx context.Context, s mallee.Session, m mallee.Message) error {
	word, rest, _ := strings.Cut(string(m.Data), " ")
	switch word {
	case "kick":
		return w.self.Kick(ctx, s, rest)
	case "push":
		n, err := strconv.Atoi(rest)
		for i := 1; i <= n && err == nil; i++ {
			err = w.self.Send(ctx, mallee.Text(strconv.Itoa(i)), s)
		}
		return err
	}
	return w.self.Send(ctx, m, s)
}
