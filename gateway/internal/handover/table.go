package handover

import (
	"maps"
	"slices"

	"github.com/mallee-io/mallee/placement"
)

// Bounds of what is held for one session and one node.
type Bounds struct {
	Messages int
	Bytes    int
}

// Table has the sessions of one gateway that have come from another gateway or
// have gone to one. Of others it knows nothing and they need nothing of it.
//
// A session is at At, and elsewhere it has another one. So a session that moves
// from gateway to gateway leaves a chain of routes, and one that comes back has
// two here. Each route has two ends:
//
//	               Taking           Taken
//	comes:  (none) ──────→ waiting ───────→ here ──┐ Give
//	stays:  (none, unknown to the table) ──────────┴────→ gone to another gateway
//
// Its methods return what has to be done. One lock of the gateway guards it and
// is held until that is done.
type Table struct {
	bounds *Bounds
	routes map[uint64]*route
}

// route of one At.
type route struct {
	in       *inflow                   // nil: it began here, or nothing comes by another way any more
	to       uint64                    // where it has gone; 0: it is here
	cut      bool                      // the session there is not the successor of this one
	waiting  bool                      // the answer to the take has not come
	early    origin                    // what came while waiting
	retiring map[placement.NodeID]bool // nodes whose Marker is wanted; nil: the route is not about to end
	retired  bool                      // the gateway where it has gone knows that it may end
}

// NewTable makes an empty table.
func NewTable(bounds *Bounds) *Table {
	return &Table{bounds: bounds, routes: make(map[uint64]*route)}
}

// NodeOf is the node of the gateway where a session is.
func NodeOf(at uint64) placement.NodeID { return placement.NodeID(at / 10_000_000_000) }

// Has reports whether orders for a session have to go through the table.
func (t *Table) Has(at uint64) bool { return t.routes[at] != nil }

// Len is how many routes there are.
func (t *Table) Len() int { return len(t.routes) }

// Taking says that from is about to be asked for, to be at here from now on.
func (t *Table) Taking(at, from uint64) {
	t.routes[at] = &route{
		in:      &inflow{via: NodeOf(from), from: from, origins: make(map[placement.NodeID]*origin)},
		waiting: true,
	}
}

// Taken says that the session is ready: with what the other gateway has given,
// or in a new epoch, since that one has said that it has no such session. Where
// there is no answer, and the gateway is not Gone, the session has to be Ended.
func (t *Table) Taken(at uint64, given bool) []Effect {
	r := t.routes[at]
	if r == nil || !r.waiting {
		return nil
	}
	var effects []Effect
	if !given && r.in != nil {
		effects = t.close(effects, at, r)
	}
	r.waiting = false
	for _, o := range r.early.release() {
		if given || o.Kind != Unknown {
			effects = t.sink(effects, at, r, o)
		}
	}
	return t.tidy(effects, at, r)
}

// Give says that a session goes to another gateway, or says where it has gone
// before. Ready is false while it is itself waiting to come: ask again after
// Taken. To a gateway that is Gone, which a take may outlive that waits for a
// call to end, a session must not be given: nobody would say so again.
func (t *Table) Give(at, to uint64) (gone uint64, ready bool) {
	r := t.routes[at]
	switch {
	case r == nil:
		t.routes[at] = &route{to: to}
	case r.waiting:
		return 0, false
	case r.to != 0:
		return r.to, true
	default:
		r.to = to
	}
	return to, true
}

// Superseded says that the actor knows the session at another place, which had
// nothing from here: the client has come back twice, by tokens of a gateway that
// was gone. What is here, if there is something, and what comes is lost. That
// place has to be of a later attempt of the client, or two would send it to each
// other.
func (t *Table) Superseded(at, by uint64, something bool) []Effect {
	r := t.routes[at]
	switch {
	case r == nil:
		r = &route{}
		t.routes[at] = r
	case r.waiting || r.to != 0:
		return nil // it has been given away
	}
	r.to, r.cut = by, true
	if !something {
		return nil
	}
	return t.sink(nil, at, r, Order{Kind: Unknown, Origin: NodeOf(at)})
}

