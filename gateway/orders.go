package gateway

import (
	"context"

	"github.com/mallee-io/mallee"
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
		return obey(body, (*sessions.Push).Parse, func(o *sessions.Push) { g.push(sender, o) })
	case sessions.OrderKick:
		return obey(body, (*sessions.Kick).Parse, func(o *sessions.Kick) { g.kick(sender, o) })
	case sessions.OrderBind:
		return obey(body, (*sessions.Bind).Parse, func(o *sessions.Bind) { g.bind(sender, o) })
	case sessions.OrderDetached:
		return obey(body, (*sessions.Detached).Parse, g.detached)
	}
	return mallee.ErrNotFound.Errorf("no order has the name %q", name)
}

func obey[O any](body []byte, parse func(*O, []byte) error, do func(*O)) error {
	o := new(O)
	if err := parse(o, body); err != nil {
		return err
	}
	do(o)
	return nil
}

// kick ends sessions.
func (g *Gateway) kick(sender mallee.ID, order *sessions.Kick) {
	code := edge.CodeKicked
	if order.Reason == mallee.DisconnectReplaced {
		code = edge.CodeReplaced
	}
	var moved []sessions.Relocation
	for i, s := range g.sessions.findAll(nil, order.Sessions) {
		if s == nil {
			moved = append(moved, sessions.Relocation{From: order.Sessions[i]})
			continue
		}
		s.mu.Lock()
		s.finish(order.Reason, code, order.Why)
		s.mu.Unlock()
	}
	g.tell(sender, moved)
}

// bind gives a session to another actor.
func (g *Gateway) bind(sender mallee.ID, order *sessions.Bind) {
	s := g.sessions.find(order.Session)
	if s == nil {
		g.tell(sender, []sessions.Relocation{{From: order.Session}})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state < taken && order.To != s.actor {
		s.next = order.To
		s.work()
	}
}

// Answer answers another gateway.
func (g *Gateway) Answer(_ context.Context, _ placement.NodeID, name string, _ []byte) ([]byte, error) {
	return nil, mallee.ErrNotFound.Errorf("no question has the name %q", name)
}
