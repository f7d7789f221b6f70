package malleetest

import (
	"context"
	"sync/atomic"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// driverLink is one node's way to the placement driver, which can be cut.
type driverLink struct {
	placement.Driver
	cut     atomic.Bool
	control atomic.Value // placement.Control of the node, once it has joined
}

// wants is how the cluster tells the node what it wants.
func (l *driverLink) wants() placement.Control { return l.control.Load().(placement.Control) }

func (l *driverLink) up() error {
	if l.cut.Load() {
		return mallee.ErrUnavailable.Errorf("the placement driver is not reachable").BeforeRun()
	}
	return nil
}

func (l *driverLink) Join(ctx context.Context, m placement.Member, c placement.Control) (placement.Lease, error) {
	if err := l.up(); err != nil {
		return placement.Lease{}, err
	}
	l.control.Store(c)
	return l.Driver.Join(ctx, m, c)
}

func (l *driverLink) Renew(ctx context.Context, id placement.NodeID, s placement.Status) error {
	if err := l.up(); err != nil {
		return err
	}
	return l.Driver.Renew(ctx, id, s)
}

func (l *driverLink) Leave(ctx context.Context, id placement.NodeID) error {
	if err := l.up(); err != nil {
		return err
	}
	return l.Driver.Leave(ctx, id)
}

func (l *driverLink) Members(ctx context.Context) ([]placement.Member, error) {
	if err := l.up(); err != nil {
		return nil, err
	}
	return l.Driver.Members(ctx)
}

func (l *driverLink) Locate(ctx context.Context, from placement.NodeID, id mallee.ID) (placement.Grant, error) {
	if err := l.up(); err != nil {
		return placement.Grant{}, err
	}
	return l.Driver.Locate(ctx, from, id)
}

func (l *driverLink) Successor(ctx context.Context, owner placement.NodeID, id mallee.ID) (placement.NodeID, error) {
	if err := l.up(); err != nil {
		return 0, err
	}
	return l.Driver.Successor(ctx, owner, id)
}

func (l *driverLink) Release(ctx context.Context, id mallee.ID, g placement.Grant, to placement.NodeID) error {
	if err := l.up(); err != nil {
		return err
	}
	return l.Driver.Release(ctx, id, g, to)
}

// loopback sends a node's calls to its own actors through the network too.
type loopback struct{ *transport.Memory }

func (loopback) Loopback() bool { return true }