// Where is the place where a session has gone; 0: it is here, or unknown.
func (t *Table) Where(at uint64) uint64 {
	if r := t.routes[at]; r != nil {
		return r.to
	}
	return 0
}

// Direct takes an order of its origin itself.
func (t *Table) Direct(at uint64, o Order) []Effect {
	r := t.routes[at]
	if r == nil {
		return []Effect{{Do: Deliver, At: at, Order: o}}
	}
	if r.in == nil {
		return t.sink(nil, at, r, o)
	}
	from, known := r.in.origin(o.Origin)
	if from.flushed {
		return t.sink(nil, at, r, o)
	}
	from.hold(o, t.bounds)
	if known {
		return nil
	}
	return []Effect{{Do: Flush, Node: o.Origin, From: r.in.from, At: at}}
}

// Forwarded takes an order by way of the gateway where the session was. A
// Deliver for a session that is not here has to be answered by Ended, and its
// sender told, as of what comes directly.
func (t *Table) Forwarded(at uint64, o Order) []Effect {
	r := t.routes[at]
	switch {
	case r == nil:
		return []Effect{{Do: Deliver, At: at, Order: o}}
	case o.Kind == Unknown && r.in != nil:
		return t.askAgain(t.sink(nil, at, r, o), at, r, o.Origin)
	case o.Kind != Marker:
		return t.sink(nil, at, r, o)
	case r.in == nil:
		return nil
	}
	from, _ := r.in.origin(o.Origin)
	return t.release(nil, at, r, from)
}

// release lets through what a node has sent directly.
func (t *Table) release(effects []Effect, at uint64, r *route, from *origin) []Effect {
	for _, o := range from.release() {
		effects = t.sink(effects, at, r, o)
	}
	return effects
}

// sink is the end of a route: the client, or the next gateway.
func (t *Table) sink(effects []Effect, at uint64, r *route, o Order) []Effect {
	switch {
	case r.waiting:
		r.early.hold(o, t.bounds)
	case r.to != 0:
		if r.cut && (o.Kind == Push || o.Kind == Missing) {
			o = Order{Kind: Unknown, Origin: o.Origin}
		}
		effects = append(effects, Effect{Do: Forward, Node: NodeOf(r.to), From: at, At: r.to, Order: o})
		if o.Kind == Marker && r.retiring[o.Origin] {
			delete(r.retiring, o.Origin)
			effects = t.tidy(effects, at, r)
		}
	case o.Kind != Marker:
		effects = append(effects, Effect{Do: Deliver, At: at, Order: o})
	}
	return effects
}

// Ended says that a session which is here is over.
func (t *Table) Ended(at uint64) []Effect {
	r := t.routes[at]
	if r == nil {
		return nil
	}
	delete(t.routes, at)
	if r.in == nil {
		return nil
	}
	return []Effect{{Do: Ended, Node: r.in.via, From: r.in.from, At: at}}
}

// Dropped says that a session is over at the place where it has gone, or where
// it was to go and did not.
func (t *Table) Dropped(at, to uint64) []Effect {
	if r := t.routes[at]; r == nil || r.to != to {
		return nil
	}
	return t.Ended(at)
}

// Missing says that orders of a node which lives are missing. Nobody knows which:
// they may have been for any session, and Markers among them.
func (t *Table) Missing(node placement.NodeID) []Effect {
	var effects []Effect
	unknown := Order{Kind: Unknown, Origin: node}
	for _, at := range slices.Sorted(maps.Keys(t.routes)) {
		r := t.routes[at]
		if r.in == nil || r.in.via != node {
			effects = append(effects, t.Direct(at, unknown)...)
			continue
		}
		effects = t.sink(effects, at, r, unknown)
		for _, origin := range slices.Sorted(maps.Keys(r.in.origins)) {
			effects = t.askAgain(effects, at, r, origin)
		}
	}
	return effects
}

