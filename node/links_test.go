package node_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
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

// cable is a way to a node over TCP that can be cut. What is in its buffers is
// lost then.
type cable struct {
	net.Listener
	to string

	mu    sync.Mutex
	conns []*net.TCPConn
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{Listener: l, to: to}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		c.cut()
		running.Wait()
	})
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", c.to)
			if err != nil {
				_ = near.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, near.(*net.TCPConn), far.(*net.TCPConn))
			c.mu.Unlock()
			running.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
			running.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
		}
	})
	return c
}

// cut resets all connections.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
	c.conns = nil
}

// sequence is a gateway that wants numbers in their order.
type sequence struct {
	sessions.Gateway
	t    *testing.T
	last uint64
	got  func(n uint64)
}

func (s *sequence) Order(_ placement.NodeID, _ mallee.ID, _ string, body []byte) {
	if n := binary.BigEndian.Uint64(body); n != s.last+1 {
		s.t.Errorf("%d comes behind %d", n, s.last)
	}
	s.last++
	s.got(s.last)
}

func (s *sequence) Missing(from placement.NodeID) { s.t.Errorf("orders of node %s are missing", from) }
func (*sequence) Lost(placement.NodeID)           {}
func (*sequence) Renamed(placement.NodeID)        {}

// Nothing is lost, repeated or overtaken when connections of nodes break that
// live, whoever has dialed them.
func TestOrdersOverConnectionsThatBreak(t *testing.T) {
	t.Parallel()
	const many, each = 30_000, 3000 // a cut for each so many
	c := &tcpCluster{placement: placement.Memory(time.Minute), store: storage.Memory(), networks: make(map[*node.Node]*transport.TCP)}
	a, b := c.add(t, "a", nil), c.add(t, "b", nil)
	c.cables = map[placement.NodeID]*cable{a.ID(): newCable(t, c.networks[a].Addr()), b.ID(): newCable(t, c.networks[b].Addr())}
	cut := func() {
		for _, cable := range c.cables {
			cable.cut()
		}
	}
	var streams sync.WaitGroup
	for from, to := range map[*node.Node]*node.Node{a: b, b: a} {
		done := make(chan struct{})
		cuts := make(chan struct{}, many/each+1)
		s := &sequence{t: t, got: func(n uint64) {
			if n%each == 0 {
				cuts <- struct{}{} // an order must not wait for what it causes
			}
			if n == many {
				close(done)
			}
		}}
		detach, err := to.AttachGateway(s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(detach)
		streams.Go(func() {
			for n := range uint64(many) {
				if err := from.Tell(t.Context(), to.ID(), mallee.ID{}, "count", binary.BigEndian.AppendUint64(nil, n+1)); err != nil {
					t.Errorf("%d: %v", n+1, err)
					return
				}
			}
		})
		streams.Go(func() {
			for {
				select {
				case <-cuts:
					cut()
				case <-done:
					return
				case <-time.After(3 * time.Minute):
					t.Error("not all has come")
					return
				}
			}
		})
	}
	streams.Wait()
}

// linked starts two nodes on a network that can be cut, and a gateway at the
// second one.
func linked(t *testing.T) (network *transport.Memory, n, gate *node.Node, e *edge) {
	t.Helper()
	cluster, store, network := placement.Memory(time.Minute), storage.Memory(), transport.NewMemory()
	start := func(name string) *node.Node {
		n, err := node.Start(t.Context(), node.Config{Name: name, Placement: cluster, Store: store, Network: network, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(t, n) })
		return n
	}
	n, gate = start("n"), start("gate")
	return network, n, gate, attach(t, gate)
}

// hears wants the orders with these bodies, and nothing more.
func (e *edge) hears(t *testing.T, bodies ...string) {
	t.Helper()
	for _, want := range bodies {
		if got := e.next(t); string(got.body) != want {
			t.Errorf("%.20q instead of %.20q", got.body, want)
		}
	}
	synctest.Wait()
	if len(e.orders) > 0 {
		t.Errorf("%d orders more", len(e.orders))
	}
}

func TestOrdersAcrossAPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network, n, gate, e := linked(t)
		say := func(what string) error { return n.Tell(t.Context(), gate.ID(), mallee.ID{}, "say", []byte(what)) }
		said := func(what ...string) {
			for _, w := range what {
				if err := say(w); err != nil {
					t.Errorf("%s: %v", w, err)
				}
			}
		}
		said("1", "2")
		e.hears(t, "1", "2")

		// For a while nothing is lost.
		network.Cut(n.ID(), gate.ID())
		said("3", "4")
		time.Sleep(20 * time.Second)
		said("5")
		e.hears(t)
		network.Heal()
		e.hears(t, "3", "4", "5")
		said("6")
		e.hears(t, "6")

		// Then the sender gives up, says so, and the gateway hears of it.
		network.Cut(n.ID(), gate.ID())
		said("7")
		time.Sleep(40 * time.Second)
		for range 3 {
			if err := say("8"); !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
				t.Errorf("after a long time: %v", err)
			}
		}
		if len(e.missing) > 0 {
			t.Error("what is missing is told across the partition")
		}
		network.Heal()
		if from := <-e.missing; from != n.ID() {
			t.Errorf("orders of node %s are missing", from)
		}
		e.hears(t)
		said("9")
		e.hears(t, "9")
		if len(e.missing) > 0 {
			t.Error("it is told twice")
		}
	})
}

