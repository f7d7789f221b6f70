package gateway

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/internal/stack"
	"github.com/mallee-io/mallee/wire/edge"
)

// task is what a session owes its actor next.
type task uint8

const (
	rest    task = iota
	connect      // tell the actor of the session
	message      // give it the first message that waits
	release      // tell it that the session belongs to another actor now
	finally      // tell it that the session has ended
)

// task decides. It needs mu.
func (s *session) task() task {
	switch {
	case s.state == taken && s.attached && s.next != (mallee.ID{}):
		return release
	case s.state == taken:
		return rest
	case s.state == ended:
		return s.lastTask()
	case s.next != (mallee.ID{}):
		if s.attached {
			return release
		}
		s.rebound()
		return connect
	case !s.attached:
		return connect
	case s.in.Len() > 0:
		return message
	}
	return rest
}

// lastTask: what a client has sent before it left is for the actor, unless the
// session was ended by others.
func (s *session) lastTask() task {
	orderly := s.reason == mallee.DisconnectClosed || s.reason == mallee.DisconnectLost
	switch {
	case !s.attached && !(orderly && s.again && s.in.Len() > 0):
		return rest
	case !s.attached:
		return connect
	case orderly && s.in.Len() > 0:
		return message
	}
	return finally
}

// rebound makes next the actor of the session. It needs mu.
func (s *session) rebound() {
	s.actor, s.next = s.next, mallee.ID{}
	s.again, s.gone, s.trouble = false, 0, 0
	if s.state == online {
		s.welcome(true) // the token names the actor
	}
}

// work starts a goroutine where the session owes something. It needs mu.
func (s *session) work() {
	switch {
	case s.busy:
	case s.task() == rest:
		s.rested()
	default:
		s.busy = true
		go s.deliver()
	}
}

// rested takes note that the session owes its actor nothing. It needs mu.
func (s *session) rested() {
	if s.state == taken && s.still != nil {
		close(s.still)
		s.still = nil
	}
	if s.state >= taken && !s.buried {
		s.buried = true
		s.account()
		s.gateway.alive.Done()
	}
}

// deliver does what the session owes, one call after the other.
func (s *session) deliver() {
	stack.Room()
	for s.step() {
	}
}

// step does one thing, and reports false when there was none. Then the session
// is not busy any more.
func (s *session) step() bool {
	s.mu.Lock()
	todo := s.task()
	if todo == rest || s.gateway.ended.Err() != nil {
		s.busy = false
		s.rested()
		s.mu.Unlock()
		return false
	}
	actor, who, reason := sessions.MalleeSessionsAt(s.gateway.caller, s.actor), s.value(), s.reason
	first, _ := s.in.First()
	s.mu.Unlock()
	switch todo {
	case connect:
		s.announce(actor, who)
	case message:
		s.settle(actor.Message(s.gateway.ended, who.ID, received(first.Frame)))
	case release:
		s.detach(actor.Disconnect(s.gateway.ended, who, mallee.DisconnectRebound))
	case finally:
		s.detach(actor.Disconnect(s.gateway.ended, who, reason))
	}
	return true
}

func received(f carrier.Frame) mallee.Message {
	return mallee.Message{Text: f.Kind == edge.KindText, Data: f.Data}
}

// settle takes the outcome of a message.
func (s *session) settle(err error) {
	s.mu.Lock()
	switch {
	case err == nil:
		s.gateway.counts.delivered.Add(1)
	case errors.Is(err, sessions.ErrDetached):
		s.attached = false
		s.retry(err) // unlocks
		return
	case passes(err):
		s.retry(err)
		return
	case unsure(err):
		s.gateway.counts.unsure.Add(1)
		s.out.Unsure()
		s.wake()
	default:
		s.gateway.counts.failed.Add(1)
	}
	s.trouble = 0
	s.in.Pop()
	s.acknowledge(ackEvery)
	s.account()
	if !s.in.Full() {
		s.resumeReading()
	}
	s.mu.Unlock()
}

// ackEvery is how many messages of a client are acknowledged at once while it
// sends. The sweep acknowledges the rest.
const ackEvery = 64

// acknowledge tells the client what it need not keep. It needs mu.
func (s *session) acknowledge(every uint64) {
	if s.plain || !s.out.Told() {
		return
	}
	if n, due := s.in.Ack(every); due {
		s.send(edge.KindAck, edge.AppendAck(nil, n))
	}
}

// detach takes the outcome of a Disconnect.
func (s *session) detach(err error) {
	s.mu.Lock()
	if err != nil && passes(err) {
		s.retry(err)
		return
	}
	s.attached, s.trouble = false, 0
	s.mu.Unlock()
}

// passes reports whether a call has not run for a reason that may pass. Of an
// actor that has been there, that is also that no node hosts it just now.
func passes(err error) bool {
	return mallee.SafeToRetry(err) && (troubled(err) || errors.Is(err, mallee.ErrNotFound) || errors.Is(err, mallee.ErrActivation))
}

// unsure reports whether a call may have run or not.
func unsure(err error) bool { return !mallee.SafeToRetry(err) && troubled(err) }

func troubled(err error) bool {
	for _, e := range []*mallee.Error{mallee.ErrUnavailable, mallee.ErrTimeout, mallee.ErrOverloaded, mallee.ErrCanceled, mallee.ErrFenced} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Pauses before a call is repeated.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

// retry waits before the next try, or ends the session when it has taken too
// long. It needs mu, and unlocks it.
func (s *session) retry(err error) {
	g := s.gateway
	now := g.now()
	if s.trouble == 0 {
		s.trouble = now
	}
	pause := min(max(now-s.trouble, firstPause), lastPause)
	giveUp := now-s.trouble > g.config.Patience
	if giveUp {
		g.log.Warn("a session ends since its actor cannot be reached", "session", s.id, "actor", s.actor, "for", now-s.trouble, "error", err)
		s.forgotten("the actor cannot be reached")
	}
	s.mu.Unlock()
	if !giveUp {
		g.pause(pause/2 + rand.N(pause))
	}
}

// pause returns early when the gateway ends.
func (g *Gateway) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.ended.Done():
	}
}
