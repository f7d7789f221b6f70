package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node/internal/link"
	"github.com/mallee-io/mallee/placement"
)

// edge is what a node has to do with gateways: that of its own process, and those
// where the sessions of its actors are.
type edge struct {
	gateway  atomic.Pointer[gateway]
	orders   orders
	places   sessions.Places
	suspects sync.Map // of placement.NodeID, while somebody looks after them
}

// gateway is that of this process.
type gateway struct{ sessions.Gateway }

// AttachGateway gives the node the gateway of its process, which gets the orders
// and questions for it until detach is called. A node has at most one.
func (n *Node) AttachGateway(g sessions.Gateway) (detach func(), err error) {
	own := &gateway{g}
	if !n.edge.gateway.CompareAndSwap(nil, own) {
		return nil, mallee.ErrInvalid.Errorf("node %s has a gateway already", n.config.Name)
	}
	return func() { n.edge.gateway.CompareAndSwap(own, nil) }, nil
}

// Tell gives an order to the gateway of a node; the sender is an actor, or
// empty. It returns when the order is on its way, and what one goroutine tells
// arrives once and in its order, as long as both nodes live: it is kept until it
// has arrived. The body must not change any more. What fails has certainly not
// arrived, and the gateway will hear that something is missing, if its node lives.
func (n *Node) Tell(ctx context.Context, to placement.NodeID, sender mallee.ID, order string, body []byte) error {
	switch {
	case ctx.Err() != nil:
		return mallee.AsError(ctx.Err()).BeforeRun()
	case !n.owns():
		return mallee.ErrFenced.Errorf("node %s has lost its lease and gives no orders", n.config.Name).BeforeRun()
	case to == n.ID():
		n.obey(to, sender, order, body)
		return nil
	case n.config.Network == nil:
		return mallee.ErrUnavailable.Errorf("node %s is alone: there is no gateway on node %s", n.config.Name, to).BeforeRun()
	}
	err := n.give(to, link.Order{Sender: sender, Name: order, Body: body})
	if errors.Is(err, mallee.ErrUnavailable) {
		n.suspect(to)
	}
	return err
}

// AskGateway asks the gateway of a node and returns its answer. The error is one
// of mallee's, and says whether the question has certainly not been answered.
func (n *Node) AskGateway(ctx context.Context, to placement.NodeID, name string, body []byte) ([]byte, error) {
	switch {
	case !n.owns():
		return nil, mallee.ErrFenced.Errorf("node %s has lost its lease and asks nobody", n.config.Name).BeforeRun()
	case to == n.ID():
		return n.reply(ctx, to, name, body)
	case n.config.Network == nil:
		return nil, mallee.ErrUnavailable.Errorf("node %s is alone: there is no gateway on node %s", n.config.Name, to).BeforeRun()
	}
	end := endOf(ctx, n.config.CallTimeout)
	o := n.remote.begin(end)
	o.Message = transport.Message{Kind: transport.Edge, Method: name, Timeout: time.Until(end), Body: append(o.Body, body...)}
	answer, err := n.exchange(ctx, to, o)
	if err != nil {
		return nil, fmt.Errorf("ask the gateway of node %s: %w", to, err)
	}
	return answer.Body, refused(answer)
}

// receiveEdge takes what another node has for the gateway of this one.
func (n *Node) receiveEdge(from placement.NodeID, m *transport.Message) {
	if m.Call == 0 {
		n.obey(from, m.Actor, m.Method, m.Body)
		return
	}
	n.served.open.Add(1)
	in := incoming{from, m, time.Now().Add(m.Timeout)}
	if m.Method == sessions.AskFlush { // here it is behind the orders
		n.acknowledge(from)
		n.answer(in, transport.Message{})
		return
	}
	go func() {
		ctx, cancel := context.WithDeadline(n.ended, in.end)
		defer cancel()
		body, err := n.reply(ctx, from, m.Method, m.Body)
		if err != nil {
			n.answer(in, transport.Message{Error: mallee.AsError(err)})
			return
		}
		n.answer(in, transport.Message{Body: body})
	}()
}

// obey hands an order to the gateway of this process.
func (n *Node) obey(from placement.NodeID, sender mallee.ID, order string, body []byte) {
	if g := n.edge.gateway.Load(); g != nil {
		g.Order(from, sender, order, body)
		return
	}
	n.config.Log.Debug("order for a gateway that is not there", "order", order, "sender", sender, "from", from)
	if order == sessions.OrderPush && sender != (mallee.ID{}) {
		go n.returnPush(sender, body)
	}
}

// returnPush tells an actor that the sessions it has sent to have ended.
func (n *Node) returnPush(sender mallee.ID, body []byte) {
	ctx, cancel := context.WithTimeout(n.ended, n.config.CallTimeout)
	defer cancel()
	if err := sessions.Return(ctx, n, sender, body); err != nil {
		n.config.Log.Warn("an actor goes on sending to sessions that have ended", "actor", sender, "error", err)
	}
}

// reply answers a question.
func (n *Node) reply(ctx context.Context, from placement.NodeID, name string, body []byte) ([]byte, error) {
	switch name {
	case sessions.AskFlush:
		return nil, nil
	case sessions.AskFlushMoved:
		return nil, n.flushMoved(ctx, body)
	}
	g := n.edge.gateway.Load()
	if g == nil {
		return nil, mallee.ErrNotFound.Errorf("node %s has no gateway", n.config.Name).BeforeRun()
	}
	return g.Answer(ctx, from, name, body)
}

// flushMoved learns where sessions are now, and sends a marker to the gateway
// where they were, behind all that the node's actors have sent there.
func (n *Node) flushMoved(ctx context.Context, body []byte) error {
	var m sessions.Marker
	if err := m.Parse(body); err != nil || len(m.Moved) == 0 {
		return mallee.ErrInvalid.Errorf("no sessions have moved: %v", err).BeforeRun()
	}
	old := sessions.GatewayOf(m.Moved[0].From)
	return n.edge.places.Flush(old, m.Moved, func() error {
		return n.Tell(ctx, old, mallee.ID{}, sessions.OrderMarker, body)
	})
}

// gone tells the gateway, and the actors whose sessions were there, that a
// member is not one any more.
func (n *Node) gone(id placement.NodeID) {
	n.edge.orders.bury(n.ID(), id)
	n.edge.places.Forget(id)
	if g := n.edge.gateway.Load(); g != nil {
		g.Lost(id)
	}
	n.runtime.Vanish(sessions.Span(id))
}

// renamed tells the gateway, and the other replicas, that the node has another ID.
func (n *Node) renamed() {
	n.replicas.Renamed()
	if g := n.edge.gateway.Load(); g != nil {
		g.Renamed(n.ID())
	}
}
