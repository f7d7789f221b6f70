package transport_test

import (
	"log/slog"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/transport"
)

// A peer that does not agree to send no more requests is cut off, so that
// Close tells the truth.
func TestCloseOfAPeerThatDoesNotAgree(t *testing.T) {
	t.Parallel()
	b := join(t, newOverTCP(transport.TCPConfig{Silence: 300 * time.Millisecond}), 2)
	p := shake(t, b, 9)
	b.Close(2)
	if got := next(t, b.lost, "loss"); got != 9 {
		t.Errorf("node %s is lost", got)
	}
	p.ended()
}

// The address may be taken when a node comes back: it goes on trying.
func TestAttachWhileTheAddressIsTaken(t *testing.T) {
	t.Parallel()
	log := make(logged, 100)
	f := newOverTCP(transport.TCPConfig{Log: slog.New(log)})
	a, b, c := join(t, f, 1), join(t, f, 2), join(t, f, 3)
	b.Detach(2)
	squatter, err := net.Listen("tcp", b.Network.(*transport.TCP).Addr())
	if err != nil {
		t.Skip("the port has been given to another process: ", err)
	}
	b.Attach(2, b)
	log.expect(t, "cannot listen for other nodes")
	connect(t, b, a) // it can dial all the same
	_ = squatter.Close()
	for end := time.Now().Add(patience); c.send(2, request(1, "")) != nil; runtime.Gosched() { // nothing says when the port is open; the backoff sets the pace
		if time.Now().After(end) {
			t.Fatal("the port is free, and the node is not there")
		}
	}
}

// A node that is attached again without Detach has ended its earlier life.
func TestAttachTwice(t *testing.T) {
	t.Parallel()
	f := newOverTCP(transport.TCPConfig{})
	a, b := join(t, f, 1), join(t, f, 2)
	connect(t, a, b)
	b.Attach(3, b)
	defer b.Detach(3)
	next(t, a.lost, "loss")
	if err := b.send(1, request(1, "")); !isUnreachable(err) {
		t.Errorf("from the earlier life: %v", err)
	}
	b.id = 3
	connect(t, b, a)
}

// A dialer that begins anew gives up what it has begun before.
func TestTwoHellos(t *testing.T) {
	t.Parallel()
	b := join(t, newOverTCP(transport.TCPConfig{}), 2)
	first := dialRaw(t, b)
	first.frame(helloMeta(rawVersion, "", 9, 2), "")
	first.answer()
	shake(t, b, 9)
	first.ended()
	if len(b.lost) > 0 {
		t.Error("the second connection is lost with the first")
	}
}

// Who waits for a peer's attempt gets one of the node's own when that fails.
func TestHelloThatComesToNothing(t *testing.T) {
	t.Parallel()
	f := newOverTCP(transport.TCPConfig{})
	b := join(t, f, 2)
	ready := make(chan string, 1)
	f.set(9, serveRaw(t, func(p *rawPeer) {
		p.answer()
		p.frame(string([]byte{0, rawVersion, rawWelcome, 0}), "")
		ready <- p.answer()
		p.ended()
	}))
	p := dialRaw(t, b)
	p.frame(helloMeta(rawVersion, "", 9, 2), "")
	p.answer()
	sent := make(chan error, 1)
	go func() { sent <- b.send(9, request(1, "")) }()
	_ = p.Close()
	if err := next(t, sent, "result"); err != nil {
		t.Error(err)
	}
	if got := next(t, ready, "ready"); got != string([]byte{0, rawVersion, rawReady}) {
		t.Errorf("%q", got)
	}
}
