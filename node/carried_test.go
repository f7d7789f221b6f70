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

// traveller is an actor that notes what it has brought.
type traveller struct {
	echo
	brought *atomic.Int64
}

func (*traveller) SaveForMove(context.Context) ([]byte, error) { return nil, nil }

func (t *traveller) RestoreAfterMove(context.Context, []byte) error {
	t.brought.Add(1)
	return nil
}

// scripted is a placement driver that says where an actor lives as it is told.
type scripted struct {
	placement.Driver
	grant atomic.Pointer[placement.Grant] // Node 0: who asks
	lost  atomic.Bool                     // the next renewal is refused
}

func (s *scripted) Locate(_ context.Context, from placement.NodeID, _ mallee.ID) (placement.Grant, error) {
	g := *s.grant.Load()
	if g.Node == 0 {
		g.Node = from
	}
	return g, nil
}

func (s *scripted) Release(context.Context, mallee.ID, placement.Grant, placement.NodeID) error {
	return nil
}

func (s *scripted) Renew(ctx context.Context, id placement.NodeID, status placement.Status) error {
	if s.lost.CompareAndSwap(true, false) {
		return mallee.ErrFenced.Errorf("the lease has ended")
	}
	return s.Driver.Renew(ctx, id, status)
}

// peer is another node, which answers nothing.
type peer struct{}

func (peer) Receive(placement.NodeID, *transport.Message) {}
func (peer) Lost(placement.NodeID)                        {}

// What an actor has brought is for the very next activation: a later one must
// not go back to it.
func TestWhatAnActorHasBroughtIsOfThePastOnceItHasLivedElsewhere(t *testing.T) {
	t.Parallel()
	const other placement.NodeID = 99
	for name, c := range map[string]struct {
		meanwhile func(*testing.T, *scripted, func() error)
		restored  int64
	}{
		"at once": {func(*testing.T, *scripted, func() error) {}, 1},
		"lived elsewhere": {func(t *testing.T, s *scripted, call func() error) {
			s.grant.Store(&placement.Grant{Node: other, Epoch: 6})
			if err := call(); err == nil {
				t.Error("the other node has answered")
			}
		}, 0},
		"lease lost": {func(_ *testing.T, s *scripted, _ func() error) {
			s.lost.Store(true)
			time.Sleep(5 * time.Second)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var brought atomic.Int64
				typ := mallee.NewType(mallee.Interface{Name: "Echo"}, func(*mallee.Self) any { return &traveller{brought: &brought} })
				s, network := &scripted{Driver: placement.Memory(6 * time.Second)}, transport.NewMemory()
				n := join(t, node.Config{Types: []mallee.Type{typ}, Placement: s, Network: network, Store: storage.Memory()})
				id := mallee.ID{Type: "Echo", Key: "a"}
				call := func() error {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					return n.Invoke(ctx, id, &echoCall{})
				}
				network.Attach(other, peer{})
				handoff := &transport.Message{Kind: transport.Handoff, Call: 1, Actor: id, Owner: placement.Grant{Node: other, Epoch: 5}, Body: []byte("luggage")}
				if err := network.Send(other, n.ID(), handoff); err != nil {
					t.Fatal(err)
				}
				c.meanwhile(t, s, call)
				network.Detach(other)
				s.grant.Store(&placement.Grant{Epoch: 7})
				time.Sleep(time.Second)
				if err := call(); err != nil {
					t.Fatal(err)
				}
				if got := brought.Load(); got != c.restored {
					t.Errorf("restored %d times, want %d", got, c.restored)
				}
			})
		})
	}
}
