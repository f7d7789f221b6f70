package handover

import (
	"slices"

	"github.com/mallee-io/mallee/placement"
)

// inflow is where a session's orders come from that was at another gateway
// before. What a node sends directly is held until a Marker says that all it has
// sent the other way is here.
//
//	            directly             Marker
//	(no origin) ────────→ holding ────────────→ flushed
//	     └─────────────── Marker ──────────────────┘
type inflow struct {
	via     placement.NodeID // the other gateway
	from    uint64           // the session there
	origins map[placement.NodeID]*origin
}

type origin struct {
	flushed bool
	held    []Order
	bytes   int
}

func (in *inflow) origin(node placement.NodeID) (o *origin, known bool) {
	o, known = in.origins[node]
	if !known {
		o = &origin{}
		in.origins[node] = o
	}
	return o, known
}

// holds reports whether something other than a Marker is held.
func (in *inflow) holds(node placement.NodeID) bool {
	o := in.origins[node]
	return o != nil && slices.ContainsFunc(o.held, func(o Order) bool { return o.Kind != Marker })
}

// hold keeps an order. What exceeds the bounds becomes a gap: the client will
// know.
func (o *origin) hold(order Order, bounds *Bounds) {
	if order.Kind == Push && (len(o.held) >= bounds.Messages || o.bytes+order.bytes() > bounds.Bytes) {
		order = Order{Kind: Missing, Origin: order.Origin, Missing: 1}
		if n := len(o.held); n > 0 && o.held[n-1].Kind == Missing {
			o.held[n-1].Missing++
			return
		}
	}
	o.held = append(o.held, order)
	o.bytes += order.bytes()
}

// release says that nothing of the origin comes by the other way any more.
func (o *origin) release() []Order {
	held := o.held
	o.flushed, o.held, o.bytes = true, nil, 0
	return held
}
