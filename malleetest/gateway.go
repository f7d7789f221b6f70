package malleetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
)

// Gateway is a gateway without sockets, on a node of its own that hosts nothing.
// To actors its sessions are like those of real clients.
type Gateway struct {
	// Alone lets a user have one session at an actor: a later one replaces it.
	Alone bool

	t       testing.TB
	cluster *Cluster // of its node
	node    *node.Node
	caller  mallee.Caller
	calls   sync.WaitGroup // that it makes by itself
	ended   context.Context
	end     context.CancelFunc

	mu       sync.Mutex
	last     uint64              // number of a session
	sessions map[uint64]*Session // by where they are
}

var _ sessions.Gateway = (*Gateway)(nil)

// Gateway starts a gateway that runs until the test ends.
func (c *Cluster) Gateway() *Gateway {
	c.t.Helper()
	g := &Gateway{t: c.t, cluster: &Cluster{t: c.t, network: c.network, encoded: c.encoded, placement: c.placement, store: c.store}, sessions: make(map[uint64]*Session)}
	g.ended, g.end = context.WithCancel(context.Background())
	g.cluster.Add()
	g.node = g.cluster.Node(0)
	g.caller = sessions.Through(g.node)
	detach, err := g.node.AttachGateway(g)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		g.end()
		g.calls.Wait()
		detach()
		g.cluster.stop()
	})
	return g
}

// Kill ends the gateway's node as a crash would.
func (g *Gateway) Kill() {
	g.end()
	g.cluster.Kill(0)
}

// Connect binds a session of a user to an actor. The login is what Arrival.Login
// has. The error is that of OnConnect.
func (g *Gateway) Connect(actor mallee.ID, user string, login []byte) (*Session, error) {
	g.mu.Lock()
	g.last++
	at := sessions.At(g.node.ID(), g.last)
	s := &Session{gateway: g, actor: actor, calls: make(turnstile, 1), changed: make(chan struct{}), is: mallee.Session{ID: at, At: at, User: user}}
	g.sessions[at] = s
	g.mu.Unlock()
	s.calls.enter()
	defer s.calls.exit()
	if err := s.announce(g.ended, mallee.Arrival{Login: login}); err != nil {
		s.over(mallee.DisconnectKicked, err.Error())
		return nil, err
	}
	return s, nil
}

// Order implements sessions.Gateway.
func (g *Gateway) Order(_ placement.NodeID, sender mallee.ID, name string, body []byte) {
	var err error
	switch name {
	case sessions.OrderPush:
		var o sessions.Push
		if err = o.Parse(body); err == nil {
			g.push(sender, &o)
		}
	case sessions.OrderKick:
		var o sessions.Kick
		if err = o.Parse(body); err == nil {
			g.each(o.Sessions, func(s *Session) { s.kick(o.Reason, o.Why) })
		}
	case sessions.OrderBind:
		var o sessions.Bind
		if err = o.Parse(body); err == nil {
			g.each([]uint64{o.Session}, func(s *Session) { s.bind(o.To) })
		}
	case sessions.OrderDetached:
		var o sessions.Detached
		if err = o.Parse(body); err == nil {
			g.each(o.Sessions, func(s *Session) { s.renew(func(h sessions.Host) bool { return h.Epoch <= o.Epoch }) })
		}
	default:
		err = mallee.ErrInvalid.Errorf("order %q", name)
	}
	if err != nil {
		g.t.Error(err)
	}
}

// push also tells the sender which sessions have ended.
func (g *Gateway) push(sender mallee.ID, o *sessions.Push) {
	var ended []sessions.Relocation
	for _, at := range o.Sessions {
		if s := g.find(at); s != nil {
			s.get(o.Message)
		} else {
			ended = append(ended, sessions.Relocation{From: at})
		}
	}
	if len(ended) > 0 {
		g.run(func(ctx context.Context) {
			_ = sessions.MalleeSessionsAt(g.caller, sender).Moved(ctx, ended) // it is told again with the next one
		})
	}
}

func (g *Gateway) find(at uint64) *Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sessions[at]
}

func (g *Gateway) each(at []uint64, do func(*Session)) {
	for _, at := range at {
		if s := g.find(at); s != nil {
			do(s)
		}
	}
}

// run calls actors from a goroutine of its own: orders must not block.
func (g *Gateway) run(call func(ctx context.Context)) {
	g.calls.Go(func() {
		ctx, cancel := context.WithTimeout(g.ended, patience)
		defer cancel()
		call(ctx)
	})
}

// Answer implements sessions.Gateway.
func (g *Gateway) Answer(context.Context, placement.NodeID, string, []byte) ([]byte, error) {
	return nil, mallee.ErrNotFound.Errorf("a gateway of tests answers nothing").BeforeRun()
}

// Missing implements sessions.Gateway: clients without a protocol of their own
// can be told in one way only.
func (g *Gateway) Missing(placement.NodeID) {
	g.all(func(s *Session) { s.kick(mallee.DisconnectLost, "messages were lost on their way") })
}

// Lost implements sessions.Gateway.
func (g *Gateway) Lost(id placement.NodeID) {
	g.all(func(s *Session) { s.renew(func(h sessions.Host) bool { return h.Node == uint64(id) }) })
}

