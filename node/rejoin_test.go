package node_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// slowToJoin loses its member's first lease, and answers its second Join only
// when it is told to.
type slowToJoin struct {
	placement.Driver
	joins   int
	joining chan struct{} // closed when the second Join has begun
	answer  chan struct{} // closed when it is to be answered
	left    chan placement.NodeID
}

func (s *slowToJoin) Join(ctx context.Context, m placement.Member, c placement.Control) (placement.Lease, error) {
	l, err := s.Driver.Join(ctx, m, c)
	if s.joins++; s.joins == 2 {
		close(s.joining)
		<-s.answer
	}
	return l, err
}

func (s *slowToJoin) Renew(context.Context, placement.NodeID, placement.Status) error {
	return mallee.ErrFenced
}

func (s *slowToJoin) Leave(ctx context.Context, id placement.NodeID) error {
	s.left <- id
	return s.Driver.Leave(ctx, id)
}

// A node that is stopped while it joins anew is no member afterwards.
func TestStopWhileJoiningAnew(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *node.Node){
		"stop":  stop,
		"abort": func(_ *testing.T, n *node.Node) { n.Abort() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &slowToJoin{Driver: placement.Memory(5 * time.Second), joining: make(chan struct{}), answer: make(chan struct{}), left: make(chan placement.NodeID, 2)}
				network := transport.NewMemory()
				n, err := node.Start(t.Context(), node.Config{Types: game.Types(), Store: storage.Memory(), Placement: d, Network: network, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				<-d.joining
				end(t, n)
				close(d.answer)
				synctest.Wait()
				members, err := d.Members(t.Context())
				if err != nil || slices.ContainsFunc(members, func(m placement.Member) bool { return m.ID == 2 }) {
					t.Errorf("members: %v, %v", members, err)
				}
				network.Attach(9, nil)
				if err := network.Send(9, 2, &transport.Message{Kind: transport.Reply}); err == nil {
					t.Error("the node is still on the network")
				}
			})
		})
	}
}

// renewed notes what its member tells, and loses the lease when it is told to.
type renewed struct {
	placement.Driver
	control placement.Control
	lose    atomic.Bool
	told    sync.Map // of IDs: whether the node was cordoned
}

func (r *renewed) Join(ctx context.Context, m placement.Member, c placement.Control) (placement.Lease, error) {
	r.control = c
	return r.Driver.Join(ctx, m, c)
}

func (r *renewed) Renew(ctx context.Context, id placement.NodeID, s placement.Status) error {
	if r.lose.CompareAndSwap(true, false) {
		return mallee.ErrFenced.Errorf("the lease has ended")
	}
	r.told.Store(id, s.Cordoned)
	return r.Driver.Renew(ctx, id, s)
}

// A node that is cordoned says so at once when it has joined anew, before it
// gets actors.
func TestCordonedNodeJoinsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const ttl = 3 * time.Second
		d := &renewed{Driver: placement.Memory(ttl)}
		n := join(t, node.Config{Types: game.Types(), Store: storage.Memory(), Placement: d, Network: transport.NewMemory()})
		d.control.Cordon(true)
		synctest.Wait()
		first := n.ID()
		d.lose.Store(true)
		time.Sleep(ttl / 3) // the next renewal
		synctest.Wait()
		id := n.ID()
		if cordoned, ok := d.told.Load(id); id == first || !ok || cordoned != true {
			t.Errorf("node %s, which was %s, has told %v", id, first, cordoned)
		}
	})
}
