package transport

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/koala"
)

// Bounds of what Koala's own gateways may have waiting here.
const (
	maxGuests       = 1 << 20
	maxGuestNotices = 256 // of one session
	maxAttachments  = 3   // for one message: its actor may end each time
	accountKeys     = 2048
)

// guests are sessions of Koala's own gateways, of which this node hears. It
// calls their actors in the place of the gateway, wherever those live, one call
// of a session after the other. Such a gateway does not announce a session twice,
// and many say nothing at its end: so an actor that does not know the session of
// a message is told of it, and a session that is silent for long has ended.
type guests struct {
	life   *koalaLife
	caller mallee.Caller // nil: the handler calls no actors

	mu     sync.Mutex
	all    map[uint64]*guest
	bytes  int // of what waits
	logins int // that wait for an account
	swept  time.Time
}

// guest is one of them.
type guest struct {
	at uint64

	// Guarded by guests.mu.
	conn    *koalaConn // that has brought its latest message
	heard   time.Time
	waiting []notice
	busy    bool // a goroutine works for it
	closed  bool // by an actor; its gateway may go on even so

	// Of the goroutine.
	user  string
	actor mallee.ID
}

// notice is a message of a gateway. Without one, the session is too long silent.
type notice struct {
	m    koala.Message
	body []byte
}

func (g *guests) init(l *koalaLife) {
	g.life, g.all, g.swept = l, make(map[uint64]*guest), time.Now()
	g.caller, _ = l.handler.(mallee.Caller)
}

// ofClients takes what a gateway has for actors.
func (c *koalaConn) ofClients(m koala.Message, body []byte) {
	var session int64
	switch m := m.(type) {
	case *koala.NotifyNewActorSession:
		session = m.SessionID
	case *koala.NotifyNewActorMessage:
		session = m.SessionID
	case *koala.NotifyActorSessionAborted:
		session = m.SessionID
	case *koala.RequestAccountLogin:
		session = m.SessionID
	}
	if server := koala.SessionServer(session); server != 0 && !c.ofHost.Load() {
		c.gateway.Store(uint64(server))
	}
	if err := c.life.guests.take(c, uint64(session), notice{m, body}); err != nil {
		c.life.config.Log.Warn("message of a gateway dropped", "node", c.life.node, "session", session, "type", m.TypeName(), "error", err)
	}
}

func (g *guests) take(c *koalaConn, at uint64, n notice) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.caller == nil:
		return errors.New("this node calls no actors")
	case int64(at) <= 0:
		return errors.New("it names no session")
	case g.bytes+len(n.body) > g.life.config.Pending:
		return errors.New("too many bytes wait for actors")
	}
	if m, ok := n.m.(*koala.RequestAccountLogin); ok {
		return g.login(c, m, n.body)
	}
	s := g.all[at]
	if s == nil {
		if len(g.all) >= maxGuests {
			return errors.New("there are too many sessions")
		}
		s = &guest{at: at}
		g.all[at] = s
	}
	s.conn, s.heard = c, time.Now()
	return g.push(s, n)
}

// push needs mu.
func (g *guests) push(s *guest, n notice) error {
	_, begins := n.m.(*koala.NotifyNewActorSession)
	_, says := n.m.(*koala.NotifyNewActorMessage)
	switch {
	case begins:
		s.closed = false
	case says && s.closed:
		return nil // to its client, too, the session has ended
	case says && len(s.waiting) >= maxGuestNotices:
		return errors.New("too many messages of the session wait for its actor")
	}
	s.waiting = append(s.waiting, n)
	g.bytes += len(n.body)
	if !s.busy {
		s.busy = true
		g.life.running.Go(func() { g.work(s) })
	}
	return nil
}

// close keeps messages of a session back that an actor has closed.
func (g *guests) close(at uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.all[at]; s != nil {
		s.closed = true
	}
}

// work calls the session's actor until nothing waits.
func (g *guests) work(s *guest) {
	for {
		n, ok := g.next(s)
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(g.life.ctx, g.life.config.CallTimeout)
		err := g.call(ctx, s, n)
		cancel()
		switch {
		case mallee.SafeToRetry(err):
			g.life.config.Log.Warn("message of a gateway lost", "node", g.life.node, "session", s.at, "actor", s.actor, "error", err)
		case err != nil:
			g.life.config.Log.Debug("an actor failed with a message of a gateway", "node", g.life.node, "session", s.at, "actor", s.actor, "error", err)
		}
	}
}

func (g *guests) next(s *guest) (notice, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(s.waiting) == 0 {
		s.busy, s.waiting = false, nil
		return notice{}, false
	}
	n := s.waiting[0]
	s.waiting[0] = notice{}
	s.waiting = s.waiting[1:]
	g.bytes -= len(n.body)
	return n, true
}

