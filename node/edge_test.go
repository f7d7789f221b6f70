package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// order is what a gateway was told.
type order struct {
	from   placement.NodeID
	sender mallee.ID
	name   string
	body   []byte
}

// edge is a gateway that keeps its orders and answers with what it was asked.
type edge struct {
	orders  chan order
	missing chan placement.NodeID
	lost    chan placement.NodeID
	renamed chan placement.NodeID
}

func newEdge() *edge {
	return &edge{make(chan order, 1000), make(chan placement.NodeID, 100), make(chan placement.NodeID, 100), make(chan placement.NodeID, 100)}
}

func (e *edge) Order(from placement.NodeID, sender mallee.ID, name string, body []byte) {
	e.orders <- order{from, sender, name, body}
}

func (e *edge) Answer(_ context.Context, from placement.NodeID, name string, body []byte) ([]byte, error) {
	if name == "fail" {
		return nil, mallee.NewError("gateway.full", "no room")
	}
	return fmt.Appendf(nil, "%s of %s: %s", name, from, body), nil
}

func (e *edge) Missing(id placement.NodeID) { e.missing <- id }
func (e *edge) Lost(id placement.NodeID)    { e.lost <- id }
func (e *edge) Renamed(id placement.NodeID) { e.renamed <- id }

// next is the next order.
func (e *edge) next(t *testing.T) order {
	t.Helper()
	select {
	case o := <-e.orders:
		return o
	case <-time.After(time.Minute):
		t.Fatal("no order has come")
		panic("unreachable")
	}
}

func attach(t *testing.T, n *node.Node) *edge {
	t.Helper()
	e := newEdge()
	detach, err := n.AttachGateway(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(detach)
	return e
}

func TestOrdersAndQuestions(t *testing.T) {
	t.Parallel()
	cluster := placement.Memory(time.Minute)
	a, b := join(t, node.Config{Name: "a", Placement: cluster}), join(t, node.Config{Name: "b", Placement: cluster})
	e := attach(t, a)
	if _, err := a.AttachGateway(newEdge()); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("a second gateway: %v", err)
	}
	sender, body := mallee.ID{Type: "T", Key: "k"}, []byte("hello")
	for _, from := range []*node.Node{a, b} {
		if err := from.Tell(t.Context(), a.ID(), sender, "greet", body); err != nil {
			t.Fatal(err)
		}
		got := e.next(t)
		if got.from != from.ID() || got.sender != sender || got.name != "greet" || string(got.body) != "hello" {
			t.Errorf("%+v", got)
		}
		if here := &got.body[0] == &body[0]; here != (from == a) {
			t.Errorf("from %s the body is the same: %v", from.Name(), here)
		}
		answer, err := from.AskGateway(t.Context(), a.ID(), "name", []byte("x"))
		if want := fmt.Sprintf("name of %s: x", from.ID()); err != nil || string(answer) != want {
			t.Errorf("%q, %v instead of %q", answer, err, want)
		}
		if _, err := from.AskGateway(t.Context(), a.ID(), "fail", nil); err == nil || mallee.AsError(err).Code != "gateway.full" || mallee.SafeToRetry(err) {
			t.Errorf("%v", err)
		}
		if _, err := from.AskGateway(t.Context(), b.ID(), "name", nil); !errors.Is(err, mallee.ErrNotFound) {
			t.Errorf("a node without a gateway: %v", err)
		}
		if _, err := from.AskGateway(t.Context(), b.ID(), sessions.AskFlush, nil); err != nil {
			t.Errorf("flush: %v", err)
		}
		relay := sessions.Relay{To: a.ID(), Order: "mark", Body: []byte("behind")}
		if _, err := from.AskGateway(t.Context(), b.ID(), sessions.AskRelay, relay.Append(nil)); err != nil {
			t.Errorf("relay: %v", err)
		}
		if got := e.next(t); got.from != b.ID() || got.name != "mark" || string(got.body) != "behind" {
			t.Errorf("%+v", got)
		}
	}
	err := b.Tell(t.Context(), 99, sender, "greet", nil)
	for err == nil { // until it is known that there is no such member
		err = b.Tell(t.Context(), 99, sender, "greet", nil)
	}
	if !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
		t.Errorf("to nobody: %v", err)
	}
}

// speaker tells a listener elsewhere what its sessions say.
type speaker struct {
	self *mallee.Self
	to   *mallee.Group
}

func (*speaker) OnConnect(context.Context, mallee.Session, mallee.Arrival) error { return nil }
func (*speaker) OnDisconnect(context.Context, mallee.Session, mallee.DisconnectReason) error {
	return nil
}

func (s *speaker) OnMessage(ctx context.Context, _ mallee.Session, m mallee.Message) error {
	if m.Text {
		return s.to.Send(ctx, m)
	}
	var at uint64
	if _, err := fmt.Sscan(string(m.Data), &at); err != nil {
		return err
	}
	s.to.Join(mallee.Session{ID: at, At: at})
	return nil
}

func speakers() []mallee.Type {
	return []mallee.Type{mallee.NewType(mallee.Interface{Name: "Speaker"}, func(self *mallee.Self) any {
		return &speaker{self, mallee.NewGroup(self)}
	})}
}

// client is a session that is announced wherever its actor is.
type client struct {
	ref sessions.MalleeSessionsRef
	is  mallee.Session
}

