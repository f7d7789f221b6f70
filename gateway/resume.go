package gateway

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/gateway/internal/token"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/wire/edge"
)

// tokenLife is how long a token is good. A client that stays gets a new one when
// half of it is over.
const tokenLife = 24 * time.Hour

// welcome tells the client how to come back. It needs mu.
func (s *session) welcome(resumed bool) {
	if s.plain {
		s.wake()
		return
	}
	g := s.gateway
	s.issued = g.now()
	sealed, err := g.seal.Seal(&token.Token{
		Session: s.id, At: s.at, Epoch: s.epoch, Server: s.server, Actor: s.actor, User: s.user,
		Expires: time.Now().Add(tokenLife),
	})
	if err != nil {
		g.log.Warn("a client gets no token and cannot resume", "session", s.id, "error", err)
	}
	payload, err := edge.Encode(edge.Welcome{
		Session: strconv.FormatUint(s.id, 10), Token: sealed, Epoch: epochName(s.epoch), Resumed: resumed,
		Received: s.in.Received(), Window: g.config.Window.Milliseconds(), Ping: g.config.Ping.Milliseconds(), Largest: int64(g.config.MaxMessage),
	})
	if err != nil {
		panic("gateway: " + err.Error()) // numbers and plain texts
	}
	s.send(edge.KindWelcome, payload)
}

// resume goes on with the session of a token. It returns nothing where there is
// none to go on with, and a login counts.
func (g *Gateway) resume(ctx context.Context, conn carrier.Conn, hello *edge.Hello) (*session, error) {
	t, err := g.seal.Open(hello.Resume.Token, time.Now())
	if err != nil {
		g.counts.denied.Add(1)
		if len(hello.Login) > 0 {
			return nil, nil
		}
		reason := "the token cannot be read"
		if errors.Is(err, token.ErrExpired) {
			reason = err.Error()
		}
		return nil, &login.Refusal{Code: edge.CodeResumeRefused, Reason: reason}
	}
	f, err := g.searches.begin(ctx, t.Session, hello.Resume.Attempt)
	if err != nil {
		return nil, err
	}
	defer g.searches.end(f)
	if s := g.sessions.known(t.Session); s != nil {
		switch ok, err := s.resume(conn, &t, hello.Resume); {
		case err != nil:
			return nil, err
		case ok:
			return s, nil
		}
	}
	if refusal := g.verdicts.refusal(t.Session); refusal != nil {
		return nil, refusal
	}
	switch {
	case g.draining.Load():
		return nil, &login.Refusal{Code: edge.CodeDrain, Reason: "the gateway is about to stop"}
	case g.memory.Refuses():
		return nil, &login.Refusal{Code: edge.CodeOverloaded, Reason: shortOfMemory}
	}
	return g.fetch(ctx, conn, f, &t, hello)
}

// resume gives the session a new connection, if it is the one of the token.
// Where the client speaks of another epoch, or this one cannot go on, a new one
// begins: what waits for the actor stays.
func (s *session) resume(conn carrier.Conn, t *token.Token, from *edge.Resume) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id != t.Session {
		return false, nil
	}
	switch {
	case s.state == ended:
		return false, nil
	case s.state != online && s.state != away:
		return false, &login.Refusal{Code: edge.CodeUnavailable, Reason: "the session is about to begin or to move"}
	case s.attempt > from.Attempt:
		return false, errReplaced
	}
	g := s.gateway
	goOn := !s.over && from.Epoch == epochName(s.epoch)
	if goOn {
		replayed, lost, err := s.out.Resume(from.Received)
		if err != nil {
			return false, &login.Refusal{Code: edge.CodeProtocol, Reason: err.Error()}
		}
		g.counts.resumed.Add(1)
		g.counts.replayed.Add(int64(replayed))
		g.counts.lost.Add(int64(lost))
	} else {
		g.counts.restarted.Add(1)
		s.epoch, s.over = newEpoch(), false
		s.out = stream.NewOut(&g.bounds, false)
		s.in.Begin()
	}
	if old := s.conn; old != nil {
		g.close(old, edge.CodeReplaced, "the client has another connection")
		s.resumeReading()
	}
	s.attempt = from.Attempt
	s.conn, s.state, s.urgent, s.closing = conn, online, nil, nil
	s.heard, s.since, s.asked = conn.Heard(), g.now(), false
	s.account()
	s.welcome(goOn)
	return true, nil
}

// errReplaced is for a connection that its client has given up.
var errReplaced = &login.Refusal{Code: edge.CodeReplaced, Reason: "the client has another connection"}

// epochName is an epoch as clients see it.
func epochName(epoch uint64) string { return strconv.FormatUint(epoch, 36) }

// restart makes a session anew that cannot be gone on with: it is not known what
// the client has missed. A place may have been reserved for it. The actor gets no
// login: what the client says beside its token, nobody has checked.
func (g *Gateway) restart(conn carrier.Conn, t *token.Token, attempt, at uint64) (*session, error) {
	g.counts.restarted.Add(1)
	return g.begin(conn, admission{
		Admission: login.Admission{Actor: t.Actor, User: t.User, Server: t.Server},
		id:        t.Session, at: at, attempt: attempt, again: true,
	})
}
