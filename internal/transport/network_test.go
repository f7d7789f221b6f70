package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// recorder is a node that keeps what it gets.
type recorder struct {
	transport.Network
	t       testing.TB
	id      placement.NodeID
	got     chan received
	lost    chan placement.NodeID
	receive func(from placement.NodeID, m *transport.Message) // instead of got
}

type received struct {
	from placement.NodeID
	*transport.Message
}

func (r *recorder) Receive(from placement.NodeID, m *transport.Message) {
	if r.receive != nil {
		r.receive(from, m)
		return
	}
	r.got <- received{from, m}
}

func (r *recorder) Lost(node placement.NodeID) { r.lost <- node }

func (r *recorder) send(to placement.NodeID, m *transport.Message) error { return r.Send(r.id, to, m) }

func next[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s has come", what)
		panic("unreachable")
	}
}

func request(call uint64, body string) *transport.Message {
	return &transport.Message{
		Kind: transport.Request, Call: call, Actor: mallee.ID{Type: "T", Key: "k"}, Interface: "T", Method: "M",
		Timeout: patience, Body: []byte(body),
	}
}

// fabric gives each node of a test its end of a network.
type fabric interface {
	network(t testing.TB, node placement.NodeID) transport.Network
}

type inMemory struct{ *transport.Memory }

func (f inMemory) network(testing.TB, placement.NodeID) transport.Network { return f.Memory }

// overTCP is a fabric over loopback.
type overTCP struct {
	config transport.TCPConfig
	mu     sync.Mutex
	addrs  map[placement.NodeID]string
}

func newOverTCP(config transport.TCPConfig) *overTCP {
	f := &overTCP{config: config, addrs: make(map[placement.NodeID]string)}
	f.config.Resolve = func(_ context.Context, node placement.NodeID) (string, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if addr, ok := f.addrs[node]; ok {
			return addr, nil
		}
		return "", mallee.ErrUnavailable.Errorf("node %s is not known", node)
	}
	if f.config.Log == nil {
		f.config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return f
}

func (f *overTCP) set(node placement.NodeID, addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addrs[node] = addr
}

func (f *overTCP) network(t testing.TB, node placement.NodeID) transport.Network {
	t.Helper()
	n, err := transport.ListenTCP(f.config)
	if err != nil {
		t.Fatal(err)
	}
	f.set(node, n.Addr())
	return n
}

// join adds a node that is detached at the end of the test.
func join(t testing.TB, f fabric, id placement.NodeID) *recorder {
	t.Helper()
	return joinWith(t, f, id, 1<<16)
}

// joinWith bounds what may wait in got.
func joinWith(t testing.TB, f fabric, id placement.NodeID, room int) *recorder {
	t.Helper()
	r := &recorder{t: t, id: id, got: make(chan received, room), lost: make(chan placement.NodeID, 16)}
	r.Network = f.network(t, id)
	r.Attach(id, r)
	t.Cleanup(func() { r.Detach(id) })
	return r
}

// connect makes sure that two nodes know each other.
func connect(t testing.TB, a, b *recorder) {
	t.Helper()
	if err := a.send(b.id, request(0, "connect")); err != nil {
		t.Fatal(err)
	}
	next(t, b.got, "message")
}

// onAll runs a test on all networks.
func onAll(t *testing.T, test func(t *testing.T, f fabric)) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, inMemory{transport.NewMemory()})
	})
	t.Run("tcp", func(t *testing.T) {
		t.Parallel()
		test(t, newOverTCP(transport.TCPConfig{}))
	})
	t.Run("tls", func(t *testing.T) {
		t.Parallel()
		test(t, newOverTCP(transport.TCPConfig{TLS: selfSigned(t)}))
	})
}

func isUnreachable(err error) bool {
	return errors.Is(err, mallee.ErrUnavailable) && mallee.SafeToRetry(err)
}

