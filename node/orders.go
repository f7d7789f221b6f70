package node

import (
	"context"
	"sync"
	"time"

	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
)

// orders knows which of those that were sent to gateways have certainly
// arrived. An actor that begins on another node must not overtake what it has
// sent from this one, and two nodes have no order between them: so what an
// activation has sent has to arrive before its grant is given away.
type orders struct {
	mu    sync.Mutex
	count uint64 // of all that have been sent to other nodes
	links map[placement.NodeID]*orderLink
}

// orderLink has the latest counts of one gateway.
type orderLink struct{ sent, arrived uint64 }

func (o *orders) init() { o.links = make(map[placement.NodeID]*orderLink) }

// sent counts an order.
func (o *orders) sent(to placement.NodeID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := o.links[to]
	if l == nil {
		l = new(orderLink)
		o.links[to] = l
	}
	o.count++
	l.sent = o.count
}

// under lists the gateways that may not have all of the first orders, and how
// many there are now.
func (o *orders) under(first uint64) (on []placement.NodeID, now uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, l := range o.links {
		if l.arrived < min(l.sent, first) {
			on = append(on, id)
		}
	}
	return on, o.count
}

// settled notes that of the first orders none is on its way to a gateway any
// more: they have arrived, or are lost with the connection.
func (o *orders) settled(at placement.NodeID, first uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l := o.links[at]; l != nil {
		l.arrived = max(l.arrived, first)
	}
}

func (o *orders) forget(node placement.NodeID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.links, node)
}

// total counts all that have been sent until now.
func (o *orders) total() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count
}

// giver is the node for the sessions of its actors.
type giver struct{ *Node }

var _ sessions.Node = giver{}

// Ordered counts the orders that the node has sent to other nodes until now.
func (n giver) Ordered() uint64 { return n.edge.orders.total() }

// flushTimeout bounds how long the end of an activation waits for gateways.
const flushTimeout = time.Second

// Flush returns when the first orders that Ordered has counted have arrived. A
// gateway that does not say so in time cannot be reached.
func (n giver) Flush(first uint64) {
	on, now := n.edge.orders.under(first)
	var asked sync.WaitGroup
	for _, id := range on {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(n.ended, flushTimeout)
			defer cancel()
			if _, err := n.AskGateway(ctx, id, sessions.AskFlush, nil); err != nil {
				n.config.Log.Warn("what an actor has sent to sessions may be overtaken", "gateway", id, "error", err)
			}
			n.edge.orders.settled(id, now)
		})
	}
	asked.Wait()
}