// Renamed implements sessions.Gateway: the sessions are at another place now.
func (g *Gateway) Renamed(id placement.NodeID) {
	g.mu.Lock()
	moved := make(map[uint64]*Session, len(g.sessions))
	for _, s := range g.sessions {
		g.last++
		at := sessions.At(id, g.last)
		s.move(at)
		moved[at] = s
	}
	g.sessions = moved
	g.mu.Unlock()
	g.all(func(s *Session) { s.renew(func(sessions.Host) bool { return true }) })
}

func (g *Gateway) all(do func(*Session)) {
	g.mu.Lock()
	list := make([]*Session, 0, len(g.sessions))
	for _, s := range g.sessions {
		list = append(list, s)
	}
	g.mu.Unlock()
	for _, s := range list {
		do(s)
	}
}

// turnstile is a mutex for what takes long: who waits for it does not keep a
// bubble of testing/synctest awake.
type turnstile chan struct{}

func (t turnstile) enter() { t <- struct{}{} }
func (t turnstile) exit()  { <-t }

// Session is a client that is connected with an actor.
type Session struct {
	gateway *Gateway

	calls turnstile // held while the actor is called, so that messages keep their order
	actor mallee.ID
	host  sessions.Host // of the last Connect

	mu      sync.Mutex
	is      mallee.Session
	inbox   []mallee.Message
	changed chan struct{} // closed when inbox or reason have changed
	reason  mallee.DisconnectReason
	why     string
}

// Value is the session as actors see it.
func (s *Session) Value() mallee.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is
}

// Send gives the actor a message and returns when OnMessage has, with its error.
// Where the actor has been moved or has failed meanwhile, the session is
// announced to it first.
func (s *Session) Send(ctx context.Context, m mallee.Message) error {
	s.calls.enter()
	defer s.calls.exit()
	for {
		err := s.ref().Message(ctx, s.Value().ID, m)
		if !errors.Is(err, sessions.ErrDetached) || s.Reason() != 0 {
			return err
		}
		if err := s.announce(ctx, mallee.Arrival{Again: true}); err != nil {
			return err
		}
	}
}

// Receive waits for the next message of an actor. It reports false when there
// will be none, since the session has ended. The test fails when none comes.
func (s *Session) Receive() (m mallee.Message, ok bool) {
	s.gateway.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		s.mu.Lock()
		changed := s.changed
		if len(s.inbox) > 0 {
			m, s.inbox = s.inbox[0], s.inbox[1:]
			s.mu.Unlock()
			return m, true
		}
		ended := s.reason != 0
		s.mu.Unlock()
		if ended {
			return mallee.Message{}, false
		}
		select {
		case <-changed:
		case <-timer.C:
			s.gateway.t.Fatalf("%v has got no message", s.Value())
		}
	}
}

// Close ends the session, as its client would, and returns when the actor knows.
func (s *Session) Close(ctx context.Context) error {
	if !s.over(mallee.DisconnectClosed, "") {
		return nil
	}
	s.calls.enter()
	defer s.calls.exit()
	return s.ref().Disconnect(ctx, s.Value(), mallee.DisconnectClosed)
}

// Reason is why the session has ended; 0: it has not.
func (s *Session) Reason() mallee.DisconnectReason {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// Why is what a client is told whose session was closed by an actor.
func (s *Session) Why() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// ref needs calls.
func (s *Session) ref() sessions.MalleeSessionsRef {
	return sessions.MalleeSessionsAt(s.gateway.caller, s.actor)
}

// announce needs calls.
func (s *Session) announce(ctx context.Context, a mallee.Arrival) error {
	host, err := s.ref().Connect(ctx, s.Value(), a, s.gateway.Alone)
	if err == nil {
		s.host = host
	}
	return err
}

// renew announces the session again if it was last announced to a host that is
// gone.
func (s *Session) renew(gone func(sessions.Host) bool) {
	s.gateway.run(func(ctx context.Context) {
		s.calls.enter()
		defer s.calls.exit()
		if s.Reason() != 0 || !gone(s.host) {
			return
		}
		if err := s.announce(ctx, mallee.Arrival{Again: true}); err != nil && ctx.Err() == nil {
			s.over(mallee.DisconnectKicked, err.Error())
		}
	})
}

func (s *Session) move(to uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.is.At = to
}

func (s *Session) bind(to mallee.ID) {
	s.gateway.run(func(ctx context.Context) {
		s.calls.enter()
		defer s.calls.exit()
		from := s.ref()
		s.actor = to
		if err := s.announce(ctx, mallee.Arrival{}); err != nil {
			s.over(mallee.DisconnectKicked, err.Error())
		}
		_ = from.Disconnect(ctx, s.Value(), mallee.DisconnectRebound) // of an actor that may have failed
	})
}

func (s *Session) kick(reason mallee.DisconnectReason, why string) {
	if !s.over(reason, why) {
		return
	}
	s.gateway.run(func(ctx context.Context) {
		s.calls.enter()
		defer s.calls.exit()
		_ = s.ref().Disconnect(ctx, s.Value(), reason) // of an actor that may have failed
	})
}

func (s *Session) get(m mallee.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason == 0 {
		s.inbox = append(s.inbox, m)
		s.change()
	}
}

// over ends the session unless it has ended.
func (s *Session) over(reason mallee.DisconnectReason, why string) bool {
	s.gateway.mu.Lock()
	delete(s.gateway.sessions, s.Value().At)
	s.gateway.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason != 0 {
		return false
	}
	s.reason, s.why = reason, why
	s.change()
	return true
}

// change needs mu.
func (s *Session) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}
