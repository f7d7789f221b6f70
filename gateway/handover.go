package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/gateway/internal/token"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/edge"
)

const (
	// takeTimeout is how long another gateway has to give a session: a call of
	// it that runs ends before.
	takeTimeout = 5 * time.Second
	// maxHops is how often a session may have moved on meanwhile.
	maxHops = 8
)

// fetch takes a session over from the gateway where it is. Where that one cannot
// be asked, or has none, the session begins a new epoch here.
func (g *Gateway) fetch(ctx context.Context, conn carrier.Conn, t *token.Token, hello *edge.Hello) (*session, error) {
	at, err := g.sessions.reserve(g.config.Node.ID())
	if err != nil {
		return nil, err
	}
	question := handover.Take{Session: t.Session, At: t.At, To: at, Epoch: t.Epoch, Received: hello.Resume.Received}
	given, err := g.ask(ctx, &question)
	switch {
	case err != nil:
		g.log.Info("a session begins anew, since the gateway where it was does not answer", "session", t.Session, "gateway", sessions.GatewayOf(question.At), "error", err)
		g.routeEnded(at)
		return g.restart(conn, t, hello, 0)
	case given == nil:
		g.routed(func(table *handover.Table) []handover.Effect { return table.Taken(at, false) })
		return g.restart(conn, t, hello, at)
	}
	s := g.adopt(conn, given, at)
	g.routed(func(table *handover.Table) []handover.Effect { return table.Taken(at, true) })
	g.counts.taken.Add(1)
	_, err = s.resume(conn, t, hello.Resume)
	go s.deliver()
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ask follows a session to where it has gone.
func (g *Gateway) ask(ctx context.Context, q *handover.Take) (*handover.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	for range maxHops {
		g.routed(func(t *handover.Table) []handover.Effect {
			t.Taking(q.To, q.At)
			return nil
		})
		body, err := q.Append(nil)
		if err != nil {
			return nil, err
		}
		body, err = g.config.Node.AskGateway(ctx, sessions.GatewayOf(q.At), handover.QuestionTake, body)
		if err != nil {
			return nil, err
		}
		var answer handover.Taken
		if err := answer.Parse(body); err != nil {
			return nil, err
		}
		if answer.Gone == 0 {
			return answer.Record, nil
		}
		q.At = answer.Gone
	}
	return nil, errors.New("it goes from gateway to gateway")
}

// adopt makes a session of what another gateway has given. It is away, until it
// is resumed.
func (g *Gateway) adopt(conn carrier.Conn, r *handover.Record, at uint64) *session {
	now := g.now()
	s := &session{
		gateway: g, id: r.Session, epoch: r.Epoch, over: r.Epoch == 0, user: r.User, server: r.Server, plain: !conn.Framed(),
		state: away, since: now, out: stream.RestoreOut(&g.bounds, r.Out, now),
		actor: r.Actor, login: r.Login, again: true, busy: true, in: stream.RestoreIn(&g.queue, r.Received, r.Waiting, now),
	}
	g.alive.Add(1)
	g.counts.opened.Add(1)
	g.sessions.put(s, at)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account()
	if g.arriving.over() {
		s.finished(mallee.DisconnectLost)
	}
	return s
}

// Answer answers another gateway.
func (g *Gateway) Answer(ctx context.Context, _ placement.NodeID, name string, body []byte) ([]byte, error) {
	if name != handover.QuestionTake {
		return nil, mallee.ErrNotFound.Errorf("no question has the name %q", name)
	}
	var q handover.Take
	if err := q.Parse(body); err != nil {
		return nil, mallee.ErrInvalid.Errorf("%v", err)
	}
	answer, err := g.give(ctx, &q)
	if err != nil {
		return nil, err
	}
	return answer.Append(nil)
}

// give gives a session to another gateway.
func (g *Gateway) give(ctx context.Context, q *handover.Take) (*handover.Taken, error) {
	s := g.sessions.find(q.At)
	if s == nil || s.id != q.Session || s.plain {
		return &handover.Taken{Gone: g.where(q.At)}, nil
	}
	still, err := s.freeze(q.At)
	if err != nil {
		return nil, err
	}
	select {
	case <-still:
	case <-ctx.Done():
		if s.thaw() {
			return nil, mallee.ErrTimeout.Errorf("a call of session %d has not ended", s.id)
		}
	}
	answer := new(handover.Taken)
	g.routed(func(t *handover.Table) []handover.Effect {
		if g.announcing.hasLost(sessions.GatewayOf(q.To)) {
			s.lose() // nobody would say again that it is gone
			return nil
		}
		if gone, ready := t.Give(q.At, q.To); ready && gone == q.To {
			answer.Record = s.record(q)
		} else {
			answer.Gone = gone
		}
		return nil
	})
	return answer, nil
}

// freeze closes the session's connection. What it returns is closed when no call
// of it runs any more, and none will begin.
func (s *session) freeze(at uint64) (still chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (s.state != online && s.state != away) || s.at != at {
		return nil, mallee.ErrUnavailable.Errorf("session %d is about to begin, to move, or to end", s.id)
	}
	s.closeNow(edge.CodeReplaced, "the client has come back by another gateway")
	s.state = taken
	still = make(chan struct{})
	s.still = still
	s.work()
	return still, nil
}

// thaw goes on with a session that is not given after all. It reports false when
// there is nothing left to wait for.
func (s *session) thaw() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.still == nil {
		return false
	}
	s.state, s.still = away, nil
	s.work()
	return true
}