func TestOrdersThatAreTooMuch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network, n, gate, e := linked(t)
		network.Cut(n.ID(), gate.ID())
		large, kept := make([]byte, 1<<20), 0
		var err error
		for err == nil {
			if err = n.Tell(t.Context(), gate.ID(), mallee.ID{}, "say", large); err == nil {
				kept++
			}
		}
		if !errors.Is(err, mallee.ErrOverloaded) || kept*len(large) < transport.DefaultPending/2 {
			t.Errorf("after %d orders: %v", kept, err)
		}
		network.Heal()
		for range kept {
			e.next(t)
		}
		<-e.missing
		if err := n.Tell(t.Context(), gate.ID(), mallee.ID{}, "say", []byte("again")); err != nil {
			t.Error(err)
		}
		e.hears(t, "again")
	})
}

// A node that has lost its lease begins anew: nothing of its former life comes.
func TestOrdersOfAnotherLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 2)
		n, gate := c.Node(0), c.Node(1)
		e, before := attach(t, gate), n.ID()
		say := func(what string) error { return n.Tell(t.Context(), gate.ID(), mallee.ID{}, "say", []byte(what)) }
		if err := say("1"); err != nil {
			t.Fatal(err)
		}
		c.Isolate(0)
		if err := say("2"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * malleetest.LeaseTTL)
		if err := say("3"); !errors.Is(err, mallee.ErrFenced) {
			t.Errorf("without a lease: %v", err)
		}
		c.Heal()
		for n.ID() == before {
			time.Sleep(time.Second)
		}
		for _, what := range []string{"4", "5", "6"} {
			if err := say(what); err != nil {
				t.Error(err)
			}
		}
		e.hears(t, "1", "4", "5", "6")
		if len(e.missing) > 0 {
			t.Error("the end of a node is a gap")
		}
	})
}

// A marker for a gateway is behind what waits there.
func TestMarkersWaitForLinks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network, n, gate, e := linked(t)
		network.Cut(n.ID(), gate.ID())
		if err := n.Tell(t.Context(), gate.ID(), mallee.ID{}, "say", []byte("1")); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(300*time.Millisecond, network.Heal)
		marker := sessions.Marker{Origin: n.ID(), Moved: []sessions.Relocation{{From: sessions.At(gate.ID(), 1), To: sessions.At(n.ID(), 1)}}}
		if _, err := n.AskGateway(context.Background(), n.ID(), sessions.AskFlushMoved, marker.Append(nil)); err != nil {
			t.Error(err)
		}
		e.hears(t, "1", string(marker.Append(nil)))
	})
}
