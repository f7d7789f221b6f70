package transport

import (
	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/koala"
)

// forClients takes what a host has for clients of this process's gateway, on
// whichever connection.
func (c *koalaConn) forClients(m koala.Message, body []byte) {
	switch m := m.(type) {
	case *koala.RequestSendMessageToSession:
		push := sessions.Push{Sessions: placesOf(m.Targets()), Message: mallee.Binary(body)}
		if len(push.Sessions) > 0 {
			c.life.orderGateway(c.id, sessions.OrderPush, push.Append(nil))
		}
	case *koala.RequestCloseSession:
		if who, ok := c.life.logins.take(uint64(m.SessionID)); ok {
			c.life.refuse(who, mallee.NewError("login_refused", "the account has refused the login"))
			return
		}
		kick := sessions.Kick{Sessions: placesOf([]int64{m.SessionID}), Reason: mallee.DisconnectKicked, Why: "closed by its actor"}
		c.life.orderGateway(c.id, sessions.OrderKick, kick.Append(nil))
	case *koala.ResponseAccountLogin:
		c.loginAnswered(m)
	}
}

// loginAnswered completes a login. An answer that nobody waits for gives the
// session to another actor.
func (c *koalaConn) loginAnswered(m *koala.ResponseAccountLogin) {
	to := mallee.ID{Type: m.ActorType, Key: m.ActorID}
	var err error
	if who, ok := c.life.logins.take(uint64(m.SessionID)); ok {
		err = c.life.admit(who, to)
	} else if err = to.Validate(); err == nil {
		c.life.orderGateway(c.id, sessions.OrderBind, (&sessions.Bind{Session: uint64(m.SessionID), To: to}).Append(nil))
	}
	if err != nil {
		c.life.config.Log.Warn("answer to a login dropped", "host", c.id, "session", m.SessionID, "error", err)
	}
}

// placesOf are session ids as a mallee.Session.At; what cannot be one is left out.
func placesOf(ids []int64) []uint64 {
	at := make([]uint64, 0, len(ids))
	for _, id := range ids {
		if id > 0 {
			at = append(at, uint64(id))
		}
	}
	return at
}

// orderGateway gives an order to the gateway of this process.
func (l *koalaLife) orderGateway(from placement.NodeID, order string, body []byte) {
	l.receive(from, &Message{Kind: Edge, Method: order, Body: body})
}

// orderOnce gives an order of a node's link, and acknowledges it in the place of
// the gateway, which knows no such thing.
func (l *koalaLife) orderOnce(gateway placement.NodeID, m *Message) error {
	err := l.order(gateway, &Message{Kind: Edge, Actor: m.Actor, Method: m.Method, Body: m.Body})
	if err == nil {
		l.handler.Receive(gateway, &Message{Kind: Ack, Call: m.Call})
	}
	return err
}

// order is what an actor of this node has for clients of one of Koala's own
// gateways.
func (l *koalaLife) order(gateway placement.NodeID, m *Message) error {
	switch {
	case m.Method == sessions.AskFlush: // to such a gateway nodes have no order between them
		l.handler.Receive(gateway, &Message{Kind: Reply, Call: m.Call})
		return nil
	case !l.members.gateway(gateway), m.Call != 0:
		return mallee.ErrInvalid.Errorf("host %s takes no %s for gateways", gateway, m.Method).BeforeRun()
	}
	switch m.Method {
	case sessions.OrderPush:
		var push sessions.Push
		if err := push.Parse(m.Body); err != nil {
			return mallee.ErrInvalid.Errorf("%v", err).BeforeRun()
		}
		return l.tellEach(gateway, push.Sessions, push.Message.Data, func(at uint64) koala.Message {
			return &koala.RequestSendMessageToSession{SessionID: int64(at)} // one each: the original delivers no others
		})
	case sessions.OrderKick:
		var kick sessions.Kick
		if err := kick.Parse(m.Body); err != nil {
			return mallee.ErrInvalid.Errorf("%v", err).BeforeRun()
		}
		return l.tellEach(gateway, kick.Sessions, nil, func(at uint64) koala.Message {
			return &koala.RequestCloseSession{SessionID: int64(at), ActorType: m.Actor.Type}
		})
	case sessions.OrderBind:
		var bind sessions.Bind
		if err := bind.Parse(m.Body); err != nil {
			return mallee.ErrInvalid.Errorf("%v", err).BeforeRun()
		}
		return l.tellEach(gateway, []uint64{bind.Session}, nil, func(at uint64) koala.Message {
			return &koala.ResponseAccountLogin{SessionID: int64(at), ActorType: bind.To.Type, ActorID: bind.To.Key}
		})
	}
	return nil // that an activation has ended is nothing to a gateway which announces nothing again
}

// tellEach returns the first error, and goes on with the other sessions.
func (l *koalaLife) tellEach(gateway placement.NodeID, at []uint64, body []byte, say func(at uint64) koala.Message) (first error) {
	for _, session := range at {
		err := l.tell(gateway, session, say(session), body)
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}
