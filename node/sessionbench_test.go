package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// parrots starts a node with a gateway that drops what it gets.
func parrots(b *testing.B) *node.Node {
	b.Helper()
	typ := mallee.NewType(mallee.Interface{Name: "Parrot"}, func(self *mallee.Self) any { return &parrot{self} })
	n, err := node.Start(b.Context(), node.Config{Types: []mallee.Type{typ}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = n.Stop(context.Background()) })
	detach, err := n.AttachGateway(ignorant{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(detach)
	return n
}

// BenchmarkAttached is what an idle actor costs that has one session.
func BenchmarkAttached(b *testing.B) {
	n := parrots(b)
	through := sessions.Through(n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	i := uint64(0)
	for b.Loop() {
		i++
		at := sessions.At(n.ID(), i)
		ref := sessions.MalleeSessionsAt(through, mallee.ID{Type: "Parrot", Key: fmt.Sprint(i)})
		if _, err := ref.Connect(b.Context(), mallee.Session{ID: at, At: at}, mallee.Arrival{}, false); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(i), "heap-B/actor")
}

// BenchmarkSession is a message of a session at the gateway of the actor's node,
// and one back.
func BenchmarkSession(b *testing.B) {
	n := parrots(b)
	at := sessions.At(n.ID(), 1)
	ref := sessions.MalleeSessionsAt(sessions.Through(n), mallee.ID{Type: "Parrot", Key: "1"})
	if _, err := ref.Connect(b.Context(), mallee.Session{ID: at, At: at}, mallee.Arrival{}, false); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 100)
	for name, m := range map[string]mallee.Message{"message": mallee.Binary(data), "message and push": {Text: true, Data: data}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := ref.Message(b.Context(), at, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTell is an order of 100 bytes for the gateway of another node, over
// loopback TCP.
func BenchmarkTell(b *testing.B) {
	c := &tcpCluster{placement: placement.Memory(time.Minute), store: storage.Memory(), networks: make(map[*node.Node]*transport.TCP)}
	n, gate := c.add(b, "n", nil), c.add(b, "gate", nil)
	got := make(chan struct{}, 1<<16)
	detach, err := gate.AttachGateway(counting{got: got})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(detach)
	sender, body, to := mallee.ID{Type: "Chat", Key: "lobby"}, make([]byte, 100), gate.ID()
	b.ReportAllocs()
	open := 0
	for b.Loop() {
		if err := n.Tell(b.Context(), to, sender, sessions.OrderPush, body); err != nil {
			b.Fatal(err)
		}
		if open++; open == 1<<10 {
			<-got
			open--
		}
	}
	for range open {
		<-got
	}
}

// counting is a gateway that says when it has got an order.
type counting struct {
	sessions.Gateway
	got chan struct{}
}

func (c counting) Order(placement.NodeID, mallee.ID, string, []byte) { c.got <- struct{}{} }

// ignorant is a gateway that drops what it gets.
type ignorant struct{ sessions.Gateway }

func (ignorant) Order(placement.NodeID, mallee.ID, string, []byte) {}

// parrot sends texts back.
type parrot struct{ self *mallee.Self }

func (*parrot) OnConnect(context.Context, mallee.Session, mallee.Arrival) error { return nil }
func (*parrot) OnDisconnect(context.Context, mallee.Session, mallee.DisconnectReason) error {
	return nil
}

func (p *parrot) OnMessage(ctx context.Context, s mallee.Session, m mallee.Message) error {
	if m.Text {
		return p.self.Send(ctx, m, s)
	}
	return nil
}