func TestMessagesKeepTheirOrder(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b := join(t, f, 1), join(t, f, 2)
		const n = 5000
		var wg sync.WaitGroup
		for _, ends := range [][2]*recorder{{a, b}, {b, a}} { // who dials first does not matter
			wg.Go(func() {
				for i := range uint64(n) {
					if err := ends[0].send(ends[1].id, request(i, "x")); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		for _, r := range []*recorder{a, b} {
			for i := range uint64(n) {
				if m := next(t, r.got, "message"); m.Call != i {
					t.Fatalf("call %d instead of %d", m.Call, i)
				}
			}
		}
	})
}

func TestConcurrentSenders(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b := join(t, f, 1), join(t, f, 2)
		b.receive = func(from placement.NodeID, m *transport.Message) {
			if err := b.send(from, &transport.Message{Kind: transport.Reply, Call: m.Call, Body: m.Body}); err != nil {
				t.Error(err)
			}
		}
		const senders, each = 16, 500
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for i := range each {
					call := uint64(s*each + i)
					if err := a.send(2, request(call, fmt.Sprint(call))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		last := make(map[uint64]uint64)
		for range senders * each {
			m := next(t, a.got, "reply")
			if string(m.Body) != fmt.Sprint(m.Call) || m.from != 2 || m.Kind != transport.Reply {
				t.Fatalf("%+v", m)
			}
			if s := m.Call / each; last[s] > m.Call {
				t.Errorf("%d after %d", m.Call, last[s])
			} else {
				last[s] = m.Call
			}
		}
	})
}

func TestBodiesOfAllSizes(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b := join(t, f, 1), join(t, f, 2)
		sizes := []int{0, 1, 47, 48, 49, 1000, 64<<10 - 50, 64 << 10, 64<<10 + 1, 1 << 20, 16 << 20}
		for i, size := range sizes {
			body := bytes.Repeat([]byte{byte(i + 1)}, size)
			if err := a.send(2, request(uint64(i), string(body))); err != nil {
				t.Fatal(err)
			}
			if m := next(t, b.got, "message"); !bytes.Equal(m.Body, body) {
				t.Errorf("a body of %d bytes arrived as %d", size, len(m.Body))
			}
		}
	})
}

func TestUnreachable(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b := join(t, f, 1), join(t, f, 2)
		if err := a.send(3, request(1, "")); !isUnreachable(err) {
			t.Errorf("a node that is not known: %v", err)
		}
		if err := b.Send(9, 1, request(1, "")); !isUnreachable(err) {
			t.Errorf("from a node that is not attached: %v", err)
		}
		connect(t, a, b)
		a.Detach(1)
		if err := a.send(2, request(1, "")); !isUnreachable(err) {
			t.Errorf("after Detach: %v", err)
		}
	})
}

func TestDetachIsALossToTheOthers(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b, c := join(t, f, 1), join(t, f, 2), join(t, f, 3)
		connect(t, a, b)
		connect(t, c, b)
		b.Detach(2)
		b.Detach(2)
		for _, r := range []*recorder{a, c} {
			if node := next(t, r.lost, "loss"); node != 2 {
				t.Errorf("node %s is lost instead of 2", node)
			}
			if err := r.send(2, request(1, "")); !isUnreachable(err) {
				t.Errorf("to it: %v", err)
			}
			if len(r.lost) > 0 {
				t.Error("it is lost twice")
			}
		}
		connect(t, a, c)
	})
}

// A node that has closed gets no more requests, and answers what it has.
func TestCloseKeepsAnswers(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b := join(t, f, 1), join(t, f, 2)
		connect(t, a, b)
		var wg sync.WaitGroup
		sent := make(chan uint64, 1)
		const atLeast, atMost = 100, 20_000 // what waits in got is bounded
		begun, closed := make(chan struct{}), make(chan struct{})
		wg.Go(func() {
			for i := uint64(1); ; i++ {
				err := a.send(2, request(i, ""))
				if err != nil {
					if !isUnreachable(err) {
						t.Errorf("to a closed node: %v", err)
					}
					sent <- i - 1
					return
				}
				switch i {
				case atLeast:
					close(begun)
				case atMost:
					<-closed
				}
			}
		})
		next(t, begun, "request")
		b.Close(2)
		close(closed)
		n := next(t, sent, "error")
		wg.Wait()
		if got := uint64(len(b.got)); got != n {
			t.Errorf("%d requests were sent, and Close left %d received", n, got)
		}
		big := make([]byte, 500)
		for range n {
			m := <-b.got
			if err := b.send(1, &transport.Message{Kind: transport.Reply, Call: m.Call, Body: big}); err != nil {
				t.Fatal(err)
			}
		}
		b.Detach(2)
		for i := range n {
			if m := next(t, a.got, "answer"); m.Call != i+1 || len(m.Body) != len(big) {
				t.Fatalf("answer %d instead of %d", m.Call, i+1)
			}
		}
		if node := next(t, a.lost, "loss"); node != 2 {
			t.Errorf("node %s is lost", node)
		}
	})
}

// A closed node can be reached by nobody new, and may still call.
func TestCloseBeforeConnecting(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b, c := join(t, f, 1), join(t, f, 2), join(t, f, 3)
		b.Close(2)
		if err := a.send(2, request(1, "")); !isUnreachable(err) {
			t.Errorf("to it: %v", err)
		}
		connect(t, b, c)
		if err := c.send(2, request(1, "")); !isUnreachable(err) {
			t.Errorf("back to it: %v", err)
		}
		if err := c.send(2, &transport.Message{Kind: transport.Reply, Call: 1}); err != nil {
			t.Errorf("an answer: %v", err)
		}
		next(t, b.got, "answer")
	})
}

