package node

import (
	"context"
	"errors"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// lease is one membership of the node.
type lease struct {
	placement.Lease
	until time.Time // when the node fences itself; the monotonic clock decides
}

// leaseMargin is the part of the TTL by which a node fences itself before the
// placement driver may take it for dead.
const leaseMargin = 10

func (n *Node) join(ctx context.Context) error {
	m := placement.Member{Name: n.config.Name}
	for _, t := range n.hosted {
		hosted := placement.Type{Name: t.Name, Stateless: t.Workers > 0, Strategy: t.Strategy, Weight: t.Weight, Labels: t.Labels}
		for _, i := range t.Interfaces {
			hosted.Interfaces = append(hosted.Interfaces, i.Name)
		}
		m.Types = append(m.Types, hosted)
	}
	sent := time.Now()
	l, err := n.config.Placement.Join(ctx, m, nil)
	if err != nil {
		return err
	}
	if !n.enter(&lease{l, fenceTime(sent, l.TTL)}) {
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.config.CallTimeout)
		defer cancel()
		return errors.Join(errEnded, n.config.Placement.Leave(leaving, l.ID))
	}
	if l.TTL > 0 {
		go n.keepLease()
	}
	return nil
}

// errEnded says that the node has ended while it joined.
var errEnded = errors.New("the node has ended")

// enter begins a membership, unless the node has ended meanwhile.
func (n *Node) enter(l *lease) bool {
	n.membership.Lock()
	defer n.membership.Unlock()
	if n.ended.Err() != nil {
		return false
	}
	n.lease.Store(l)
	if n.config.Network != nil {
		n.config.Network.Attach(l.ID, n)
	}
	return true
}

// finish ends what the node does in the background. No membership begins after
// it.
func (n *Node) finish() {
	n.membership.Lock()
	defer n.membership.Unlock()
	n.end()
}

func fenceTime(sent time.Time, ttl time.Duration) time.Time { return sent.Add(ttl - ttl/leaseMargin) }

// keepLease renews the lease each third of its TTL. Past the lease's end the
// node fences itself and joins anew.
func (n *Node) keepLease() {
	l := n.lease.Load()
	ticker := time.NewTicker(l.TTL / 3)
	defer ticker.Stop()
	fence := time.NewTimer(time.Until(l.until))
	defer fence.Stop()
	for {
		select {
		case <-n.ended.Done():
			return
		case <-ticker.C:
			sent := time.Now()
			ctx, cancel := context.WithDeadline(n.ended, n.lease.Load().until)
			err := n.renew(ctx)
			cancel()
			if err == nil {
				fence.Reset(time.Until(fenceTime(sent, l.TTL)))
				n.lease.Store(&lease{l.Lease, fenceTime(sent, l.TTL)})
				continue
			}
			n.config.Log.Warn("lease not renewed", "node", n.config.Name, "error", err)
			if !errors.Is(err, mallee.ErrFenced) {
				continue
			}
		case <-fence.C:
		}
		n.fence()
		n.rejoin()
		return // the new membership has a goroutine of its own
	}
}

func (n *Node) renew(ctx context.Context) error {
	return n.config.Placement.Renew(ctx, n.ID(), placement.Status{Cordoned: n.stopping.Load()})
}

// fence ends everything that the node may no longer own.
func (n *Node) fence() {
	n.config.Log.Error("lease lost: the node ends its activations and joins anew", "node", n.config.Name)
	n.cutOff()
}

// cutOff takes the node out of the cluster without a word to anybody: calls
// that wait fail, and nothing that runs has an effect any more.
func (n *Node) cutOff() {
	if n.config.Network != nil {
		n.config.Network.Detach(n.ID())
	}
	n.remote.fail(func(placement.NodeID) bool { return true })
	n.runtime.Fence()
}

// rejoin tries until the node is a member again, or is ending.
func (n *Node) rejoin() {
	pause := time.NewTicker(n.lease.Load().TTL / 3)
	defer pause.Stop()
	for {
		err := n.join(n.ended)
		if err == nil || n.ended.Err() != nil {
			return
		}
		n.config.Log.Warn("cannot join", "node", n.config.Name, "error", err)
		select {
		case <-pause.C:
		case <-n.ended.Done():
			return
		}
	}
}

func (n *Node) leave(ctx context.Context) error {
	if n.ended.Err() != nil {
		return nil
	}
	if n.config.Network != nil {
		n.config.Network.Close(n.ID())
		n.served.wait(ctx)
	}
	n.finish()
	err := n.config.Placement.Leave(ctx, n.ID())
	if n.config.Network != nil {
		n.config.Network.Detach(n.ID())
	}
	return err
}
