package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/wire/edge"
)

// patience bounds what should take milliseconds.
const patience = 60 * time.Second

// site is a gateway with real listeners, at a node with actors.
type site struct {
	t        testing.TB
	gateway  *gateway.Gateway
	web, tcp string // addresses
}

// build starts a site. What clients do is no error of the gateway's: the test
// fails if one is logged.
func build(t testing.TB, change ...func(*gateway.Config)) *site {
	t.Helper()
	types := []mallee.Type{new(diary).typ(), millType(), mallee.NewType(mallee.Interface{Name: "Deaf"}, func(*mallee.Self) any { return struct{}{} })}
	n, err := node.Start(t.Context(), node.Config{Types: types, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	config := gateway.Config{
		Node: n, Login: login.Func(admit), Secrets: [][]byte{secret}, Log: slog.New(noErrors{t}),
	}
	for _, c := range change {
		c(&config)
	}
	g, err := gateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = g.ServeTCP(listener) }()
	server := httptest.NewUnstartedServer(g)
	server.Config.ReadTimeout = 2 * time.Second
	server.Start()
	t.Cleanup(func() {
		_ = listener.Close()
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(g.Stop(ctx), n.Stop(ctx)); err != nil {
			t.Error(err)
		}
	})
	return &site{t, g, server.Listener.Addr().String(), listener.Addr().String()}
}

// noErrors is where a gateway logs that makes no mistakes.
type noErrors struct{ t testing.TB }

func (n noErrors) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (n noErrors) WithAttrs([]slog.Attr) slog.Handler           { return n }
func (n noErrors) WithGroup(string) slog.Handler                { return n }
func (n noErrors) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		r.Message += " " + a.String()
		return true
	})
	n.t.Error("the gateway logs an error:", r.Message)
	return nil
}

// millType is of actors that do more, or less, than they should.
func millType() mallee.Type {
	return mallee.NewType(mallee.Interface{Name: "Mill"}, func(self *mallee.Self) any { return &mill{self} })
}

type mill struct{ self *mallee.Self }

func (m *mill) OnConnect(context.Context, mallee.Session, mallee.Arrival) error {
	if m.self.ID().Key == "throws" {
		panic("in OnConnect")
	}
	return nil
}

// OnMessage sends as many messages of 32 KiB as it is told.
func (m *mill) OnMessage(ctx context.Context, s mallee.Session, said mallee.Message) error {
	n, err := strconv.Atoi(string(said.Data))
	if err != nil {
		panic("in OnMessage")
	}
	flour := mallee.Binary(make([]byte, 32<<10))
	for range n {
		if err := m.self.Send(ctx, flour, s); err != nil {
			return err
		}
	}
	return nil
}

func (m *mill) OnDisconnect(context.Context, mallee.Session, mallee.DisconnectReason) error {
	panic("in OnDisconnect")
}

// figure is the sum of the gateway's figures of a name, whose labels have this
// value; "" is all.
func (s *site) figure(name, label string) (sum float64) {
	s.t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.gateway)
	families, err := registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "mallee_gateway_"+name {
			continue
		}
		for _, metric := range family.GetMetric() {
			if label == "" || len(metric.GetLabel()) > 0 && metric.GetLabel()[0].GetValue() == label {
				sum += metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// until waits for something that has to happen.
func until(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for start := time.Now(); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatal("it has not happened that", what)
		}
	}
}

// socket is a client that speaks bytes, so that it can also say what no client
// should.
type socket struct {
	t testing.TB
	net.Conn
	in     *bufio.Reader
	web    bool
	framed bool
}

func (s *site) dial(addr string) *socket {
	s.t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.over(conn)
}

func (s *site) over(conn net.Conn) *socket {
	s.t.Helper()
	s.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		s.t.Fatal(err)
	}
	return &socket{t: s.t, Conn: conn, in: bufio.NewReader(conn)}
}

func (s *site) stream() *socket {
	c := s.dial(s.tcp)
	c.framed = true
	return c
}

// page is a plain client; with the subprotocol it speaks frames.
func (s *site) page(protocols ...string) *socket {
	s.t.Helper()
	c := s.dial(s.web)
	c.web, c.framed = true, len(protocols) > 0
	status, _ := c.upgrade("Sec-WebSocket-Protocol: " + strings.Join(append(protocols, "chat"), ", ") + "\r\n")
	if status != http.StatusSwitchingProtocols {
		s.t.Fatalf("the upgrade is answered with %d", status)
	}
	return c
}