// lose ends a session that was frozen for a gateway which is gone.
func (s *session) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = s.at // nowhere
	s.gateway.sessions.remove(s)
	s.account()
}

// record is the session as another gateway needs it. From now on it is there,
// and not known here. The lock of the moves is held.
func (s *session) record(q *handover.Take) *handover.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = q.To
	s.gateway.sessions.remove(s)
	s.gateway.counts.given.Add(1)
	if q.Epoch == s.epoch {
		_, _, _ = s.out.Resume(q.Received) // forgets what need not go; a wrong number is for the other gateway to refuse
		s.out.Detach()
	}
	r := &handover.Record{
		Session: s.id, User: s.user, Actor: s.actor, Server: s.server, Login: s.login,
		Epoch: s.epoch, Out: s.out.State(), Received: s.in.Received(), Waiting: s.in.Waiting(),
	}
	if s.over {
		r.Epoch = 0
	}
	if s.next != (mallee.ID{}) {
		r.Actor = s.next
	}
	s.account()
	return r
}

// arrived takes an order for a session that is here, or was. The lock of the
// moves is held.
func (g *Gateway) arrived(at uint64, o *handover.Order) {
	s := g.sessions.find(at)
	if s == nil {
		return
	}
	switch o.Kind {
	case handover.Push:
		s.push(o.Frame, g.now())
	case handover.Other:
		s.obey(o)
	case handover.Missing:
		s.miss(o.Missing)
	case handover.Unknown:
		s.confuse()
	}
}

// obey carries out an order that was parsed before.
func (s *session) obey(o *handover.Order) {
	var kick sessions.Kick
	var bind sessions.Bind
	switch {
	case o.Name == sessions.OrderKick && kick.Parse(o.Body) == nil:
		s.kick(kick.Reason, kick.Why)
	case o.Name == sessions.OrderBind && bind.Parse(o.Body) == nil:
		s.bind(bind.To)
	}
}

// miss leaves a gap for messages that will not come.
func (s *session) miss(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.Miss(n)
	s.gateway.counts.lost.Add(int64(n))
	s.wake()
}

// confuse ends the epoch, since nobody knows what is missing: the client has to
// come back, and is told.
func (s *session) confuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.hangUp(edge.CodeInternal, "messages were lost on their way")
}

// forwarded takes an order that has come by another gateway.
func (g *Gateway) forwarded(from placement.NodeID, sender mallee.ID, f *sessions.Forward) error {
	at, o, err := ordered(sender, f)
	if err != nil {
		return err
	}
	g.routed(func(t *handover.Table) []handover.Effect {
		if !t.Has(at) && g.sessions.find(at) == nil {
			g.tell(sender, []sessions.Relocation{{From: at}})
			g.post(from, post{name: sessions.OrderEnded, body: (&sessions.Moves{Moved: []sessions.Relocation{{From: f.From, To: at}}}).Append(nil)})
			return nil
		}
		return t.Forwarded(at, o)
	})
	return nil
}

// ordered is a Forward as the table takes it, and the session it is for.
func ordered(sender mallee.ID, f *sessions.Forward) (at uint64, o handover.Order, err error) {
	o = handover.Order{Origin: f.Origin, Sender: sender}
	switch f.Order {
	case sessions.OrderPush:
		var push sessions.Push
		if err := push.Parse(f.Body); err != nil || len(push.Sessions) != 1 {
			return 0, o, errors.Join(err, errForward)
		}
		o.Kind, o.Frame = handover.Push, frame(push.Message)
		return push.Sessions[0], o, nil
	case sessions.OrderMissing:
		var missing sessions.Missing
		if err := missing.Parse(f.Body); err != nil {
			return 0, o, err
		}
		o.Kind, o.Missing = handover.Missing, missing.Count
		if missing.Count == 0 {
			o.Kind = handover.Unknown
		}
		return missing.Session, o, nil
	case sessions.OrderKick:
		var kick sessions.Kick
		if err := kick.Parse(f.Body); err != nil || len(kick.Sessions) != 1 {
			return 0, o, errors.Join(err, errForward)
		}
		o.Kind, o.Name, o.Body = handover.Other, f.Order, f.Body
		return kick.Sessions[0], o, nil
	case sessions.OrderBind:
		var bind sessions.Bind
		if err := bind.Parse(f.Body); err != nil {
			return 0, o, err
		}
		o.Kind, o.Name, o.Body = handover.Other, f.Order, f.Body
		return bind.Session, o, nil
	}
	return 0, o, errForward
}

var errForward = errors.New("what another gateway has passed on is not an order for one session")

// marked takes a marker: of the node that sends it, where the session was, or
// passed on, where it is.
func (g *Gateway) marked(f *sessions.Marker) {
	own := g.config.Node.ID()
	for _, m := range f.Moved {
		marker := handover.Order{Kind: handover.Marker, Origin: f.Origin}
		g.routed(func(t *handover.Table) []handover.Effect {
			switch {
			case sessions.GatewayOf(m.To) == own && t.Has(m.To):
				return t.Forwarded(m.To, marker)
			case sessions.GatewayOf(m.From) == own && t.Has(m.From):
				return t.Direct(m.From, marker)
			}
			return nil
		})
	}
}
