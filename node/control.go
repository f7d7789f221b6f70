package node

import (
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// control is what the placement driver tells the node.
type control struct{ node *Node }

var _ placement.Control = control{}

// lostGrace is how long calls still wait for a node whose lease has ended. One
// that has left the cluster in order has answered them, but what the placement
// driver says may overtake the answers. The end of the connection comes behind
// them, and ends the wait at once.
const lostGrace = time.Second

// Lost ends what waits for a member whose lease has ended, or runs for it, and
// forgets which actors it had.
func (c control) Lost(id placement.NodeID) {
	c.node.where.lost(id)
	c.node.served.cancel(id)
	c.node.replicas.Lost(id)
	time.AfterFunc(lostGrace, func() { c.node.unanswered(id) })
	go c.node.gone(id)
}

// Move goes on in the background. What is too much at once is left out: the
// placement driver sees that, and asks again.
func (c control) Move(id mallee.ID, g placement.Grant, to placement.NodeID) {
	n := c.node
	if g.Node != n.ID() {
		return
	}
	if n.asked.Add(1) > maxAsked {
		n.asked.Add(-1)
		return
	}
	go func() {
		defer n.asked.Add(-1)
		n.move(n.ended, id, g, to)
	}()
}

// Cordon is known to the placement driver with the next renewal, which is at
// once.
func (c control) Cordon(on bool) {
	c.node.cordoned.Store(on)
	c.node.renewSoon()
}

// Drain goes on in the background until it is done or Cordon ends it.
func (c control) Drain() {
	c.Cordon(true)
	if c.node.draining.CompareAndSwap(false, true) {
		go c.node.drain()
	}
}