// upgrade asks for a WebSocket, and returns the answer's status and extensions.
func (c *socket) upgrade(headers string) (status int, extensions string) {
	c.t.Helper()
	c.raw("GET / HTTP/1.1\r\nHost: game.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + headers + "\r\n")
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode, answer.Header.Get("Sec-WebSocket-Extensions")
}

// raw writes bytes. That the gateway has hung up shows in what is read.
func (c *socket) raw(b string) { _, _ = io.WriteString(c.Conn, b) }

// frame is what send writes.
func (c *socket) frame(kind edge.Kind, payload string) string {
	if !c.web {
		return string(edge.AppendFrame(nil, kind, []byte(payload)))
	}
	f := ws.NewTextFrame([]byte(payload))
	if c.framed {
		f = ws.NewBinaryFrame([]byte(string(rune(kind)) + payload))
	}
	return string(ws.MustCompileFrame(ws.MaskFrame(f)))
}

func (c *socket) send(kind edge.Kind, payload string) { c.raw(c.frame(kind, payload)) }
func (c *socket) say(text string)                     { c.send(edge.KindText, text) }

// login logs in; a client that speaks frames returns its welcome.
func (c *socket) login(packet string) (w edge.Welcome) {
	c.t.Helper()
	if !c.framed {
		c.say(packet)
		return w
	}
	return c.hello(edge.Hello{Login: json.RawMessage(packet)})
}

func (c *socket) hello(h edge.Hello) (w edge.Welcome) {
	c.t.Helper()
	h.Version = edge.Version
	b, err := edge.Encode(h)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(edge.KindLogin, string(b))
	kind, payload, err := c.next()
	if err != nil || kind != edge.KindWelcome {
		c.t.Fatalf("frame %d %q, %v instead of a welcome", kind, payload, err)
	}
	if w, err = edge.Decode[edge.Welcome](payload); err != nil {
		c.t.Fatal(err)
	}
	return w
}

// next is the next frame; acks and pongs are left out. At the end it is a
// KindClose, or an error where there was none.
func (c *socket) next() (edge.Kind, []byte, error) {
	for {
		kind, payload, err := c.any()
		if err != nil || kind != edge.KindAck && kind != edge.KindPong {
			return kind, payload, err
		}
	}
}

func (c *socket) any() (edge.Kind, []byte, error) {
	if !c.web {
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
	header, err := ws.ReadHeader(c.in)
	if err != nil {
		return 0, nil, err
	}
	payload := make([]byte, min(header.Length, 1<<20))
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return 0, nil, err
	}
	switch {
	case header.OpCode == ws.OpClose:
		code, reason := ws.ParseCloseFrameData(payload)
		said, err := edge.Encode(edge.Closed{Code: edge.Code(code), Reason: reason})
		return edge.KindClose, said, err
	case header.OpCode.IsControl():
		return edge.KindPong, payload, nil
	case c.framed:
		return edge.ParseMessage(payload, 1<<20)
	case header.OpCode == ws.OpText:
		return edge.KindText, payload, nil
	}
	return edge.KindBinary, payload, nil
}

// farewell is the code with which the gateway closes; 0: it has said none.
func (c *socket) farewell() edge.Code {
	c.t.Helper()
	defer func() { _ = c.Close() }()
	for {
		kind, payload, err := c.next()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.t.Error("the gateway does not close the connection")
		}
		if err != nil {
			return 0
		}
		if kind == edge.KindClose {
			said, err := edge.Decode[edge.Closed](payload)
			if err != nil {
				c.t.Error(err)
			}
			return said.Code
		}
	}
}

func (c *socket) hears(text string) {
	c.t.Helper()
	if kind, payload, err := c.next(); err != nil || kind != edge.KindText || string(payload) != text {
		c.t.Fatalf("frame %d %.80q, %v instead of the text %q", kind, payload, err, text)
	}
}

// neighbour is a client that behaves well, beside those who do not. The test
// fails if it is disturbed until the function is called that it returns.
func (s *site) neighbour() (leave func()) {
	s.t.Helper()
	c := s.stream()
	c.login(loginOf("neighbour", "quiet neighbour"))
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		pause := time.NewTicker(20 * time.Millisecond)
		defer pause.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			case <-pause.C:
			}
			text := fmt.Sprint(i)
			c.say(text)
			c.send(edge.KindAck, string(edge.AppendAck(nil, uint64(i))))
			if kind, payload, err := c.next(); err != nil || string(payload) != text {
				done <- fmt.Errorf("frame %d %q, %w instead of the echo %q", kind, payload, err, text)
				return
			}
		}
	}()
	return func() {
		s.t.Helper()
		close(stop)
		if err := <-done; err != nil {
			s.t.Error("the neighbour is disturbed:", err)
		}
		_ = c.Close()
	}
}
