package node

import (
	"errors"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node/internal/link"
	"github.com/mallee-io/mallee/placement"
)

// inbound has what was taken of the orders of another node.
type inbound struct {
	from placement.NodeID

	mu      sync.Mutex // held until an order is carried out
	link    link.In
	waiting bool // to be acknowledged, in orders.unacked
}

// ackDelay is how long an acknowledgement may wait for others.
const ackDelay = 25 * time.Millisecond

// receiveOrder takes an order of another node, if it is its turn.
func (n *Node) receiveOrder(from placement.NodeID, m *transport.Message) {
	gap := uint64(0)
	if m.Method == sessions.OrderGap {
		gap = n.readGap(from, m)
	}
	in := n.edge.orders.from(from)
	if in == nil {
		if m.Call != 1 && gap != 1 { // of a node that is gone
			return
		}
		in = n.edge.orders.begin(from)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	switch in.link.Judge(m.Call, gap, len(m.Body)) {
	case link.Early:
		return
	case link.Take:
		n.carryOut(from, m, gap > 0)
	}
	if !in.waiting {
		in.waiting = true
		n.ackSoon(in)
	}
	if in.link.Full() {
		_ = n.ack(in)
	}
}

// readGap is where a gap begins. One that cannot be read is a gap in its place.
func (n *Node) readGap(from placement.NodeID, m *transport.Message) uint64 {
	var gap sessions.Gap
	if err := gap.Parse(m.Body); err != nil {
		n.config.Log.Error("a node says that orders are missing, and not which", "node", from, "error", err)
		return m.Call
	}
	return gap.First
}

func (n *Node) carryOut(from placement.NodeID, m *transport.Message, gap bool) {
	if !gap {
		n.obey(from, m.Actor, m.Method, m.Body)
		return
	}
	n.config.Log.Warn("orders of another node are missing", "node", from)
	if g := n.edge.gateway.Load(); g != nil {
		g.Missing(from)
	}
}

func (o *orders) begin(from placement.NodeID) *inbound {
	o.mu.Lock()
	defer o.mu.Unlock()
	in := o.in[from]
	if in == nil {
		in = &inbound{from: from}
		o.in[from] = in
	}
	return in
}

// acknowledge tells another node at once what has come of its orders.
func (n *Node) acknowledge(to placement.NodeID) {
	if in := n.edge.orders.from(to); in != nil {
		in.mu.Lock()
		defer in.mu.Unlock()
		_ = n.ack(in)
	}
}

// ack needs the lock of in. Where there is no connection the orders come again,
// and are acknowledged then.
func (n *Node) ack(in *inbound) error {
	number, due := in.link.Ack()
	if !due {
		return nil
	}
	err := n.send(in.from, &transport.Message{Kind: transport.Ack, Call: number})
	if err == nil {
		in.link.Acked()
	}
	return err
}

// ackSoon has one timer for the node, and none while no orders come.
func (n *Node) ackSoon(in *inbound) {
	o := &n.edge.orders
	o.acks.Lock()
	defer o.acks.Unlock()
	if o.unacked = append(o.unacked, in); len(o.unacked) == 1 {
		time.AfterFunc(ackDelay, n.ackAll)
	}
}

func (n *Node) ackAll() {
	o := &n.edge.orders
	o.acks.Lock()
	list := o.unacked
	o.unacked = nil
	o.acks.Unlock()
	for _, in := range list {
		in.mu.Lock()
		err := n.ack(in)
		if in.waiting = errors.Is(err, mallee.ErrOverloaded) && n.ended.Err() == nil; in.waiting {
			n.ackSoon(in)
		}
		in.mu.Unlock()
	}
}
