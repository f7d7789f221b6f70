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
	"github.com/mallee-io/mallee/wire"
)

// linkBounds are those of the orders for one gateway.
var linkBounds = link.Bounds{Bytes: transport.DefaultPending, Away: 30 * time.Second}

// outbound has the orders for the gateway of another node.
type outbound struct {
	from, to placement.NodeID

	sending sync.Mutex        // held from the number of an order until it is sent
	message transport.Message // what is sent

	mu   sync.Mutex
	link link.Out
	over error // the life of one of the nodes has ended
}

func newOutbound(from, to placement.NodeID) *outbound {
	return &outbound{from: from, to: to, link: link.NewOut(&linkBounds)}
}

func (l *outbound) close(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over == nil {
		l.over, l.link = why, link.NewOut(&linkBounds)
	}
}

// has reports whether one of the first orders may be on its way.
func (l *outbound) has(first uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	point, any := l.link.Oldest()
	return any && point <= first
}

// give sends an order to another node, or keeps it until that can be done.
func (n *Node) give(to placement.NodeID, o link.Order) error {
	if len(o.Body) > wire.MaxFrameBody {
		return mallee.ErrInvalid.Errorf("an order %s of %d bytes: at most %d can be sent to another node", o.Name, len(o.Body), wire.MaxFrameBody).BeforeRun()
	}
	l := n.edge.orders.open(n.ID(), to)
	l.sending.Lock()
	defer l.sending.Unlock()
	fate, err := l.add(&o, &n.edge.orders)
	if err != nil || fate == link.Wait {
		return err
	}
	if err := n.sendOrder(l, &o); err != nil {
		return n.unsent(l, &o, err)
	}
	return nil
}

// add takes an order. The error says that it is refused.
func (l *outbound) add(o *link.Order, all *orders) (link.Fate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		return 0, l.over
	}
	o.Point = all.count.Add(1)
	fate := l.link.Add(o)
	switch fate {
	case link.Full:
		return fate, mallee.ErrOverloaded.Errorf("node %s is slow to take what is sent to it: more than %d bytes wait for it", l.to, linkBounds.Bytes).BeforeRun()
	case link.Away:
		return fate, mallee.ErrUnavailable.Errorf("node %s has not been reached for more than %v", l.to, linkBounds.Away).BeforeRun()
	}
	return fate, nil
}

// sendOrder needs sending. It does not wait for a connection.
func (n *Node) sendOrder(l *outbound, o *link.Order) error {
	if !n.owns() {
		return mallee.ErrFenced.Errorf("node %s has lost its lease and gives no orders", n.config.Name).BeforeRun()
	}
	l.message = transport.Message{Kind: transport.Order, Call: o.Number, Actor: o.Sender, Method: o.Name, Body: o.Body}
	if o.Gap != 0 {
		l.message.Method, l.message.Body = sessions.OrderGap, (&sessions.Gap{First: o.Gap}).Append(nil)
	}
	err := n.config.Network.Send(l.from, l.to, &l.message)
	l.message = transport.Message{}
	return err
}

// unsent keeps an order for later that could not be sent, unless it never can. It
// needs sending.
func (n *Node) unsent(l *outbound, o *link.Order, cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over != nil:
		return l.over
	case !passing(cause):
		l.link.Refused(o.Number)
		return cause
	case l.link.Unsent(o.Number, time.Now()):
		go n.mend(l)
	}
	return nil
}

// passing reports whether a message that was not sent may be sent later.
func passing(err error) bool {
	return errors.Is(err, mallee.ErrUnavailable) || errors.Is(err, mallee.ErrOverloaded)
}

// acknowledged takes note of what another node has.
func (n *Node) acknowledged(from placement.NodeID, number uint64) {
	if l := n.edge.orders.to(from); l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.link.Ack(number, time.Now()) {
			go n.mend(l)
		}
	}
}

// sendAgain sends what may have been lost with a connection.
func (n *Node) sendAgain(to placement.NodeID) {
	if l := n.edge.orders.to(to); l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.link.Lost(time.Now()) {
			go n.mend(l)
		}
	}
}

// Pauses between attempts to mend a link.
const (
	firstMend = 10 * time.Millisecond
	lastMend  = time.Second
)

// mend sends what waits for another node, and looks for a connection to it where
// there is none.
func (n *Node) mend(l *outbound) {
	looked := time.Time{}
	for pause := firstMend; !n.resend(l); pause = min(2*pause, lastMend) {
		_, err := n.AskGateway(n.ended, l.to, sessions.AskFlush, nil) // which dials
		if err == nil && n.resend(l) {
			return
		}
		if now := time.Now(); err != nil && now.Sub(looked) >= linkBounds.Away {
			if n.left(l.to) {
				n.gone(l.to)
				return
			}
			n.suspect(l.to)
			looked = now
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-n.ended.Done():
			timer.Stop()
			return
		}
	}
}

// resend sends all that waits. It reports false when that cannot be done now.
func (n *Node) resend(l *outbound) (done bool) {
	l.sending.Lock()
	defer l.sending.Unlock()
	for {
		o, more := l.next()
		if !more {
			return true
		}
		if err := n.sendOrder(l, &o); err != nil {
			return n.postpone(l, &o, err)
		}
	}
}

func (l *outbound) next() (link.Order, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		return link.Order{}, false
	}
	return l.link.Next()
}

// postpone keeps an order of a link that is in trouble, unless that has lasted
// for too long. It needs sending, and reports whether the link has ended.
func (n *Node) postpone(l *outbound, o *link.Order, cause error) (done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	switch {
	case l.over != nil:
		return true
	case !passing(cause) && o.Gap == 0 && !errors.Is(cause, mallee.ErrFenced):
		n.config.Log.Error("an order cannot be sent, and is left out", "to", l.to, "order", o.Name, "error", cause)
		l.link.Refused(o.Number)
		return false
	}
	l.link.Unsent(o.Number, now)
	if l.link.Expire(now) && o.Gap == 0 {
		n.config.Log.Warn("what was to be told a gateway is given up", "gateway", l.to, "for", linkBounds.Away, "error", cause)
	}
	return false
}