func (g *guests) call(ctx context.Context, s *guest, n notice) error {
	switch m := n.m.(type) {
	case *koala.NotifyNewActorSession:
		to := mallee.ID{Type: m.ActorType, Key: m.ActorID}
		if s.actor != to && s.actor != (mallee.ID{}) {
			_ = g.of(s).Disconnect(ctx, s.session(), mallee.DisconnectRebound) // where it fails the actor has ended
		}
		s.actor, s.user = to, m.OpenID
		return g.connect(ctx, s, mallee.Arrival{Login: n.body}, true)
	case *koala.NotifyNewActorMessage:
		s.actor = mallee.ID{Type: m.ActorType, Key: m.ActorID}
		err := g.of(s).Message(ctx, s.at, mallee.Binary(n.body))
		for tries := 0; errors.Is(err, sessions.ErrDetached) && tries < maxAttachments; tries++ {
			if err = g.connect(ctx, s, mallee.Arrival{Again: true}, false); err == nil {
				err = g.of(s).Message(ctx, s.at, mallee.Binary(n.body))
			}
		}
		return err
	case *koala.NotifyActorSessionAborted:
		s.actor = mallee.ID{Type: m.ActorType, Key: m.ActorID}
		defer g.forget(s)
		return g.of(s).Disconnect(ctx, s.session(), mallee.DisconnectClosed)
	}
	defer g.forget(s)
	return g.of(s).Disconnect(ctx, s.session(), mallee.DisconnectLost)
}

func (g *guests) of(s *guest) sessions.MalleeSessionsRef {
	return sessions.MalleeSessionsAt(sessions.Through(g.caller), s.actor)
}

func (s *guest) session() mallee.Session { return mallee.Session{ID: s.at, At: s.at, User: s.user} }

// connect tells an actor of the session, and the gateway if the actor refuses it.
// One that cannot be reached is told with the session's next message.
func (g *guests) connect(ctx context.Context, s *guest, how mallee.Arrival, alone bool) error {
	_, err := g.of(s).Connect(ctx, s.session(), how, alone)
	if err == nil {
		return nil
	}
	switch mallee.AsError(err).Code {
	case mallee.CodeUnavailable, mallee.CodeOverloaded, mallee.CodeTimeout, mallee.CodeCanceled:
	default:
		g.end(s.at, s.actor.Type)
	}
	return err
}

// end asks the gateway to end a session.
func (g *guests) end(at uint64, actorType string) {
	gateway := placement.NodeID(koala.SessionServer(int64(at)))
	if err := g.life.tell(gateway, at, &koala.RequestCloseSession{SessionID: int64(at), ActorType: actorType}, nil); err != nil {
		g.life.config.Log.Warn("session of a gateway not closed", "node", g.life.node, "session", at, "error", err)
	}
}

// forget drops a session, unless its gateway has gone on with it.
func (g *guests) forget(s *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(s.waiting) == 0 && g.all[s.at] == s {
		delete(g.all, s.at)
	}
}

// login asks an account of this cluster. It needs mu.
func (g *guests) login(c *koalaConn, m *koala.RequestAccountLogin, body []byte) error {
	if g.logins >= g.life.config.Calls {
		return errors.New("too many logins wait for accounts")
	}
	g.logins++
	g.bytes += len(body)
	g.life.running.Go(func() {
		if err := g.admit(c, m, body); err != nil {
			g.life.config.Log.Info("login of a gateway refused", "node", g.life.node, "user", m.OpenID, "session", m.SessionID, "error", err)
			_ = c.notify(&koala.RequestCloseSession{SessionID: m.SessionID}, nil) // hosts have no other answer
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.logins--
		g.bytes -= len(body)
	})
	return nil
}

// admit answers on the connection that the question has come on.
func (g *guests) admit(c *koalaConn, m *koala.RequestAccountLogin, body []byte) error {
	ctx, cancel := context.WithTimeout(g.life.ctx, g.life.config.CallTimeout)
	defer cancel()
	key := strconv.FormatInt(m.SessionID%accountKeys, 10)
	a, err := account.AccountsOf(g.caller, key).Login(ctx, account.Login{User: m.OpenID, Server: m.ServerID, Packet: body, Session: uint64(m.SessionID)})
	if err != nil {
		return err
	}
	if err := a.Actor.Validate(); err != nil {
		return err
	}
	return c.notify(&koala.ResponseAccountLogin{SessionID: m.SessionID, ActorType: a.Actor.Type, ActorID: a.Actor.Key}, nil)
}

// beat looks now and then for sessions that are silent.
func (g *guests) beat() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Since(g.swept) < g.life.config.Idle/8 || len(g.all) == 0 {
		return
	}
	g.swept = time.Now()
	g.life.running.Go(g.sweep)
}

// sweep ends sessions of which nothing has come for long.
func (g *guests) sweep() {
	ctx, cancel := context.WithTimeout(g.life.ctx, g.life.config.CallTimeout)
	defer cancel()
	if _, err := g.life.members.refresh(ctx); err != nil {
		return // the next sweep finds them
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	idle := g.life.config.Idle
	for at, s := range g.all {
		switch {
		case s.busy || time.Since(s.heard) < idle:
		case g.life.members.known(placement.NodeID(koala.SessionServer(int64(at)))):
			_ = g.push(s, notice{})
		default: // its gateway is gone, which its actor knows
			delete(g.all, at)
		}
	}
}
