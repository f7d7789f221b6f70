package transport

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/koala"
)

// What a gateway calls is no RPC of Koala. Towards a host it becomes messages of
// their own, which hosts do not answer, but for a login. So each call runs here,
// on a stand-in for the actor, and is answered as soon as its message is on its
// way. That keeps the order of a session, as hosts keep that of a connection.

// represented are the calls that stand-ins take, by interface and method.
func represented() map[string]func() mallee.Call {
	calls := make(map[string]func() mallee.Call)
	for _, i := range []mallee.Interface{sessions.MalleeSessionsInterface(), account.AccountsInterface()} {
		for _, m := range i.Methods {
			calls[i.Name+"."+m.Name] = m.New
		}
	}
	return calls
}

// represents reports whether actors of hosts have stand-ins for calls of an
// interface.
func (k *Koala) represents(iface string) bool {
	return iface == "MalleeSessions" || iface == "Accounts"
}

// standIn is an actor of a host, as gateways see it, for one call.
type standIn struct {
	life *koalaLife
	host placement.NodeID
	m    *Message
	end  time.Time // how long the caller waits
}

// reach finds or dials the connection to the host.
func (a *standIn) reach() (*koalaConn, error) { return a.life.connection(a.host, time.Until(a.end)) }

var (
	_ sessions.MalleeSessions = (*standIn)(nil)
	_ account.Accounts        = (*standIn)(nil)
)

// errAwaited says that the host will answer.
var errAwaited = errors.New("the host answers")

// represent runs a call on the stand-in. With an error nothing has been sent.
func (l *koalaLife) represent(host placement.NodeID, m *Message) error {
	decode := l.calls[m.Interface+"."+m.Method]
	if decode == nil || m.Encoding != MessagePack {
		return mallee.ErrNotFound.Errorf("%s.%s: nothing of host %s takes this call", m.Actor, m.Method, host).BeforeRun()
	}
	call := decode()
	if err := call.DecodeArgs(m.Body); err != nil {
		return mallee.ErrInvalid.Errorf("decode arguments of %s.%s: %v", m.Actor, m.Method, err).BeforeRun()
	}
	err := call.Run(l.ctx, &standIn{l, host, m, time.Now().Add(m.Timeout)})
	if err == errAwaited {
		return nil
	}
	if err != nil {
		return err
	}
	return l.reply(host, m.Call, call)
}

// reply answers a call of this node in the place of the host.
func (l *koalaLife) reply(host placement.NodeID, id uint64, call mallee.Call) error {
	if id == 0 {
		return nil
	}
	results, err := call.AppendResults(nil)
	if err != nil {
		return mallee.ErrInvalid.Errorf("encode results of %s: %v", call.Method(), err)
	}
	l.handler.Receive(host, &Message{Kind: Reply, Call: id, Body: results})
	return nil
}

// Connect waits until the host has dialled this node, since what its actor
// sends to the client would else be lost for as long as the session lives.
func (a *standIn) Connect(_ context.Context, s mallee.Session, how mallee.Arrival, alone bool) (sessions.Host, error) {
	c, err := a.reach()
	if err != nil {
		return sessions.Host{}, err
	}
	if err := a.life.audience.wait(a.host, a.end); err != nil {
		return sessions.Host{}, err
	}
	replaced, err := a.life.audience.announce(c, a.m.Actor, announced{s, how}, alone)
	if len(replaced) > 0 {
		a.life.orderGateway(a.host, sessions.OrderKick, (&sessions.Kick{Sessions: replaced, Reason: mallee.DisconnectReplaced}).Append(nil))
	}
	// Hosts do not say when an activation ends: it is later than all that do.
	return sessions.Host{Node: uint64(a.host), Epoch: math.MaxUint64}, err
}

// Message waits as Connect does: else its answer could be lost.
func (a *standIn) Message(_ context.Context, session uint64, m mallee.Message) error {
	c, err := a.reach()
	if err != nil {
		return err
	}
	if err := a.life.audience.wait(a.host, a.end); err != nil {
		return err
	}
	s, ok := a.life.audience.find(a.host, a.m.Actor, session)
	if !ok {
		return sessions.ErrDetached.Errorf("session %d has not been announced to host %s", session, a.host).BeforeRun()
	}
	return c.notify(&koala.NotifyNewActorMessage{SessionID: int64(s.At), ActorType: a.m.Actor.Type, ActorID: a.m.Actor.Key}, m.Data)
}

func (a *standIn) Disconnect(_ context.Context, s mallee.Session, _ mallee.DisconnectReason) error {
	if !a.life.audience.end(a.host, a.m.Actor, s) {
		return nil
	}
	c, err := a.reach()
	if err != nil {
		return err
	}
	return c.notify(&koala.NotifyActorSessionAborted{SessionID: int64(s.At), ActorType: a.m.Actor.Type, ActorID: a.m.Actor.Key}, nil)
}

// Moved has no message: hosts know sessions by where they are.
func (a *standIn) Moved(context.Context, []sessions.Relocation) error { return nil }

// notify sends what nobody answers.
func (c *koalaConn) notify(m koala.Message, body []byte) error {
	if err := c.send(Request, m, body); err != nil {
		return c.unsent(err)
	}
	return nil
}

// newSession is how a host hears of a session.
func newSession(actor mallee.ID, s *announced) *koala.NotifyNewActorSession {
	return &koala.NotifyNewActorSession{
		OpenID: s.User, ServerID: s.how.Server, ActorType: actor.Type, ActorID: actor.Key, SessionID: int64(s.At),
	}
}
