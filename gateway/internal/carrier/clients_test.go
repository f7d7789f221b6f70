package carrier_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/internal/tlstest"
	"github.com/mallee-io/mallee/wire/edge"
)

// patience bounds what should take milliseconds.
const patience = 30 * time.Second

// client speaks bytes, so that it can also say what no client should.
type client struct {
	t  *testing.T
	to interface {
		io.ReadWriteCloser
		SetDeadline(time.Time) error
	}
	in      *bufio.Reader
	message bool // it is a WebSocket
	plain   bool
}

// dialer connects a client and returns both ends.
type dialer func(t *testing.T, c carrier.Config) (*client, carrier.Conn)

// framedCarriers speak frames; carriers are all.
func framedCarriers() map[string]dialer {
	return map[string]dialer{
		"websocket": func(t *testing.T, c carrier.Config) (*client, carrier.Conn) {
			return dialWebSocket(t, c, "Sec-WebSocket-Protocol: chat, mallee.v1\r\n")
		},
		"secure":       dialSecure,
		"tcp":          dialTCP,
		"tls":          dialTLS,
		"quic":         dialQUIC,
		"webtransport": dialWebTransport,
	}
}

func webSockets() map[string]dialer {
	return map[string]dialer{"plain": dialPlain, "websocket": framedCarriers()["websocket"]}
}

func streams() map[string]dialer {
	all := framedCarriers()
	delete(all, "websocket")
	delete(all, "secure")
	return all
}

func carriers() map[string]dialer {
	all := framedCarriers()
	all["plain"] = dialPlain
	return all
}

func newClient(t *testing.T, to interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
}) *client {
	t.Cleanup(func() { _ = to.Close() })
	if err := to.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, to: to, in: bufio.NewReader(to)}
}

// arrival is the gateway's end of a client's connection.
func arrival(cl *client, conns <-chan carrier.Conn) carrier.Conn {
	cl.t.Helper()
	select {
	case conn := <-conns:
		cl.t.Cleanup(func() {
			_ = cl.to.Close() // or Close would wait for the client
			conn.Close(edge.CodeGoingAway, "the test is over")
		})
		return conn
	case <-time.After(patience):
		cl.t.Fatal("the connection has not come")
		return nil
	}
}

func dialPlain(t *testing.T, c carrier.Config) (*client, carrier.Conn) {
	cl, conn := dialWebSocket(t, c, "")
	cl.plain = true
	return cl, conn
}

func upgrader(c carrier.Config) (http.Handler, chan carrier.Conn) {
	a, conns := carrier.New(c), make(chan carrier.Conn, 64)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := a.Upgrade(w, r); err == nil {
			conns <- conn
		}
	}), conns
}

// webSocketServer gives what it upgrades to conns.
func webSocketServer(t *testing.T, c carrier.Config) (addr string, conns chan carrier.Conn) {
	t.Helper()
	handler, conns := upgrader(c)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), conns
}

func handshake(headers string) string {
	return "GET /gateway HTTP/1.1\r\nHost: game.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + headers + "\r\n"
}

func dialWebSocket(t *testing.T, c carrier.Config, headers string) (*client, carrier.Conn) {
	t.Helper()
	addr, conns := webSocketServer(t, c)
	socket, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return upgrade(t, socket, conns, headers)
}

// dialSecure is a WebSocket over TLS.
func dialSecure(t *testing.T, c carrier.Config) (*client, carrier.Conn) {
	t.Helper()
	handler, conns := upgrader(c)
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	socket, err := tls.Dial("tcp", server.Listener.Addr().String(), server.Client().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	return upgrade(t, socket, conns, "Sec-WebSocket-Protocol: mallee.v1\r\n")
}

func upgrade(t *testing.T, socket net.Conn, conns <-chan carrier.Conn, headers string) (*client, carrier.Conn) {
	t.Helper()
	cl := newClient(t, socket)
	cl.message = true
	cl.raw([]byte(handshake(headers)))
	answer, err := http.ReadResponse(cl.in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal("the upgrade is answered with", answer, err)
	}
	_ = answer.Body.Close()
	if got := answer.Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Fatalf("the extension %q is taken", got)
	}
	return cl, arrival(cl, conns)
}

func dialTCP(t *testing.T, c carrier.Config) (*client, carrier.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := serveTCP(t, c, listener)
	socket, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cl := newClient(t, socket)
	return cl, arrival(cl, conns)
}

