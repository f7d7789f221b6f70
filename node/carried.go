package node

import (
	"context"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
)

// Bounds of what actors that move here have brought.
const (
	maxCarried      = 4096
	maxCarriedBytes = 64 << 20
	carriedFor      = 30 * time.Second // its actor is activated right after its hand-over
)

// carried is what actors that move to this node have had in memory on the other
// one, until they are activated. It is worth something to the very next
// activation alone: once the actor has lived elsewhere, or the node has lost its
// lease, it is of the past.
type carried struct {
	mu    sync.Mutex
	of    map[mallee.ID]luggage
	bytes int
	empty chan struct{} // closed when there is none, where somebody waits for it
}

// luggage of one actor.
type luggage struct {
	epoch uint64 // that it had on the other node
	state []byte
	end   *time.Timer
}

func (c *carried) init() { c.of = make(map[mallee.ID]luggage) }

// put keeps the body of a Handoff.
func (c *carried) put(n *Node, m *transport.Message) *mallee.Error {
	switch {
	case n.runtime.Table(m.Actor.Type) == nil:
		return n.noHost(m.Actor)
	case n.leaving() && m.Owner.Node != n.ID():
		return mallee.ErrUnavailable.Errorf("node %s takes no actors", n.config.Name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[m.Actor].epoch > m.Owner.Epoch { // it has come late
		return nil
	}
	c.remove(m.Actor)
	if len(m.Body) > mallee.MaxMovedState || len(c.of) >= maxCarried || c.bytes+len(m.Body) > maxCarriedBytes {
		return mallee.ErrOverloaded.Errorf("node %s has no room for %d bytes of %s", n.config.Name, len(m.Body), m.Actor)
	}
	c.bytes += len(m.Body)
	c.of[m.Actor] = luggage{m.Owner.Epoch, m.Body, time.AfterFunc(carriedFor, func() { c.expire(m.Actor, m.Owner.Epoch) })}
	return nil
}

// take gives an activation what its actor has brought. It is older than the
// activation unless the hand-over has failed and the actor is back.
func (c *carried) take(id mallee.ID, epoch uint64) (state []byte, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.of[id]
	if !ok || l.epoch > epoch {
		return nil, false
	}
	c.remove(id)
	return l.state, true
}

func (c *carried) expire(id mallee.ID, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[id].epoch == epoch {
		c.remove(id)
	}
}

// outdate drops what an actor has brought that has lived on another node since,
// under an epoch.
func (c *carried) outdate(id mallee.ID, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[id].epoch < epoch {
		c.remove(id)
	}
}

// clear drops everything.
func (c *carried) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.of {
		c.remove(id)
	}
}

// remove is called with mu held.
func (c *carried) remove(id mallee.ID) {
	l, ok := c.of[id]
	if !ok {
		return
	}
	l.end.Stop()
	c.bytes -= len(l.state)
	delete(c.of, id)
	if len(c.of) == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
}

// wait returns when all that has been brought is taken, or ctx ends.
func (c *carried) wait(ctx context.Context) {
	c.mu.Lock()
	if len(c.of) == 0 {
		c.mu.Unlock()
		return
	}
	if c.empty == nil {
		c.empty = make(chan struct{})
	}
	empty := c.empty
	c.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
