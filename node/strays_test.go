package node_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// slow is a placement driver that takes its time.
type slow struct {
	placement.Driver
	takes time.Duration
}

func (s slow) Locate(ctx context.Context, from placement.NodeID, id mallee.ID) (placement.Grant, error) {
	time.Sleep(s.takes)
	return s.Driver.Locate(ctx, from, id)
}

// tallied counts its calls.
type tallied struct{ calls *atomic.Int64 }

func (c tallied) Echo(context.Context, string) (string, error) {
	c.calls.Add(1)
	return "", nil
}

// A call whose caller has stopped waiting before it is known where the actor
// lives does not run.
func TestStraysKeepTheirDeadline(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]int64{time.Second: 0, 3 * time.Second: 1} {
		t.Run(timeout.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const other placement.NodeID = 99
				var calls atomic.Int64
				echo := mallee.Interface{Name: "Echo", Methods: []mallee.Method{{Name: "Echo", New: func() mallee.Call { return &echoCall{} }}}}
				typ := mallee.NewType(echo, func(*mallee.Self) any { return tallied{&calls} })
				network := transport.NewMemory()
				n := join(t, node.Config{Types: []mallee.Type{typ}, Placement: slow{placement.Memory(time.Minute), 2 * time.Second}, Network: network, Store: storage.Memory()})
				network.Attach(other, peer{})
				request := &transport.Message{Kind: transport.Request, Call: 1, Actor: mallee.ID{Type: "Echo", Key: "a"}, Interface: "Echo", Method: "Echo", Timeout: timeout}
				if err := network.Send(other, n.ID(), request); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Second)
				if got := calls.Load(); got != want {
					t.Errorf("the call ran %d times, want %d", got, want)
				}
			})
		})
	}
}

// elsewhere is a placement driver of which the actors live on another node.
type elsewhere struct {
	placement.Driver
	owner placement.NodeID
}

func (e elsewhere) Locate(context.Context, placement.NodeID, mallee.ID) (placement.Grant, error) {
	return placement.Grant{Node: e.owner, Epoch: 5}, nil
}

// owner is a node that keeps what it is asked for and answers it.
type owner struct {
	network *transport.Memory
	id      placement.NodeID
	asked   chan transport.Message
}

func (o owner) Receive(from placement.NodeID, m *transport.Message) {
	if m.Actor.Type != "MalleeReminders" { // the node's own
		o.asked <- *m
	}
	if m.Call != 0 {
		_ = o.network.Send(o.id, from, &transport.Message{Kind: transport.Reply, Call: m.Call})
	}
}

func (owner) Lost(placement.NodeID) {}

// A one-way call that came behind an Activate is passed on, and the node that
// has the actor is asked whether that actor has it.
func TestPassedOnBehindAnActivate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const caller, host placement.NodeID = 99, 98
		network := transport.NewMemory()
		o := owner{network, host, make(chan transport.Message, 8)}
		network.Attach(caller, peer{})
		network.Attach(host, o)
		typ := mallee.NewType(mallee.Interface{Name: "Echo", Methods: []mallee.Method{{Name: "Echo", New: func() mallee.Call { return &echoCall{} }}}},
			func(*mallee.Self) any { return &echo{} })
		n := join(t, node.Config{
			Types: []mallee.Type{typ}, Network: network, Store: storage.Memory(),
			Placement: slow{elsewhere{placement.Memory(time.Minute), host}, time.Second},
		})
		id := mallee.ID{Type: "Echo", Key: "a"}
		for _, m := range []*transport.Message{
			{Kind: transport.Activate, Call: 1, Actor: id, Timeout: time.Minute}, // the others wait together until it is answered
			{Kind: transport.Activate, Call: 2, Actor: id, Timeout: time.Minute},
			{Kind: transport.Request, Actor: id, Interface: "Echo", Method: "Echo", Timeout: time.Minute},
		} {
			if err := network.Send(caller, n.ID(), m); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(5 * time.Second)
		for _, kind := range []transport.Kind{transport.Request, transport.Activate} {
			if m := <-o.asked; m.Kind != kind || m.Actor != id {
				t.Errorf("kind %d for %s came, want %d for %s", m.Kind, m.Actor, kind, id)
			}
		}
	})
}
