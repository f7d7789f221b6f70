package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
)

// moves are the sessions that have come from other gateways or have gone there.
// What comes for them goes through a table, which knows what has to wait so that
// nothing is overtaken.
type moves struct {
	mu     sync.Mutex // held until the effects of an input are done
	table  *handover.Table
	routes atomic.Int64 // of the table
}

// active is false where there is nothing to look up.
func (m *moves) active() bool { return m.routes.Load() > 0 }

// routed does what the table wants after an input.
func (g *Gateway) routed(input func(*handover.Table) []handover.Effect) {
	g.moves.mu.Lock()
	defer g.moves.mu.Unlock()
	g.carryOut(input(g.moves.table))
	g.moves.routes.Store(int64(g.moves.table.Len()))
}

// routeEnded says that a session which is here is over.
func (g *Gateway) routeEnded(at uint64) {
	g.routed(func(t *handover.Table) []handover.Effect { return t.Ended(at) })
}

// direct takes an order that its sender's node has given to this gateway, if the
// session has moved.
func (g *Gateway) direct(at uint64, o handover.Order) (moved bool) {
	if !g.moves.active() {
		return false
	}
	g.routed(func(t *handover.Table) []handover.Effect {
		if moved = t.Has(at); !moved {
			return nil
		}
		return t.Direct(at, o)
	})
	if to := g.where(at); moved && to != 0 && o.Sender != (mallee.ID{}) {
		g.tell(o.Sender, []sessions.Relocation{{From: at, To: to}})
	}
	return moved
}

// where is the place where a session has gone; 0: it is here, or unknown.
func (g *Gateway) where(at uint64) uint64 {
	g.moves.mu.Lock()
	defer g.moves.mu.Unlock()
	return g.moves.table.Where(at)
}

// carryOut needs the lock of the moves.
func (g *Gateway) carryOut(effects []handover.Effect) {
	for _, e := range effects {
		move := []sessions.Relocation{{From: e.From, To: e.At}}
		switch e.Do {
		case handover.Deliver:
			g.arrived(e.At, &e.Order)
		case handover.Forward:
			g.forward(&e)
		case handover.Flush:
			marker := sessions.Marker{Origin: e.Node, Moved: move}
			relay := sessions.Relay{To: sessions.GatewayOf(e.From), Order: sessions.OrderMarker, Body: marker.Append(nil)}
			g.post(e.Node, post{name: sessions.AskRelay, body: relay.Append(nil), ask: true})
		case handover.Ended:
			g.post(e.Node, post{name: sessions.OrderEnded, body: (&sessions.Moves{Moved: move}).Append(nil)})
		case handover.Retire:
			g.post(e.Node, post{name: sessions.OrderRetire, body: (&sessions.Moves{Moved: []sessions.Relocation{{From: e.At}}}).Append(nil)})
		case handover.Retired:
			g.post(e.Node, post{name: sessions.OrderRetired, body: (&sessions.Moves{Moved: []sessions.Relocation{{To: e.At}}}).Append(nil)})
		}
	}
}

// forward sends an order on to where its session is.
func (g *Gateway) forward(e *handover.Effect) {
	g.counts.forwarded.Add(1)
	f := sessions.Forward{Origin: e.Order.Origin, From: e.From}
	switch e.Order.Kind {
	case handover.Push:
		push := sessions.Push{Sessions: []uint64{e.At}, Message: received(e.Order.Frame.Frame)}
		f.Order, f.Body = sessions.OrderPush, push.Append(nil)
	case handover.Other:
		f.Order, f.Body = e.Order.Name, redirected(&e.Order, e.At)
	case handover.Missing, handover.Unknown:
		f.Order, f.Body = sessions.OrderMissing, (&sessions.Missing{Session: e.At, Count: e.Order.Missing}).Append(nil)
	case handover.Marker:
		marker := sessions.Marker{Origin: e.Order.Origin, Moved: []sessions.Relocation{{From: e.From, To: e.At}}}
		g.post(e.Node, post{name: sessions.OrderMarker, body: marker.Append(nil)})
		return
	}
	g.post(e.Node, post{sender: e.Order.Sender, name: sessions.OrderForward, body: f.Append(nil)})
}

// redirected is the body of an order for one session, at another place.
func redirected(o *handover.Order, at uint64) []byte {
	switch o.Name {
	case sessions.OrderKick:
		var kick sessions.Kick
		if kick.Parse(o.Body) == nil {
			kick.Sessions = []uint64{at}
			return kick.Append(nil)
		}
	case sessions.OrderBind:
		var bind sessions.Bind
		if bind.Parse(o.Body) == nil {
			bind.Session = at
			return bind.Append(nil)
		}
	}
	return nil // it was parsed before it came into the table
}

// post is something for another gateway, or its node.
type post struct {
	sender mallee.ID
	name   string
	body   []byte
	ask    bool // a question, whose answer has nothing in it
}

// posts wait for each node in their order.
type posts struct {
	mu sync.Mutex
	to map[placement.NodeID][]post // with an entry while a goroutine sends
}

// post sends behind what was posted before, and does not wait for it.
func (g *Gateway) post(to placement.NodeID, p post) {
	g.posts.mu.Lock()
	defer g.posts.mu.Unlock()
	waiting, sending := g.posts.to[to]
	g.posts.to[to] = append(waiting, p)
	if !sending {
		go g.sendPosts(to)
	}
}

// sendPosts ends when nothing waits. What cannot be sent has not arrived, and is
// tried again while the node may live.
func (g *Gateway) sendPosts(to placement.NodeID) {
	var trouble time.Duration
	for {
		p, ok := g.posts.first(to)
		if !ok {
			return
		}
		err := g.sendPost(to, &p)
		if now := g.now(); err != nil && g.ended.Err() == nil && !g.announcing.hasLost(to) && (trouble == 0 || now-trouble < g.config.Window) {
			if trouble == 0 {
				trouble = now
			}
			g.pause(min(max(now-trouble, firstPause), lastPause))
			continue
		}
		if err != nil {
			g.log.Warn("another gateway was not told what concerns it", "node", to, "order", p.name, "error", err)
		} else {
			trouble = 0
		}
		g.posts.pop(to)
	}
}

func (g *Gateway) sendPost(to placement.NodeID, p *post) error {
	if !p.ask {
		return g.config.Node.Tell(g.ended, to, p.sender, p.name, p.body)
	}
	ctx, cancel := context.WithTimeout(g.ended, takeTimeout)
	defer cancel()
	_, err := g.config.Node.AskGateway(ctx, to, p.name, p.body)
	return err
}

func (p *posts) first(to placement.NodeID) (post, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := p.to[to]
	if len(waiting) == 0 {
		delete(p.to, to)
		return post{}, false
	}
	return waiting[0], true
}

func (p *posts) pop(to placement.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := p.to[to]
	waiting[0] = post{}
	p.to[to] = waiting[1:]
}

func (p *posts) count() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, waiting := range p.to {
		n += len(waiting)
	}
	return n
}
