package replicas

import (
	"time"

	"github.com/mallee-io/mallee/internal/replicas/gossip"
	"github.com/mallee-io/mallee/placement"
)

// gather is how long changes wait for others of the same batch.
const gather = 5 * time.Millisecond

// Bounds of what has been received and waits. What is too much is lost, and comes again.
const (
	inboxLetters = 1024
	inboxBytes   = 64 << 20
)

// letter is a message of another node.
type letter struct {
	from gossip.Peer
	body []byte
}

// Receive takes a message of another node, and owns the body. It does not block.
func (s *Service) Receive(from placement.NodeID, body []byte) {
	if s.config.Keeps {
		s.start()
	}
	size := int64(len(body))
	if s.waiting.Add(size) <= inboxBytes {
		select {
		case s.inbox <- letter{gossip.Peer(from), body}:
			return
		default:
		}
	}
	s.waiting.Add(-size)
	s.counts.dropped.Add(1)
}

// loop runs the machine.
func (s *Service) loop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for next := s.now(); ; {
		timer.Reset(next - s.now())
		select {
		case <-s.ctx.Done():
			return
		case <-s.values.Changed():
			next = min(next, s.now()+gather)
			continue
		case m := <-s.inbox:
			s.receive(m)
		case <-timer.C:
		case <-s.kick:
		}
		next = s.tick()
	}
}

// receive takes a message, and those behind it.
func (s *Service) receive(m letter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := len(s.inbox); ; n-- {
		s.take(m)
		if n == 0 {
			return
		}
		m = <-s.inbox
	}
}

func (s *Service) take(m letter) {
	s.waiting.Add(-int64(len(m.body)))
	s.heard(m.from)
	if s.life == nil {
		return
	}
	if err := s.life.machine.Receive(s.now(), m.from, m.body); err != nil {
		s.counts.refused.Add(1)
		s.config.Log.Warn("a message about replicated values makes no sense", "from", placement.NodeID(m.from), "error", err)
	}
}

// tick lets the machine do what is due, and tells when that is again.
func (s *Service) tick() (next time.Duration) {
	s.mu.Lock()
	if s.life == nil {
		s.mu.Unlock()
		return s.now() + lastPause // whoever begins a life wakes the loop
	}
	next = s.life.machine.Tick(s.now())
	out := s.life.machine.Outbox()
	s.progress()
	s.mu.Unlock()
	s.send(out)
	return next
}

func (s *Service) send(out []gossip.Envelope) {
	for _, e := range out {
		s.config.Send(placement.NodeID(e.To), e.Body)
	}
}

// progress draws the consequences of what the machine has come to know. mu is held.
func (s *Service) progress() {
	l := s.life
	if l.machine.Removed() {
		s.removed()
		return
	}
	if !isClosed(s.ready) && l.machine.Synced() {
		close(s.ready)
	}
	for _, at := range l.machine.Introduced() {
		s.heard(at)
	}
	if s.waits.settle(l, s.values) {
		hint(s.urge)
	}
}

// leave says goodbye to the others.
func (s *Service) leave() {
	s.mu.Lock()
	if s.life == nil {
		s.mu.Unlock()
		return
	}
	s.life.machine.Leave(s.now())
	s.life.machine.Tick(s.now())
	out := s.life.machine.Outbox()
	s.mu.Unlock()
	s.send(out)
}
