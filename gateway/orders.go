package gateway

import (
	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/edge"
)

var _ sessions.Gateway = (*Gateway)(nil)

// Order takes what nodes and other gateways tell.
func (g *Gateway) Order(from placement.NodeID, sender mallee.ID, name string, body []byte) {
	if err := g.order(from, sender, name, body); err != nil {
		g.counts.badOrders.Add(1)
		g.log.Error("an order of another node cannot be carried out: are its version and this one's too far apart?", "node", from, "actor", sender, "order", name, "error", err)
	}
}

func (g *Gateway) order(from placement.NodeID, sender mallee.ID, name string, body []byte) error {
	switch name {
	case sessions.OrderPush:
		return obey(body, (*sessions.Push).Parse, func(o *sessions.Push) { g.push(from, sender, o) })
	case sessions.OrderKick:
		return obey(body, (*sessions.Kick).Parse, func(o *sessions.Kick) { g.kick(from, sender, o) })
	case sessions.OrderBind:
		return obey(body, (*sessions.Bind).Parse, func(o *sessions.Bind) { g.bind(from, sender, o) })
	case sessions.OrderDetached:
		return obey(body, (*sessions.Detached).Parse, g.detached)
	case sessions.OrderForward:
		var f sessions.Forward
		if err := f.Parse(body); err != nil {
			return err
		}
		return g.forwarded(from, sender, &f)
	case sessions.OrderMarker:
		return obey(body, (*sessions.Marker).Parse, g.marked)
	case sessions.OrderEnded:
		return obey(body, (*sessions.Moves).Parse, func(o *sessions.Moves) {
			g.each(o, func(t *handover.Table, m sessions.Relocation) []handover.Effect { return t.Dropped(m.From, m.To) })
		})
	case sessions.OrderRetire:
		return obey(body, (*sessions.Moves).Parse, func(o *sessions.Moves) { go g.retireFor(o) })
	case sessions.OrderRetired:
		return obey(body, (*sessions.Moves).Parse, func(o *sessions.Moves) {
			g.each(o, func(t *handover.Table, m sessions.Relocation) []handover.Effect { return t.Retired(m.To) })
		})
	}
	return mallee.ErrNotFound.Errorf("no order has the name %q", name)
}

// each gives the table one input for each move.
func (g *Gateway) each(o *sessions.Moves, input func(*handover.Table, sessions.Relocation) []handover.Effect) {
	for _, m := range o.Moved {
		g.routed(func(t *handover.Table) []handover.Effect { return input(t, m) })
	}
}

func obey[O any](body []byte, parse func(*O, []byte) error, do func(*O)) error {
	o := new(O)
	if err := parse(o, body); err != nil {
		return err
	}
	do(o)
	return nil
}

// hand gives a session that is here an order; one that has moved gets it by the
// table. It reports false when nobody knows the session.
func (g *Gateway) hand(at uint64, here func(*session) bool, o handover.Order) bool {
	if g.direct(at, o) {
		return true
	}
	if s := g.sessions.find(at); s != nil && here(s) {
		return true
	}
	return g.direct(at, o) // it may have been given away a moment ago
}

// kick ends sessions.
func (g *Gateway) kick(from placement.NodeID, sender mallee.ID, order *sessions.Kick) {
	var moved []sessions.Relocation
	for _, at := range order.Sessions {
		one := sessions.Kick{Sessions: []uint64{at}, Reason: order.Reason, Why: order.Why}
		here := func(s *session) bool { return s.kick(order.Reason, order.Why) }
		if !g.hand(at, here, handover.Order{Kind: handover.Other, Origin: from, Sender: sender, Name: sessions.OrderKick, Body: one.Append(nil)}) {
			moved = append(moved, sessions.Relocation{From: at})
		}
	}
	g.tell(sender, moved)
}

// kick reports whether the session is here.
func (s *session) kick(reason mallee.DisconnectReason, why string) bool {
	code := edge.CodeKicked
	if reason == mallee.DisconnectReplaced {
		code = edge.CodeReplaced
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to != 0 {
		return false
	}
	if s.state < taken && !s.plain {
		s.gateway.verdicts.add(s.id, edge.Closed{Code: code, Reason: why}, s.gateway.now())
	}
	s.finish(reason, code, why)
	return true
}

// bind gives a session to another actor.
func (g *Gateway) bind(from placement.NodeID, sender mallee.ID, order *sessions.Bind) {
	here := func(s *session) bool { return s.bind(order.To) }
	if !g.hand(order.Session, here, handover.Order{Kind: handover.Other, Origin: from, Sender: sender, Name: sessions.OrderBind, Body: order.Append(nil)}) {
		g.tell(sender, []sessions.Relocation{{From: order.Session}})
	}
}

// bind reports whether the session is here.
func (s *session) bind(to mallee.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to != 0 {
		return false
	}
	if s.state != ended && to != s.actor {
		s.next = to
		s.work()
	}
	return true
}