// A node that has lost its lease comes back under another ID.
func TestAttachAnew(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b := join(t, f, 1), join(t, f, 2)
		connect(t, a, b)
		b.Detach(2)
		next(t, a.lost, "loss")
		b.id = 4
		if tcp, ok := b.Network.(*transport.TCP); ok {
			f.(*overTCP).set(4, tcp.Addr())
		}
		b.Attach(4, b)
		defer b.Detach(4)
		connect(t, b, a)
		connect(t, a, b)
	})
}

// An Edge finds its way like a Request, with or without an actor that sends it.
func TestEdge(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b := join(t, f, 1), join(t, f, 2)
		order := transport.Message{Kind: transport.Edge, Actor: mallee.ID{Type: "T", Key: "k"}, Method: "push", Timeout: patience, Body: []byte("hello")}
		question := transport.Message{Kind: transport.Edge, Call: 7, Method: "take", Timeout: patience}
		for _, m := range []*transport.Message{&order, &question} {
			if err := a.send(2, m); err != nil {
				t.Fatal(err)
			}
			got := next(t, b.got, "message")
			if got.Kind != transport.Edge || got.Actor != m.Actor || got.Method != m.Method || got.Call != m.Call || string(got.Body) != string(m.Body) {
				t.Errorf("%+v arrived as %+v", m, got.Message)
			}
		}
		if err := b.send(1, &transport.Message{Kind: transport.Reply, Call: 7}); err != nil {
			t.Fatal(err)
		}
		next(t, a.got, "answer")
		b.Close(2)
		if err := a.send(2, &order); !isUnreachable(err) {
			t.Errorf("to a closed node: %v", err)
		}
	})
}

// Orders and what is said of them take the connection that is there, and go to a
// node that is closed, too.
func TestOrders(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b := join(t, f, 1), join(t, f, 2)
		order := transport.Message{Kind: transport.Order, Call: 1, Actor: mallee.ID{Type: "T", Key: "k"}, Method: "push", Body: []byte("hello")}
		if _, tcp := f.(*overTCP); tcp {
			if err := a.send(2, &order); !isUnreachable(err) {
				t.Errorf("without a connection: %v", err)
			}
		}
		connect(t, a, b)
		b.Close(2)
		for _, m := range []*transport.Message{&order, {Kind: transport.Order, Call: 2, Method: "gap"}, {Kind: transport.Ack, Call: 3}} {
			if err := a.send(2, m); err != nil {
				t.Fatal(err)
			}
			got := next(t, b.got, "message")
			if got.Kind != m.Kind || got.Actor != m.Actor || got.Method != m.Method || got.Call != m.Call || string(got.Body) != string(m.Body) {
				t.Errorf("%+v arrived as %+v", m, got.Message)
			}
		}
		order.Actor.Type = ""
		if _, tcp := f.(*overTCP); tcp {
			if err := a.send(2, &order); err == nil || isUnreachable(err) {
				t.Errorf("an order of nobody: %v", err)
			}
		}
	})
}

// Gossip needs no connection: it is lost without one, and makes one for the next.
// It goes to a node that is closed, too, and may fill a frame.
func TestGossip(t *testing.T) {
	onAll(t, func(t *testing.T, f fabric) {
		a, b := join(t, f, 1), join(t, f, 2)
		m := transport.Message{Kind: transport.Gossip, Body: bytes.Repeat([]byte("g"), wire.MaxFrameBody)}
		_, tcp := f.(*overTCP)
		err := a.send(2, &m)
		if tcp && !isUnreachable(err) {
			t.Errorf("without a connection: %v", err)
		}
		for end := time.Now().Add(patience); err != nil; runtime.Gosched() { // nothing says when there is a connection
			if err = a.send(2, &m); err != nil && time.Now().After(end) {
				t.Fatal(err)
			}
		}
		b.Close(2)
		if err := a.send(2, &transport.Message{Kind: transport.Gossip, Body: []byte("more")}); err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{len(m.Body), 4} {
			if got := next(t, b.got, "message"); got.Kind != transport.Gossip || got.from != 1 || len(got.Body) != size {
				t.Errorf("from %s came kind %d with %d bytes, want %d", got.from, got.Kind, len(got.Body), size)
			}
		}
		m.Body = append(m.Body, 'g')
		if err := a.send(2, &m); tcp && !errors.Is(err, mallee.ErrInvalid) {
			t.Errorf("more than a frame takes: %v", err)
		}
	})
}
