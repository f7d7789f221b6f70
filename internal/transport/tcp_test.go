package transport_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire"
)

func TestListenTCPRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	if _, err := transport.ListenTCP(transport.TCPConfig{}); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("without a resolver: %v", err)
	}
	f := newOverTCP(transport.TCPConfig{})
	f.config.Listen = "127.0.0.1:-1"
	if _, err := transport.ListenTCP(f.config); !errors.Is(err, mallee.ErrUnavailable) {
		t.Errorf("at a port that is none: %v", err)
	}
}

// Whoever is no node is sent away, and the node goes on.
func TestGarbageBeforeTheHandshake(t *testing.T) {
	t.Parallel()
	f := newOverTCP(transport.TCPConfig{})
	a, b := join(t, f, 1), join(t, f, 2)
	for _, garbage := range []string{
		"GET / HTTP/1.1\r\n\r\n",
		"KOLA\xff\xff\xff\xff\x00\x00\x00\x00",
		"KOLA\x00\x00\x10\x00\x00\x00\x00\x00",             // within the bounds of frames, but not of a hello
		"KOLA\x00\x00\x00\x00\x00\x00\x00\x00",             // an empty meta
		"KOLA\x03\x00\x00\x00\x00\x00\x00\x00\x00\x01\x40", // an empty hello
		"KOLA\x04\x00\x00\x00\x00\x00\x00\x00\x03Rpc",
		"KOLA\x05\x00\x00\x00\x00\x00\x00\x00\x00\x01\x03\x00\x01", // a message
	} {
		p := dialRaw(t, b)
		p.bytes(garbage)
		p.ended()
	}
	p := dialRaw(t, b)
	p.bytes("KOLA\x03\x00")
	_ = p.Close()
	connect(t, a, b)
	if len(b.lost) > 0 {
		t.Error("a node is lost that has never been there")
	}
}

// A peer that breaks the protocol, or dies in the middle of a frame, is lost once.
func TestGarbageAfterTheHandshake(t *testing.T) {
	t.Parallel()
	f := newOverTCP(transport.TCPConfig{})
	a, b := join(t, f, 1), join(t, f, 2)
	for i, garbage := range []string{
		"GET / HTTP/1.1\r\n\r\n",
		"KOLA\x00\x00\x00\x00\x01\x00\x00\x01",
		"KOLA\x03\x00\x00\x00\x00\x00\x00\x00\x00\x02\x03",         // another version
		"KOLA\x03\x00\x00\x00\x00\x00\x00\x00\x00\x01\x40",         // a second hello
		"KOLA\x05\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00\x01", // a request without an actor
		"KOLA\x05\x00\x00\x00\x00\x00\x20\x00\x00\x01\x02",         // ends within a large frame
		"KOLA\x05\x00\x00\x00\x01\x00\x00\x00\x00\x01\x02",         // ends within a small frame
		"KO",
	} {
		node := placement.NodeID(10 + i)
		p := shake(t, b, node)
		p.bytes(garbage)
		if err := p.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		p.ended()
		if got := next(t, b.lost, "loss"); got != node {
			t.Errorf("%q: node %s is lost instead of %s", garbage, got, node)
		}
	}
	connect(t, a, b)
	if len(b.lost)+len(b.got) > 0 {
		t.Error("there is more than was sent")
	}
}

func TestPeerOfAnotherCluster(t *testing.T) {
	t.Parallel()
	log := make(logged, 100)
	f := newOverTCP(transport.TCPConfig{Cluster: "blue", Log: slog.New(log)})
	join(t, f, 2)
	f.config.Cluster, f.config.Log = "green", slog.New(slog.DiscardHandler)
	a := join(t, f, 1)
	const want = `node 1 belongs to cluster "green", and node 2 to cluster "blue"`
	if err := a.send(2, request(1, "")); !isUnreachable(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	log.expect(t, want)
}

func TestPeerOfAnotherVersion(t *testing.T) {
	t.Parallel()
	log := make(logged, 100)
	f := newOverTCP(transport.TCPConfig{Log: slog.New(log)})
	b := join(t, f, 2)
	const want = "a meta of version 2: this node speaks version 1"
	p := dialRaw(t, b)
	p.frame(helloMeta(2, "", 1, 2), "")
	if got := p.answer(); got[2] != rawRefusal || !strings.Contains(got, want) {
		t.Errorf("answer %q", got)
	}
	log.expect(t, want)

	for answer, want := range map[string]string{
		string([]byte{0, 2, rawRefusal, 0}) + rawText("upgrade me"): "upgrade me",
		string([]byte{0, 2, rawWelcome, 0}):                         want,
		string([]byte{0, 1, rawReady}):                              "answered by kind 67",
		"\x04Json":                                                  "begins with 0x4",
		"":                                                          "ends too early",
	} {
		f.set(3, serveRaw(t, func(p *rawPeer) {
			p.answer()
			p.frame(answer, "")
		}))
		if err := join(t, f, 5).send(3, request(1, "")); !isUnreachable(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// serveRaw is a listener whose connections are served by bytes until the test ends.
func serveRaw(t testing.TB, serve func(p *rawPeer)) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			wg.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(t.Context(), func() { _ = conn.Close() })()
				serve(&rawPeer{conn, t})
			})
		}
	})
	return listener.Addr().String()
}