// askAgain asks for a Marker that may have been lost.
func (t *Table) askAgain(effects []Effect, at uint64, r *route, node placement.NodeID) []Effect {
	if o := r.in.origins[node]; o == nil || o.flushed {
		return effects
	}
	return append(effects, Effect{Do: Flush, Node: node, From: r.in.from, At: at})
}

// Gone says that a node is gone for good, and the gateway there: nothing of it
// comes any more.
func (t *Table) Gone(node placement.NodeID) []Effect {
	var effects []Effect
	for _, at := range slices.Sorted(maps.Keys(t.routes)) {
		r := t.routes[at]
		if r.to != 0 && NodeOf(r.to) == node {
			effects = append(effects, t.Ended(at)...)
			continue
		}
		effects = t.without(effects, at, r, node)
	}
	return effects
}

// without goes on with a route that a dead node may have sent to, or by. What
// was on its way is lost, and nobody knows how much that was.
func (t *Table) without(effects []Effect, at uint64, r *route, node placement.NodeID) []Effect {
	unknown := Order{Kind: Unknown, Origin: node}
	switch {
	case r.in == nil:
	case r.in.via == node:
		effects = t.sink(effects, at, r, unknown)
		effects = t.close(effects, at, r)
	case r.in.holds(node):
		// What has come directly may have come past something that did not get
		// as far as the other gateway, and may yet be behind something that did.
		// It would be wrong with the client now, and wrong later.
		r.in.origins[node].release()
		effects = t.sink(effects, at, r, unknown)
	}
	delete(r.retiring, node)
	return t.tidy(effects, at, r)
}

// close says that nothing comes by the other way any more.
func (t *Table) close(effects []Effect, at uint64, r *route) []Effect {
	in := r.in
	r.in = nil
	for _, node := range slices.Sorted(maps.Keys(in.origins)) {
		effects = t.release(effects, at, r, in.origins[node])
	}
	return effects
}

// Retire prepares all routes to other gateways for the end of this one: the
// nodes, which are all that live, send a Marker each, and from then on nothing
// is lost with this gateway. What comes late is forwarded still.
func (t *Table) Retire(nodes []placement.NodeID) []Effect {
	var effects []Effect
	for _, at := range slices.Sorted(maps.Keys(t.routes)) {
		effects = append(effects, t.RetireOne(at, nodes)...)
	}
	return effects
}

// RetireOne is Retire for one session, which another gateway has asked for.
func (t *Table) RetireOne(at uint64, nodes []placement.NodeID) []Effect {
	r := t.routes[at]
	if r == nil || r.to == 0 || r.retiring != nil {
		return nil
	}
	r.retiring = make(map[placement.NodeID]bool, len(nodes))
	var effects []Effect
	for _, n := range nodes {
		r.retiring[n] = true
		effects = append(effects, Effect{Do: Flush, Node: n, From: at, At: r.to})
	}
	if r.in != nil {
		effects = append(effects, Effect{Do: Retire, Node: r.in.via, At: r.in.from})
	}
	return t.tidy(effects, at, r)
}

// Retired says that the gateway where the session was may end without a loss.
func (t *Table) Retired(at uint64) []Effect {
	r := t.routes[at]
	if r == nil || r.in == nil {
		return nil
	}
	return t.tidy(t.close(nil, at, r), at, r)
}

// Retiring reports whether Retire has not come to its end.
func (t *Table) Retiring() bool {
	for _, r := range t.routes {
		if r.retiring != nil && !r.retired {
			return true
		}
	}
	return false
}

// tidy looks whether something has come to its end with the last Marker.
func (t *Table) tidy(effects []Effect, at uint64, r *route) []Effect {
	switch {
	case t.routes[at] != r || r.in != nil || r.waiting:
	case r.to == 0:
		delete(t.routes, at) // a session like any other
	case r.retiring != nil && len(r.retiring) == 0 && !r.retired:
		r.retired = true
		effects = append(effects, Effect{Do: Retired, Node: NodeOf(r.to), At: r.to})
	}
	return effects
}
