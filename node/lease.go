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

// owns reports whether the lease still holds. The fence does not fire while the
// process is stopped (SIGSTOP, a debugger, a starved machine), and what it goes on
// with afterwards may be as quick as the fence. So this is asked before each turn
// and activation, and where something leaves the node: an answer or a write. A
// caller on this node gets the answer of a turn that began in time: it could have
// had it before the stop. Go's monotonic clock counts a stop. It does not count
// that the machine has slept: then epochs fence the writes.
func (n *Node) owns() bool {
	l := n.lease.Load()
	return l.TTL == 0 || time.Until(l.until) > 0
}

// leaseMargin is the part of the TTL by which a node fences itself before the
// placement driver may take it for dead.
const leaseMargin = 10

func (n *Node) join(ctx context.Context) error {
	m := placement.Member{Name: n.config.Name, Addr: n.addr, Admin: n.admin, Labels: n.config.Labels}
	for _, t := range n.hosted {
		hosted := placement.Type{Name: t.Name, Stateless: t.Workers > 0, Strategy: t.Strategy, Weight: t.Weight, Labels: t.Labels}
		for _, i := range t.Interfaces {
			hosted.Interfaces = append(hosted.Interfaces, i.Name)
		}
		m.Types = append(m.Types, hosted)
	}
	sent := time.Now()
	l, err := n.config.Placement.Join(ctx, m, control{n})
	if err != nil {
		return err
	}
	if !n.enter(&lease{l, fenceTime(sent, l.TTL)}) {
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.config.CallTimeout)
		defer cancel()
		return errors.Join(errEnded, n.config.Placement.Leave(leaving, l.ID))
	}
	if n.leaving() {
		n.renewSoon() // a member begins as one that takes actors
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
	for lost := false; !lost; {
		select {
		case <-n.ended.Done():
			return
		case <-n.renewNow:
			lost = !n.prolong(fence)
		case <-ticker.C:
			lost = !n.prolong(fence)
		case <-fence.C:
			lost = true
		}
	}
	n.fence()
	n.rejoin() // the new membership has a goroutine of its own
}

// prolong renews the lease and puts the fence off. It reports false when the
// lease is lost; any other failure may pass before it ends.
func (n *Node) prolong(fence *time.Timer) bool {
	l := n.lease.Load()
	sent := time.Now()
	if !sent.Before(l.until) { // the process has slept: the fence is due too
		return false
	}
	ctx, cancel := context.WithDeadline(n.ended, l.until)
	defer cancel()
	err := n.renew(ctx)
	if n.ended.Err() != nil { // it has left meanwhile
		return true
	}
	if err != nil {
		n.counts.failedRenewals.Add(1)
		n.config.Log.Warn("lease not renewed", "node", n.config.Name, "error", err)
		return !errors.Is(err, mallee.ErrFenced)
	}
	n.counts.renewals.Add(1)
	until := fenceTime(sent, l.TTL)
	fence.Reset(time.Until(until))
	n.lease.Store(&lease{l.Lease, until})
	return true
}

// renewSoon tells the placement driver of a new status without waiting for the
// next renewal.
func (n *Node) renewSoon() {
	select {
	case n.renewNow <- struct{}{}:
	default:
	}
}

func (n *Node) renew(ctx context.Context) error {
	return n.config.Placement.Renew(ctx, n.ID(), placement.Status{Cordoned: n.stopping.Load() || n.cordoned.Load()})
}

// fence ends everything that the node may no longer own.
func (n *Node) fence() {
	n.counts.fencings.Add(1)
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
	n.carried.clear()
	n.edge.orders.clear()
	n.runtime.Fence()
}

// rejoin tries until the node is a member again, or is ending.
func (n *Node) rejoin() {
	pause := time.NewTicker(n.lease.Load().TTL / 3)
	defer pause.Stop()
	for {
		err := n.join(n.ended)
		if err == nil {
			n.renamed()
		}
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
	}
	for more := true; more && ctx.Err() == nil; more = n.strays.queues.Load() > 0 {
		n.served.wait(ctx)
		_ = n.runtime.Stop(ctx) // one-way calls may have come until now; Stop has its error
	}
	n.finish()
	err := n.config.Placement.Leave(ctx, n.ID())
	if n.config.Network != nil {
		n.config.Network.Detach(n.ID())
	}
	return err
}