func newClient(through *node.Node, n uint64) client {
	at := sessions.At(through.ID(), n)
	return client{sessions.MalleeSessionsAt(sessions.Through(through), mallee.ID{Type: "Speaker", Key: "1"}), mallee.Session{ID: at, At: at, User: "ann"}}
}

func (c client) send(t *testing.T, listener uint64, text string) {
	t.Helper()
	for _, m := range []mallee.Message{mallee.Binary(fmt.Append(nil, listener)), mallee.Text(text)} {
		err := c.ref.Message(t.Context(), c.is.ID, m)
		if errors.Is(err, sessions.ErrDetached) {
			if _, err = c.ref.Connect(t.Context(), c.is, mallee.Arrival{}, false); err == nil {
				err = c.ref.Message(t.Context(), c.is.ID, m)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// slowLink is a network on which what one node sends to another takes a while.
type slowLink struct {
	*transport.Memory
	from, to placement.NodeID
	links    sync.WaitGroup
	queue    chan *transport.Message
}

func (s *slowLink) Send(from, to placement.NodeID, m *transport.Message) error {
	if from != s.from || to != s.to {
		return s.Memory.Send(from, to, m)
	}
	own := *m
	own.Body = slices.Clone(m.Body)
	s.queue <- &own
	return nil
}

func (s *slowLink) carry() {
	for m := range s.queue {
		time.Sleep(20 * time.Millisecond)
		_ = s.Memory.Send(s.from, s.to, m)
	}
}

// What an actor sends to a session from one node comes before what it sends
// from the next, even if the way from there is shorter, and although nothing
// else connects the two.
func TestOrdersOfAnActorThatMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster, store := placement.Memory(time.Minute), storage.Memory()
		network := &slowLink{Memory: transport.NewMemory(), queue: make(chan *transport.Message, 1000)}
		start := func(name string, types []mallee.Type) *node.Node {
			n, err := node.Start(t.Context(), node.Config{Name: name, Types: types, Placement: cluster, Store: store, Network: network, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { stop(t, n) })
			return n
		}
		t.Cleanup(func() { close(network.queue); network.links.Wait() })
		old, gate := start("old", speakers()), start("gate", nil)
		network.from, network.to = old.ID(), gate.ID()
		network.links.Go(network.carry)
		e := attach(t, gate)
		listener := sessions.At(gate.ID(), 7)
		c := newClient(start("another", nil), 1)
		for i := range 10 {
			c.send(t, listener, fmt.Sprint(i))
		}
		young := start("new", speakers())
		if err := old.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			c.send(t, listener, fmt.Sprint(10+i))
		}
		for i := range 20 {
			var p sessions.Push
			o := e.next(t)
			if err := p.Parse(o.body); err != nil || string(p.Message.Data) != fmt.Sprint(i) {
				t.Fatalf("%q, %v instead of %d", p.Message.Data, err, i)
			}
			if from := map[bool]*node.Node{true: old, false: young}[i < 10]; o.from != from.ID() {
				t.Errorf("%d comes from node %s", i, o.from)
			}
		}
	})
}

// A group forgets the sessions of a gateway that is not there, and of a node
// that is no member, as soon as somebody finds that out.
func TestGroupsForgetWhatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster, store, network := placement.Memory(time.Minute), storage.Memory(), transport.NewMemory()
		start := func(name string, types []mallee.Type) *node.Node {
			n, err := node.Start(t.Context(), node.Config{Name: name, Types: types, Placement: cluster, Store: store, Network: network, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { stop(t, n) })
			return n
		}
		start("host", speakers())
		bare, left := start("bare", nil), start("left", nil)
		stop(t, left)
		c := newClient(start("gate", nil), 1)
		if _, err := c.ref.Connect(t.Context(), c.is, mallee.Arrival{}, false); err != nil {
			t.Fatal(err)
		}
		say := func(m mallee.Message) error { return c.ref.Message(t.Context(), c.is.ID, m) }
		for _, n := range []*node.Node{bare, left} {
			if err := say(mallee.Binary(fmt.Append(nil, sessions.At(n.ID(), 1)))); err != nil {
				t.Fatal(err)
			}
		}
		// What is for the one that has left waits, unless that is known already.
		if err := say(mallee.Text("hello")); err != nil && !errors.Is(err, mallee.ErrUnavailable) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		e := attach(t, bare)
		if err := say(mallee.Text("hello")); err != nil || len(e.orders) > 0 {
			t.Errorf("%v, %d orders", err, len(e.orders))
		}
	})
}

// Gateways hear of members that are gone, and of their own node's new name.
func TestGatewaysHearOfNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 2)
		e, before := attach(t, c.Node(0)), c.Node(0).ID()
		other := c.Node(1).ID()
		c.Kill(1)
		if lost := <-e.lost; lost != other {
			t.Errorf("node %s is lost", lost)
		}
		c.Isolate(0)
		time.Sleep(2 * malleetest.LeaseTTL)
		if err := c.Node(0).Tell(t.Context(), c.Node(0).ID(), mallee.ID{}, "late", nil); !errors.Is(err, mallee.ErrFenced) {
			t.Errorf("an order without a lease: %v", err)
		}
		if _, err := c.Node(0).AskGateway(t.Context(), c.Node(0).ID(), "late", nil); !errors.Is(err, mallee.ErrFenced) {
			t.Errorf("a question without a lease: %v", err)
		}
		c.Heal()
		if id := <-e.renamed; id == before || id != c.Node(0).ID() {
			t.Errorf("renamed from %s to %s", before, id)
		}
	})
}
