package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/client"
	"github.com/mallee-io/mallee/wire/edge"
)

// patience bounds waits that end at once unless something is wrong.
const patience = 30 * time.Second

// door is where a test waits for connections, as a gateway would.
type door struct {
	t        *testing.T
	listener net.Listener
}

func newDoor(t *testing.T) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return &door{t, listener}
}

func (d *door) url() string { return "tcp://" + d.listener.Addr().String() }

// guest is a connection, as a gateway sees it.
type guest struct {
	t    *testing.T
	conn net.Conn
}

func (d *door) accept() *guest {
	d.t.Helper()
	conn, err := d.listener.Accept()
	if err != nil {
		d.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	d.t.Cleanup(func() { _ = conn.Close() })
	return &guest{d.t, conn}
}

// read returns the next frame that is not a ping.
func (g *guest) read() (edge.Kind, []byte) {
	g.t.Helper()
	for {
		var header [edge.HeaderSize]byte
		if _, err := io.ReadFull(g.conn, header[:]); err != nil {
			g.t.Fatal(err)
		}
		kind, size, err := edge.ParseHeader(header, 1<<20)
		if err != nil {
			g.t.Fatal(err)
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(g.conn, payload); err != nil {
			g.t.Fatal(err)
		}
		if kind != edge.KindPing {
			return kind, payload
		}
	}
}

func (g *guest) hello() edge.Hello {
	g.t.Helper()
	kind, payload := g.read()
	hello, err := edge.Decode[edge.Hello](payload)
	if err != nil || kind != edge.KindLogin {
		g.t.Fatal(kind, err)
	}
	return hello
}

func (g *guest) expect(kind edge.Kind, payload string) {
	g.t.Helper()
	if k, p := g.read(); k != kind || string(p) != payload {
		g.t.Fatalf("kind %d %q, not kind %d %q", k, p, kind, payload)
	}
}

func (g *guest) write(kind edge.Kind, payload string) {
	g.t.Helper()
	if _, err := g.conn.Write(edge.AppendFrame(nil, kind, []byte(payload))); err != nil {
		g.t.Fatal(err)
	}
}

func control[P edge.Payload](g *guest, kind edge.Kind, payload P) {
	g.t.Helper()
	encoded, err := edge.Encode(payload)
	if err != nil {
		g.t.Fatal(err)
	}
	g.write(kind, string(encoded))
}

// dialled is a Conn with the first connection of it, after the welcome.
func dialled(t *testing.T, d *door, config client.Config) (*client.Conn, *guest) {
	t.Helper()
	config.URLs = []string{d.url()}
	config.Backoff = time.Millisecond
	guests := make(chan *guest, 1)
	go func() {
		g := d.accept()
		g.hello()
		control(g, edge.KindWelcome, edge.Welcome{Session: "1", Token: "t", Epoch: "a", Largest: 100})
		guests <- g
	}()
	conn, err := client.Dial(waiting(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn, <-guests
}

func waiting(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func send(t *testing.T, c *client.Conn, text string) {
	t.Helper()
	if err := c.Send(waiting(t), mallee.Text(text)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c *client.Conn, text string) {
	t.Helper()
	if m, err := c.Receive(waiting(t)); err != nil || !m.Text || string(m.Data) != text {
		t.Fatalf("%q %v, not %q", m.Data, err, text)
	}
}

func TestResume(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	conn, first := dialled(t, d, client.Config{AckEvery: 1})
	send(t, conn, "1")
	send(t, conn, "2")
	first.expect(edge.KindText, "1")
	first.expect(edge.KindText, "2")
	first.write(edge.KindText, "a")
	receive(t, conn, "a")
	first.expect(edge.KindAck, "\x01")
	_ = first.conn.Close()

	second := d.accept()
	hello := second.hello()
	if want := (edge.Resume{Token: "t", Epoch: "a", Received: 1, Attempt: 2}); hello.Resume == nil || *hello.Resume != want || hello.Login != nil {
		t.Fatalf("%+v", hello)
	}
	control(second, edge.KindWelcome, edge.Welcome{Session: "1", Token: "u", Epoch: "a", Resumed: true, Received: 1})
	second.expect(edge.KindText, "2")
	control(second, edge.KindLost, edge.Lost{Count: 3, Sent: 1})
	second.write(edge.KindText, "b")
	var lost *edge.Loss
	if _, err := conn.Receive(waiting(t)); !errors.As(err, &lost) || lost.Count != 3 || lost.Sent != 1 || lost.Unknown {
		t.Fatal(err)
	}
	receive(t, conn, "b")
}

func TestNewEpochIsALoss(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	conn, first := dialled(t, d, client.Config{})
	send(t, conn, "1")
	first.expect(edge.KindText, "1")
	_ = first.conn.Close()
	second := d.accept()
	second.hello()
	control(second, edge.KindWelcome, edge.Welcome{Session: "1", Token: "u", Epoch: "b"})
	var lost *edge.Loss
	if _, err := conn.Receive(waiting(t)); !errors.As(err, &lost) || !lost.Unknown || lost.Sent != 1 {
		t.Fatal(err)
	}
	send(t, conn, "2")
	second.expect(edge.KindText, "2")
}

func TestMove(t *testing.T) {
	t.Parallel()
	old, other := newDoor(t), newDoor(t)
	conn, first := dialled(t, old, client.Config{})
	control(first, edge.KindMove, edge.Move{URLs: []string{"gopher://x/", other.url()}})
	second := other.accept()
	// The old connection has been given up by now; what comes by it is not
	// counted, and comes again.
	second.hello()
	control(second, edge.KindWelcome, edge.Welcome{Session: "1", Token: "u", Epoch: "a", Resumed: true})
	second.write(edge.KindText, "a")
	receive(t, conn, "a")
	send(t, conn, "1")
	second.expect(edge.KindText, "1")
}

func TestKick(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	conn, g := dialled(t, d, client.Config{})
	g.write(edge.KindText, "the last")
	control(g, edge.KindClose, edge.Closed{Code: edge.CodeKicked, Reason: "cheater"})
	receive(t, conn, "the last")
	var closed *edge.Closed
	if _, err := conn.Receive(waiting(t)); !errors.As(err, &closed) || closed.Code != edge.CodeKicked {
		t.Fatal(err)
	}
	if err := conn.Send(waiting(t), mallee.Text("x")); !errors.As(err, &closed) || closed.Code != edge.CodeKicked {
		t.Fatal(err)
	}
}

func TestLoginAnew(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	refusals := make(chan edge.Code, 8)
	conn, first := dialled(t, d, client.Config{Login: func(_ context.Context, refused *edge.Closed) (json.RawMessage, error) {
		if refused != nil {
			refusals <- refused.Code
		} else {
			refusals <- 0
		}
		return json.RawMessage(`{"open_id":"ada"}`), nil
	}})
	_ = first.conn.Close()
	second := d.accept()
	second.hello()
	control(second, edge.KindClose, edge.Closed{Code: edge.CodeResumeRefused})
	third := d.accept()
	if hello := third.hello(); hello.Resume != nil || string(hello.Login) != `{"open_id":"ada"}` {
		t.Fatalf("%+v", hello)
	}
	control(third, edge.KindClose, edge.Closed{Code: edge.CodeLoginExpired})
	fourth := d.accept()
	fourth.hello()
	control(fourth, edge.KindWelcome, edge.Welcome{Session: "2", Token: "t", Epoch: "b"})
	var lost *edge.Loss
	if _, err := conn.Receive(waiting(t)); !errors.As(err, &lost) || !lost.Unknown {
		t.Fatal(err)
	}
	for _, want := range []edge.Code{0, 0, edge.CodeLoginExpired} {
		if got := <-refusals; got != want {
			t.Errorf("the login was asked for because of %d, not %d", got, want)
		}
	}
}

func TestRefusedLogin(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	go func() {
		g := d.accept()
		g.hello()
		control(g, edge.KindClose, edge.Closed{Code: edge.CodeLoginRefused, Reason: "wrong checksum"})
	}()
	var closed *edge.Closed
	if _, err := client.Dial(waiting(t), client.Config{URLs: []string{d.url()}}); !errors.As(err, &closed) || closed.Code != edge.CodeLoginRefused {
		t.Fatal(err)
	}
}

func TestNonsenseOfTheGateway(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	conn, g := dialled(t, d, client.Config{})
	g.write(edge.KindText, "\xff")
	kind, payload := g.read()
	if closed, err := edge.Decode[edge.Closed](payload); kind != edge.KindClose || err != nil || closed.Code != edge.CodeText {
		t.Fatal(kind, closed, err)
	}
	var closed *edge.Closed
	if _, err := conn.Receive(waiting(t)); !errors.As(err, &closed) || closed.Code != edge.CodeText {
		t.Fatal(err)
	}
}

func TestCloseSaysGoodbye(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	conn, g := dialled(t, d, client.Config{})
	done := make(chan struct{})
	go func() {
		conn.Close()
		close(done)
	}()
	kind, payload := g.read()
	if closed, err := edge.Decode[edge.Closed](payload); kind != edge.KindClose || err != nil || closed.Code != edge.CodeNormal {
		t.Fatal(kind, closed, err)
	}
	_ = g.conn.Close()
	<-done
	if err := conn.Send(waiting(t), mallee.Text("x")); err == nil {
		t.Fatal("a closed Conn has taken a message")
	}
}

func TestSendWaitsForRoom(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	conn, g := dialled(t, d, client.Config{SendBuffer: 1})
	send(t, conn, "1")
	full, cancel := context.WithCancel(t.Context())
	cancel()
	if err := conn.Send(full, mallee.Text("2")); !errors.Is(err, edge.ErrFull) {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- conn.Send(waiting(t), mallee.Text("3")) }()
	g.expect(edge.KindText, "1")
	g.write(edge.KindAck, "\x01")
	g.expect(edge.KindText, "3")
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if err := conn.Send(waiting(t), mallee.Binary(make([]byte, 101))); err == nil {
		t.Fatal("larger than the gateway takes")
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	got, within := client.Ceilings(10, 50, 5)
	if want := []time.Duration{10, 20, 40, 50, 50}; !slices.Equal(got, want) || !within {
		t.Errorf("%v, not %v; within: %t", got, want, within)
	}
}

func TestSilentGatewayIsLeft(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	events := make(chan client.Event, 16)
	guests := make(chan *guest, 1)
	go func() {
		g := d.accept()
		g.hello()
		control(g, edge.KindWelcome, edge.Welcome{Session: "1", Token: "t", Epoch: "a", Ping: 10})
		guests <- g
	}()
	conn, err := client.Dial(waiting(t), client.Config{URLs: []string{d.url()}, Backoff: time.Millisecond, Notify: func(e client.Event) { events <- e }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	<-guests // and it says nothing
	if hello := d.accept().hello(); hello.Resume == nil {
		t.Error("the session was not resumed")
	}
	if first, second := <-events, <-events; first.Opened == nil || second.Closed == nil || second.Closed.Code.Action() != edge.ActResume {
		t.Errorf("%+v, %+v", first, second)
	}
}
