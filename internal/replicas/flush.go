package replicas

import (
	"context"
	"time"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// flush asks the keeper to write: at once when somebody waits, and each interval if
// the store does not have all that is here, whoever has changed it.
func (s *Service) flush() {
	ticker := time.NewTicker(s.config.FlushInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.urge:
			s.flushAll(s.promised)
		case <-ticker.C:
			s.flushAll(s.seen)
		}
	}
}

// flushAll flushes what need tells, until that is nothing. After a failure it waits.
func (s *Service) flushAll(need func() (*life, crdt.Clock)) {
	pause := firstPause
	for s.ctx.Err() == nil {
		l, clock := need()
		if l == nil {
			return
		}
		if err := s.flushTo(s.ctx, l, &clock); err == nil {
			pause = firstPause
			need = s.promised
			continue
		}
		if !s.sleep(pause) {
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// flushTo asks the keeper once.
func (s *Service) flushTo(ctx context.Context, l *life, need *crdt.Clock) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	b, err := s.keeper().Flush(ctx, need.Append(nil))
	durable, _, parsed := crdt.ParseClock(b)
	if err == nil {
		err = parsed
	}
	if err != nil {
		s.counts.failedFlushes.Add(1)
		s.mu.Lock()
		s.unkept = err
		s.mu.Unlock()
		return err
	}
	s.noteDurable(l, &durable)
	return nil
}

// promised is what those who wait have changed and the store does not have.
func (s *Service) promised() (*life, crdt.Clock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil || !s.waits.unstored(s.life) {
		return nil, crdt.Clock{}
	}
	return s.life, s.own()
}

// own is what the replica of this node has sealed. mu is held.
func (s *Service) own() (c crdt.Clock) {
	if seq, _ := s.values.Next(); seq > 1 {
		c.See(crdt.Dot{Replica: s.life.id, Seq: seq - 1})
	}
	return c
}

// all is all that is here; what is open is sealed.
func (s *Service) all() crdt.Clock {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != nil {
		s.life.machine.Tick(s.now())
		hint(s.kick)
	}
	return s.values.Clock()
}

// seen is all that is here, if the store does not have all of it.
func (s *Service) seen() (*life, crdt.Clock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil {
		return nil, crdt.Clock{}
	}
	clock, store := s.values.Clock(), s.life.machine.StoreHas()
	if store.Includes(&clock) {
		return nil, crdt.Clock{}
	}
	return s.life, clock
}

// Flush returns when the store has all that the node has changed until now.
func (s *Service) Flush(ctx context.Context) error {
	s.mu.Lock()
	l := s.life
	if l == nil || s.ctx.Err() != nil {
		s.mu.Unlock()
		return nil
	}
	s.life.machine.Tick(s.now())
	need := s.own()
	s.mu.Unlock()
	hint(s.kick)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		s.mu.Lock()
		store := l.machine.StoreHas()
		s.mu.Unlock()
		if store.Includes(&need) {
			return nil
		}
		err := s.flushTo(ctx, l, &need)
		if ctx.Err() != nil || !s.sleep(pause) {
			return err
		}
	}
}

// since gives the keeper the batches that lead from a clock to what is here. False:
// some are not kept any more.
func (s *Service) since(l *life, c *crdt.Clock) (batches []gossip.Batch, clock crdt.Clock, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hint(s.kick) // what was open is sealed
	return l.machine.Since(s.now(), c)
}

// keep keeps the batches that lead from a clock, nil: no longer.
func (s *Service) keep(l *life, since *crdt.Clock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.machine.Keep(since)
}

// noteDurable takes note of what the store has.
func (s *Service) noteDurable(l *life, durable *crdt.Clock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.machine.Durable(durable)
	s.unkept = nil
	if s.life == l {
		s.progress()
		hint(s.kick)
	}
}

// census takes the machine's, for the keeper.
func (s *Service) census(l *life, from *ledger) (gone []crdt.ReplicaID, checkpoint bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone, checkpoint = l.machine.Census(s.now(), &gossip.Census{Given: from.head.Given, Last: from.head.Next - 1, Base: from.base})
	if s.life == l {
		s.progress()
		hint(s.kick)
	}
	return gone, checkpoint
}

// returned tells the machine that a replica has come back.
func (s *Service) returned(l *life, id crdt.ReplicaID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.machine.Returned(id)
}