func TestAnotherNodeAtTheAddress(t *testing.T) {
	t.Parallel()
	f := newOverTCP(transport.TCPConfig{})
	a, b := join(t, f, 1), join(t, f, 2)
	f.set(3, b.Network.(*transport.TCP).Addr())
	if err := a.send(3, request(1, "")); !isUnreachable(err) || !strings.Contains(err.Error(), "node 3 is looked for, and node 2 is here") {
		t.Errorf("got %v", err)
	}
	f.set(4, "127.0.0.1:1")
	for range 2 { // the second time within the backoff
		if err := a.send(4, request(1, "")); !isUnreachable(err) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("got %v", err)
		}
	}
}

// What waits for a peer is bounded: first requests fail, and where not even
// answers can leave the peer is lost.
func TestPeerThatNeverReads(t *testing.T) {
	t.Parallel()
	const pending = 1 << 20
	b := join(t, newOverTCP(transport.TCPConfig{Pending: pending}), 2)
	shake(t, b, 9)
	body := strings.Repeat("x", 10_000)
	flood := func(m *transport.Message) (sent int, err error) {
		for ; err == nil && sent < 64<<20; sent += len(body) {
			err = b.send(9, m)
		}
		return sent, err
	}
	if sent, err := flood(request(1, body)); !errors.Is(err, mallee.ErrOverloaded) || !mallee.SafeToRetry(err) {
		t.Errorf("requests, after %d bytes: %v", sent, err)
	}
	if len(b.lost) > 0 {
		t.Error("the peer is lost for requests that have failed")
	}
	if sent, err := flood(&transport.Message{Kind: transport.Reply, Call: 1, Body: []byte(body)}); !isUnreachable(err) {
		t.Errorf("answers, after %d bytes: %v", sent, err)
	}
	if got := next(t, b.lost, "loss"); got != 9 {
		t.Errorf("node %s is lost", got)
	}
}

// A peer that is there, but takes nothing, is lost when the time of silence
// has passed.
func TestPeerThatTalksAndNeverReads(t *testing.T) {
	t.Parallel()
	b := join(t, newOverTCP(transport.TCPConfig{Silence: 300 * time.Millisecond, Pending: 8 << 20}), 2)
	p := shake(t, b, 9)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		ping, err := wire.AppendFrame(nil, []byte{0, rawVersion, rawPing}, nil)
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for ; err == nil; <-ticker.C {
			_, err = p.Write(ping)
		}
	})
	body := strings.Repeat("x", 100_000)
	for b.send(9, request(1, body)) == nil {
		continue
	}
	if got := next(t, b.lost, "loss"); got != 9 {
		t.Errorf("node %s is lost", got)
	}
}

// A connection that is made while the node closes: what it brings is sent back
// to be done elsewhere.
func TestCloseWhileConnecting(t *testing.T) {
	t.Parallel()
	b := join(t, newOverTCP(transport.TCPConfig{}), 2)
	p := dialRaw(t, b)
	p.frame(helloMeta(rawVersion, "", 9, 2), "")
	p.answer()
	b.Close(2)
	p.frame(string([]byte{0, rawVersion, rawReady}), "")
	for call := range uint64(2) { // the first is one-way
		p.frame(string(transport.AppendMeta(nil, request(call, ""))), "")
	}
	if got := p.answer(); got != string([]byte{0, rawVersion, rawClosing}) {
		t.Errorf("%q", got)
	}
	if m, err := transport.ParseMeta([]byte(p.answer())); err != nil || m.Call != 1 || !isUnreachable(m.Error) {
		t.Errorf("%+v, %v", m, err)
	}
	p.frame(string([]byte{0, rawVersion, rawClosed}), "")
	p.frame(string(transport.AppendMeta(nil, request(2, ""))), "")
	p.ended() // since it has agreed
	next(t, b.lost, "loss")
	if len(b.got) > 0 {
		t.Error("a closed node has received a request")
	}
}

// A result that no frame can hold is an error for the caller, who would wait
// for it otherwise.
func TestBodyThatIsTooLarge(t *testing.T) {
	t.Parallel()
	f := newOverTCP(transport.TCPConfig{})
	a, b := join(t, f, 1), join(t, f, 2)
	connect(t, a, b)
	big := make([]byte, 16<<20+1)
	if err := a.send(2, request(1, string(big))); !errors.Is(err, mallee.ErrInvalid) || !mallee.SafeToRetry(err) {
		t.Errorf("arguments: %v", err)
	}
	if err := b.send(1, &transport.Message{Kind: transport.Reply, Call: 7, Body: big}); err != nil {
		t.Error(err)
	}
	if m := next(t, a.got, "answer"); m.Call != 7 || !errors.Is(m.Error, mallee.ErrInvalid) || mallee.SafeToRetry(m.Error) {
		t.Errorf("results: %+v", m)
	}
	if err := a.send(2, &transport.Message{Kind: transport.Request}); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("a request without an actor: %v", err)
	}
}