func serveTCP(t *testing.T, c carrier.Config, listener net.Listener) chan carrier.Conn {
	conns, over := make(chan carrier.Conn, 64), make(chan error, 1)
	go func() { over <- carrier.New(c).ServeTCP(listener, func(conn carrier.Conn) { conns <- conn }) }()
	t.Cleanup(func() {
		_ = listener.Close()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	return conns
}

// certificates returns what a server and its clients need.
func certificates(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	files := tlstest.Certificate(t)
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{Certificates: []tls.Certificate{pair}}, &tls.Config{RootCAs: roots, ServerName: "node"}
}

func dialTLS(t *testing.T, c carrier.Config) (*client, carrier.Conn) {
	t.Helper()
	server, trusting := certificates(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	conns := serveTCP(t, c, listener)
	socket, err := tls.Dial("tcp", listener.Addr().String(), trusting)
	if err != nil {
		t.Fatal(err)
	}
	cl := newClient(t, socket)
	return cl, arrival(cl, conns)
}

func (c *client) raw(b []byte) {
	c.t.Helper()
	if _, err := c.to.Write(b); err != nil {
		c.t.Error("the client cannot write:", err)
	}
}

// send sends a frame of the protocol; a plain client has data alone.
func (c *client) send(kind edge.Kind, payload string) {
	c.t.Helper()
	switch {
	case c.plain && kind == edge.KindText:
		c.raw(masked(0x81, payload))
	case c.plain:
		c.raw(masked(0x82, payload))
	case c.message:
		c.raw(masked(0x82, string(rune(kind))+payload))
	default:
		c.raw(edge.AppendFrame(nil, kind, []byte(payload)))
	}
}

// masked is a frame of a WebSocket as clients send it.
func masked(first byte, payload string) []byte {
	b := []byte{first, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b[1] |= 0x80
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

// next returns the next frame of the gateway. For a WebSocket's control frames
// the kind is 0x80 and the opcode.
func (c *client) next() (edge.Kind, []byte, error) {
	if !c.message {
		var header [edge.HeaderSize]byte
		if _, err := io.ReadFull(c.in, header[:]); err != nil {
			return 0, nil, err
		}
		kind, n, err := edge.ParseHeader(header, 1<<20)
		if err != nil {
			return 0, nil, err
		}
		payload := make([]byte, n)
		_, err = io.ReadFull(c.in, payload)
		return kind, payload, err
	}
	var header [2]byte
	if _, err := io.ReadFull(c.in, header[:]); err != nil {
		return 0, nil, err
	}
	n := int(header[1])
	switch n {
	case 126:
		var size uint16
		if err := binary.Read(c.in, binary.BigEndian, &size); err != nil {
			return 0, nil, err
		}
		n = int(size)
	case 127:
		var size uint64
		if err := binary.Read(c.in, binary.BigEndian, &size); err != nil {
			return 0, nil, err
		}
		n = int(size)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return 0, nil, err
	}
	switch {
	case header[0] >= 0x88:
		return edge.Kind(header[0]), payload, nil
	case c.plain && header[0] == 0x81:
		return edge.KindText, payload, nil
	case c.plain && header[0] == 0x82:
		return edge.KindBinary, payload, nil
	case header[0] == 0x82:
		return edge.ParseMessage(payload, 1<<20)
	}
	return 0, nil, fmt.Errorf("a frame that begins with % x", header)
}

// expect reads the next frame.
func (c *client) expect(kind edge.Kind, payload string) {
	c.t.Helper()
	k, got, err := c.next()
	if err != nil || k != kind || string(got) != payload {
		c.t.Fatalf("kind %d with %.40q, %v; not kind %d with %.40q", k, got, err, kind, payload)
	}
}

// farewell reads why the gateway closes the connection, and leaves.
func (c *client) farewell() (code edge.Code, reason string) {
	c.t.Helper()
	for {
		kind, payload, err := c.next()
		switch {
		case err != nil:
			c.t.Errorf("the connection has ended without a code: %v", err)
			return 0, ""
		case kind == edge.KindClose:
			said, err := edge.Decode[edge.Closed](payload)
			if err != nil {
				c.t.Error(err)
			}
			_ = c.to.Close()
			return said.Code, said.Reason
		case kind == 0x88:
			c.raw(masked(0x88, string(payload)))
			if len(payload) < 2 {
				return 0, ""
			}
			return edge.Code(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
	}
}

// refuse reads until the carrier refuses what the client has sent, and closes
// as a gateway does.
func refuse(t *testing.T, conn carrier.Conn) {
	t.Helper()
	for {
		_, err := conn.Read()
		if err == nil {
			continue
		}
		var closed *carrier.Closed
		if !errors.As(err, &closed) || closed.Client {
			t.Errorf("Read returns %v, which says no code", err)
			conn.Close(edge.CodeInternal, "")
			return
		}
		conn.Close(closed.Code, closed.Reason)
		return
	}
}

func outgoing(kind edge.Kind, data string) *carrier.Outgoing {
	return &carrier.Outgoing{Frame: carrier.Frame{Kind: kind, Data: []byte(data)}}
}

func mustRead(t *testing.T, conn carrier.Conn, kind edge.Kind, data string) {
	t.Helper()
	f, err := conn.Read()
	if err != nil || f.Kind != kind || !bytes.Equal(f.Data, []byte(data)) {
		t.Fatalf("read kind %d with %.40q, %v; not kind %d with %.40q", f.Kind, f.Data, err, kind, data)
	}
}
