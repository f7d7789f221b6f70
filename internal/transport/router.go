package transport

import (
	"cmp"
	"context"
	"time"

	"github.com/mallee-io/mallee/placement"
)

// lookTimeout bounds how long an order waits until it is known what its receiver
// speaks.
const lookTimeout = time.Second

// Router is a Network of two: Mallee nodes are reached over one, and Koala
// hosts over the other, whose connections the first takes (TCPConfig.Foreign).
type Router struct {
	Nodes Network
	Hosts *Koala
}

// Speaker is a Network with members that do not speak MessagePack.
type Speaker interface {
	// Speaks is the encoding in which a node understands the calls of an
	// interface. A Request to it must have that one.
	Speaks(ctx context.Context, node placement.NodeID, iface string) (Encoding, error)
}

var (
	_ Network = Router{}
	_ Speaker = Router{}
	_ Speaker = (*Koala)(nil)
)

// Attach implements Network.
func (r Router) Attach(node placement.NodeID, h Handler) {
	r.Hosts.Attach(node, h)
	r.Nodes.Attach(node, &extender{h, r.Hosts})
}

// Close implements Network.
func (r Router) Close(node placement.NodeID) {
	r.Nodes.Close(node)
	r.Hosts.Close(node)
}

// Detach implements Network.
func (r Router) Detach(node placement.NodeID) {
	r.Nodes.Detach(node) // first: it hands connections over
	r.Hosts.Detach(node)
}

// Send implements Network.
func (r Router) Send(from, to placement.NodeID, m *Message) error {
	if m.Kind == Edge || m.Kind == Order { // nobody has asked what its receiver speaks
		ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(m.Timeout, lookTimeout))
		defer cancel()
		if _, err := r.Hosts.members.foreign(ctx, to); err != nil {
			return unavailable("it is not known what node %s speaks: %v", to, err)
		}
	}
	if r.Hosts.owns(to) {
		return r.Hosts.Send(from, to, m)
	}
	return r.Nodes.Send(from, to, m)
}

// Speaks implements Speaker.
func (r Router) Speaks(ctx context.Context, node placement.NodeID, iface string) (Encoding, error) {
	return r.Hosts.Speaks(ctx, node, iface)
}

// Figures are those of the connections to Mallee nodes.
func (r Router) Figures() (f Figures) {
	if n, ok := r.Nodes.(interface{ Figures() Figures }); ok {
		f = n.Figures()
	}
	return f
}

// extender completes chains that left this node for a host and come back by
// way of another node.
type extender struct {
	Handler
	hosts *Koala
}

func (e *extender) Receive(from placement.NodeID, m *Message) {
	if m.Chain != nil {
		m.Chain = e.hosts.ids.extend(m.Chain)
	}
	e.Handler.Receive(from, m)
}
