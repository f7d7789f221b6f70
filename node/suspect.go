package node

import (
	"context"
	"slices"
	"time"

	"github.com/mallee-io/mallee/placement"
)

// suspectFor is how many lease times a node that has been lost is looked for
// among the members: if it is dead, its lease ends in one.
const suspectFor = 2

// suspect looks whether a node that cannot be reached is still a member. The
// placement driver says so to whom it is connected with at that moment; this is
// for all others: nothing else would tell them that sessions, or their actors, are
// gone.
func (n *Node) suspect(id placement.NodeID) {
	l := n.lease.Load()
	if l == nil || l.TTL == 0 || n.edge.gateway.Load() == nil && !n.runtime.UsesSessions() {
		return
	}
	if _, already := n.edge.suspects.LoadOrStore(id, nil); already {
		return
	}
	go func() {
		defer n.edge.suspects.Delete(id)
		n.investigate(id, l.TTL)
	}()
}

func (n *Node) investigate(id placement.NodeID, ttl time.Duration) {
	end := time.Now().Add(suspectFor * ttl)
	pause := time.NewTicker(ttl / 3)
	defer pause.Stop()
	for time.Now().Before(end) {
		if n.left(id) {
			n.gone(id)
			return
		}
		select {
		case <-pause.C:
		case <-n.ended.Done():
			return
		}
	}
}

// left reports whether a node is certainly no member.
func (n *Node) left(id placement.NodeID) bool {
	ctx, cancel := context.WithTimeout(n.ended, n.config.CallTimeout)
	defer cancel()
	members, err := n.config.Placement.Members(ctx)
	return err == nil && !slices.ContainsFunc(members, func(m placement.Member) bool { return m.ID == id })
}
