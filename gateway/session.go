package gateway

import (
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/wire/edge"
)

// state is where a session is in its life, as its client sees it.
//
//	              ┌──── resumed ────┐
//	              ▼                 │
//	opening ──▶ online ──lost──▶ away ──▶ taken
//	   │          │                │
//	   └──────────┴────────────────┴────▶ ended
//
// It is opening until OnConnect has returned. Only a client that speaks frames
// is ever away. Another gateway has taken it: this one passes on what still
// comes for it. An ended session may have messages for its actor and its client
// that are on their way.
type state uint8

const (
	opening state = iota
	online
	away
	taken
	ended
)

// session is one session. What it owes its actor is done by one goroutine at a
// time (deliver.go), what it owes its client by another (writer.go), and there
// is neither while nothing is owed.
//
// Lock order: moves.mu, session.mu, then the other locks of the gateway. None is
// held over a call or a write.
type session struct {
	gateway *Gateway
	id      uint64
	user    string
	server  int64
	plain   bool

	mu    sync.Mutex
	state state
	at    uint64
	epoch uint64   // of its streams
	over  bool     // the epoch cannot go on: nobody knows what is missing
	older []uint64 // where it was before the node got another ID

	attempt uint64 // edge.Resume.Attempt of the client's latest connection

	// The client's side.
	conn    carrier.Conn // nil: it is not there
	writing carrier.Conn // that a goroutine writes to
	urgent  []*carrier.Outgoing
	closing *edge.Closed // conn ends with it once all is written
	out     stream.Out
	heard   uint64        // conn.Heard of the last sweep
	since   time.Duration // when something was heard, or the client was lost
	asked   bool          // conn was asked to show that it lives, since then
	issued  time.Duration // when the client got its token

	// The actor's side.
	actor    mallee.ID
	next     mallee.ID // to be bound to; zero: none
	login    []byte    // Arrival.Login
	busy     bool      // a goroutine delivers
	again    bool      // the actor may have had the session already
	attached bool
	host     sessions.Host // of the activation it is attached to, or was last
	gone     uint64        // epoch of the latest activation of which it is known that it has ended
	trouble  time.Duration // since when the actor cannot be reached; 0: it can
	in       stream.In
	room     chan struct{} // closed when the reader may go on; nil: it does not wait
	reason   mallee.DisconnectReason

	counted int64         // its part of Gateway.memory
	buried  bool          // it has ended, and owes nothing any more
	still   chan struct{} // closed when it owes nothing, after it was taken
	to      uint64        // where it is after it was taken
}

// value is the session as actors see it. It needs mu.
func (s *session) value() mallee.Session {
	return mallee.Session{ID: s.id, At: s.at, User: s.user}
}

// open makes the session of a client that was let in. It is known to the
// gateway from now on, for what OnConnect sends.
func (g *Gateway) open(conn carrier.Conn, who admission) *session {
	s := &session{
		gateway: g, id: who.id, attempt: who.attempt, epoch: newEpoch(), user: who.User, server: who.Server, plain: !conn.Framed(),
		conn: conn, since: g.now(),
		actor: who.Actor, login: who.First, again: who.again, busy: true, in: stream.NewIn(&g.queue),
	}
	s.out = stream.NewOut(&g.bounds, s.plain)
	if s.id == 0 {
		s.id = who.at
	}
	g.alive.Add(1)
	g.sessions.put(s, who.at)
	return s
}

// opened lets the client in once OnConnect has returned. It needs mu.
func (s *session) opened() {
	if s.state != opening {
		return
	}
	if s.gateway.arriving.over() {
		s.end(mallee.DisconnectLost, edge.CodeDrain, "the gateway stops")
		return
	}
	s.state = online
	s.gateway.counts.opened.Add(1)
	s.welcome(false)
}

// send puts a frame in front of the data that waits. It needs mu.
func (s *session) send(kind edge.Kind, data []byte) {
	if s.plain {
		return
	}
	s.urgent = append(s.urgent, &carrier.Outgoing{Frame: carrier.Frame{Kind: kind, Data: data}})
	s.wake()
}

// lost takes note of the end of a connection that was not closed here.
func (s *session) lost(conn carrier.Conn, cause *carrier.Closed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != conn {
		return
	}
	if cause.Code != 0 && !cause.Client {
		if cause.Code.Action() == edge.ActResume { // it was too slow, not wrong
			s.hangUp(cause.Code, cause.Reason)
		} else {
			s.end(mallee.DisconnectKicked, cause.Code, cause.Reason)
		}
		return
	}
	s.gateway.close(conn, cause.Code, cause.Reason) // frees what it has
	s.leave()
	switch {
	case s.state == ended || s.state == taken:
	case cause.Code == edge.CodeNormal, s.plain && cause.Code != 0:
		s.finished(mallee.DisconnectClosed)
	case s.plain || s.state == opening:
		s.finished(mallee.DisconnectLost)
	default:
		s.state = away
	}
}

// leave forgets the connection. It needs mu.
func (s *session) leave() {
	s.conn, s.writing, s.closing, s.urgent = nil, nil, nil, nil
	s.out.Detach()
	s.since = s.gateway.now()
	s.resumeReading()
	s.account()
}

// hangUp ends the connection at once and leaves the session to its client, if
// that one can come back. It needs mu.
func (s *session) hangUp(code edge.Code, why string) {
	if s.plain || s.state == opening {
		s.end(mallee.DisconnectLost, code, why)
		return
	}
	if s.conn == nil {
		return
	}
	s.closeNow(code, why)
	if s.state == online {
		s.state = away
	}
}

// end ends the session and its connection at once. It needs mu.
func (s *session) end(reason mallee.DisconnectReason, code edge.Code, why string) {
	s.finished(reason)
	s.closeNow(code, why)
}

func (s *session) closeNow(code edge.Code, why string) {
	if s.conn == nil {
		return
	}
	s.gateway.close(s.conn, code, why)
	s.leave()
}

// finish ends the session, and its connection after all that has been sent to
// it. It needs mu.
func (s *session) finish(reason mallee.DisconnectReason, code edge.Code, why string) {
	if s.state == opening {
		s.end(reason, code, why)
		return
	}
	s.finished(reason)
	if s.conn != nil && s.closing == nil {
		s.closing = &edge.Closed{Code: code, Reason: why}
		s.wake()
	}
}

// finished is the end of the session for everybody but its connection. It needs mu.
func (s *session) finished(reason mallee.DisconnectReason) {
	if s.state == ended || s.state == taken {
		return
	}
	s.state, s.reason, s.since = ended, reason, s.gateway.now()
	s.gateway.counts.ended[min(int(reason), len(s.gateway.counts.ended)-1)].Add(1)
	s.gateway.sessions.remove(s)
	if s.gateway.moves.active() {
		go s.gateway.routeEnded(s.at) // its lock comes before this one
	}
	s.resumeReading()
	s.account()
	s.work()
}