// A connection that carries nothing any more is lost to both ends, though
// neither has closed it.
func TestConnectionThatSwallows(t *testing.T) {
	t.Parallel()
	f := newOverTCP(transport.TCPConfig{Silence: 200 * time.Millisecond})
	a, b := join(t, f, 1), join(t, f, 2)
	var swallow atomic.Bool
	target := b.Network.(*transport.TCP).Addr()
	f.set(2, serveRaw(t, func(p *rawPeer) {
		onward, err := net.Dial("tcp", target)
		if err != nil {
			t.Error(err)
			return
		}
		defer onward.Close()
		var wg sync.WaitGroup
		wg.Go(func() { pass(onward, p, &swallow) })
		pass(p, onward, &swallow)
		wg.Wait()
	}))
	connect(t, a, b)
	swallow.Store(true)
	for _, r := range []*recorder{a, b} {
		next(t, r.lost, "loss")
	}
	swallow.Store(false)
	connect(t, a, b)
}

// pass copies until the reader's end, and closes nothing before.
func pass(to io.Writer, from io.Reader, swallow *atomic.Bool) {
	buf := make([]byte, 1024)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if !swallow.Load() {
			_, _ = to.Write(buf[:n])
		}
	}
}

// A silent connection is kept by its heartbeats.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	const silence = 400 * time.Millisecond
	f := newOverTCP(transport.TCPConfig{Silence: silence})
	a, b := join(t, f, 1), join(t, f, 2)
	connect(t, a, b)
	select { // nothing signals that something does not happen
	case <-a.lost:
		t.Error("lost without a reason")
	case <-time.After(3 * silence):
	}
}

// Both ends dial at once, again and again: one connection remains, and nobody
// is lost.
func TestBothDialAtOnce(t *testing.T) {
	t.Parallel()
	f := newOverTCP(transport.TCPConfig{})
	for round := range placement.NodeID(100) {
		a, b := join(t, f, 2*round+1), join(t, f, 2*round+2)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for _, ends := range [][2]*recorder{{a, b}, {b, a}} {
			wg.Go(func() {
				<-start
				for i := range uint64(3) {
					if err := ends[0].send(ends[1].id, request(i, "")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		close(start)
		wg.Wait()
		for _, r := range []*recorder{a, b} {
			for i := range uint64(3) {
				if m := next(t, r.got, "message"); m.Call != i {
					t.Errorf("call %d instead of %d", m.Call, i)
				}
			}
			if len(r.lost) > 0 {
				t.Errorf("node %s is lost", <-r.lost)
			}
		}
		a.Detach(a.id)
		b.Detach(b.id)
	}
}

// A peer that connects again has lost its connection; the node may not know yet.
func TestNewConnectionTakesThePlaceOfTheOld(t *testing.T) {
	t.Parallel()
	b := join(t, newOverTCP(transport.TCPConfig{}), 2)
	old := shake(t, b, 9)
	_ = shake(t, b, 9)
	old.ended()
	if got := next(t, b.lost, "loss"); got != 9 {
		t.Errorf("node %s is lost", got)
	}
	if err := b.send(9, request(1, "")); err != nil {
		t.Error(err)
	}
}

// A request waits for a connection no longer than its timeout, and Detach ends
// what waits.
func TestNodeThatDoesNotAnswerTheHello(t *testing.T) {
	t.Parallel()
	f := newOverTCP(transport.TCPConfig{})
	a := join(t, f, 1)
	hello := make(chan struct{}, 1)
	f.set(2, serveRaw(t, func(p *rawPeer) {
		p.answer()
		hello <- struct{}{}
		p.ended()
	}))
	short := request(1, "")
	short.Timeout = 10 * time.Millisecond
	if err := a.send(2, short); !isUnreachable(err) {
		t.Errorf("got %v", err)
	}
	next(t, hello, "hello")
	if err := a.send(2, &transport.Message{Kind: transport.Reply, Call: 1}); !isUnreachable(err) {
		t.Errorf("an answer: %v", err)
	}
	result := make(chan error, 1)
	go func() { result <- a.send(2, request(1, "")) }()
	silent := dialRaw(t, a) // says nothing
	a.Detach(1)
	if err := next(t, result, "error"); !isUnreachable(err) {
		t.Errorf("when the node detaches: %v", err)
	}
	silent.ended()
}

func TestDialTimeout(t *testing.T) {
	t.Parallel()
	f := newOverTCP(transport.TCPConfig{DialTimeout: time.Second})
	a := join(t, f, 1)
	f.set(2, serveRaw(t, func(p *rawPeer) { p.ended() }))
	if err := a.send(2, request(1, "")); !isUnreachable(err) || !strings.Contains(err.Error(), "no handshake in time") {
		t.Errorf("got %v", err)
	}
	dialRaw(t, a).ended() // nor does a node wait for ever for a hello
}
