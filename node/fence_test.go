package node_test

import (
	"context"
	"errors"
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

// stuck is a way to the placement driver on which a renewal hangs, so that
// nothing on the node notices that its time is over: as when the process is
// stopped.
type stuck struct {
	placement.Driver
	release chan struct{}
}

func (s *stuck) Renew(context.Context, placement.NodeID, placement.Status) error {
	<-s.release
	return mallee.ErrFenced
}

// counted is a store that counts writes.
type counted struct {
	storage.Store
	writes int
}

func (c *counted) Apply(ctx context.Context, epoch uint64, ops ...storage.Op) ([]uint64, error) {
	c.writes++
	return c.Store.Apply(ctx, epoch, ops...)
}

func TestNothingLeavesANodeWhoseLeaseHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const ttl = 3 * time.Second
		cluster, network := placement.Memory(time.Hour), transport.NewMemory()
		link := &stuck{shortLease{cluster, ttl}, make(chan struct{})}
		store := &counted{Store: storage.Memory()}
		host := join(t, node.Config{Name: "host", Types: game.Types(), Placement: link, Network: network, Store: store})
		client := join(t, node.Config{Name: "client", Placement: cluster, Network: network})
		ann := game.PlayerOf(client, "ann")
		if _, err := ann.Give(t.Context(), "sword", 1); err != nil {
			t.Fatal(err)
		}
		if err := host.Ready(); err != nil {
			t.Error(err)
		}
		time.Sleep(ttl)
		if host.Ready() == nil {
			t.Error("it says that it is ready")
		}
		written := store.writes
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := ann.Bag(ctx); !errors.Is(err, mallee.ErrTimeout) {
			t.Errorf("a read was answered: %v", err)
		}
		if _, err := game.PlayerOf(host, "ann").Give(ctx, "sword", 1); !errors.Is(err, mallee.ErrTimeout) || !mallee.SafeToRetry(err) {
			t.Errorf("a turn: %v", err)
		}
		if _, err := game.PlayerOf(host, "bob").Bag(ctx); !errors.Is(err, mallee.ErrTimeout) {
			t.Errorf("an activation: %v", err)
		}
		if store.writes != written {
			t.Error("a write has left the node")
		}
		close(link.release)
	})
}

// shortLease ends the leases of its node early.
type shortLease struct {
	placement.Driver
	ttl time.Duration
}

func (s shortLease) Join(ctx context.Context, m placement.Member, c placement.Control) (placement.Lease, error) {
	l, err := s.Driver.Join(ctx, m, c)
	l.TTL = s.ttl
	return l, err
}
