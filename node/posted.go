package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// posted remembers to which nodes one-way calls have been sent of late. Nobody
// answers those, so when the actor turns out to be elsewhere the next call could
// overtake one that is still being passed on.
type posted struct {
	any        atomic.Bool // nobody has to lock where none is sent
	mu         sync.Mutex
	young, old map[mallee.ID]placement.NodeID
	turned     time.Time     // when young was begun
	lost       chan struct{} // closed when a node is lost
}

const (
	postedFor = 2 * handoffTimeout // by then a one-way call has reached its actor
	maxPosted = 100_000
)

func (p *posted) init() {
	p.young, p.old = make(map[mallee.ID]placement.NodeID), nil
	p.lost = make(chan struct{})
}

func (p *posted) put(id mallee.ID, to placement.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.turned) > postedFor || len(p.young) >= maxPosted {
		p.young, p.old, p.turned = make(map[mallee.ID]placement.NodeID), p.young, now
	}
	p.young[id] = to
	p.any.Store(true)
}

// elsewhere is the node, other than to, that may still have one-way calls for
// the actor. changed is closed when a node is lost.
func (p *posted) elsewhere(id mallee.ID, to placement.NodeID) (at placement.NodeID, changed <-chan struct{}) {
	if !p.any.Load() {
		return 0, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.young[id]
	if !ok && time.Since(p.turned) <= postedFor {
		at = p.old[id]
	}
	if at == to {
		return 0, nil
	}
	return at, p.lost
}

func (p *posted) drop(id mallee.ID, at placement.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range []map[mallee.ID]placement.NodeID{p.young, p.old} {
		if m[id] == at {
			delete(m, id)
		}
	}
}

// forget drops what a lost node had: it has passed it on, or it is lost too.
func (p *posted) forget(node placement.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range []map[mallee.ID]placement.NodeID{p.young, p.old} {
		for id, at := range m {
			if at == node {
				delete(m, id)
			}
		}
	}
	close(p.lost)
	p.lost = make(chan struct{})
}

// queueUp returns when a call to a node cannot overtake one-way calls of this
// node any more that went to another one.
func (n *Node) queueUp(ctx context.Context, id mallee.ID, to placement.NodeID) {
	at, lost := n.posted.elsewhere(id, to)
	if at == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handoffTimeout)
	defer cancel()
	for at != 0 && ctx.Err() == nil {
		m := &transport.Message{Kind: transport.Activate, Actor: id, Timeout: handoffTimeout}
		err := n.ask(ctx, at, m)
		if !passes(err) { // it has answered, behind the one-way calls
			break
		}
		select { // it takes no requests, since it leaves, or it has left
		case <-lost:
		case <-ctx.Done():
		}
		at, lost = n.posted.elsewhere(id, to)
	}
	n.posted.drop(id, at)
}
