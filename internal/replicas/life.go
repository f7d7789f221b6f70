package replicas

import (
	"context"
	"fmt"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
	"github.com/mallee-io/mallee/placement"
)

// life is that of one replica. It goes on when the node loses its lease, and ends
// when the others have removed it: then the node begins anew, as another replica.
type life struct {
	id      crdt.ReplicaID
	machine *gossip.Machine
	fetches bool          // what the others have; it is not ready before it has that
	over    chan struct{} // closed when it has ended
}

// Pauses between attempts to become a replica, and to reach the store.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// join tries until the node is a replica.
func (s *Service) join() {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := s.tryJoin()
		if err == nil || s.ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.unready = err
		s.mu.Unlock()
		s.config.Log.Warn("the node cannot have the replicated values yet", "error", err)
		if !s.sleep(pause) {
			return
		}
	}
}

func (s *Service) tryJoin() error {
	ctx, cancel := context.WithTimeout(s.ctx, s.config.CallTimeout)
	defer cancel()
	if err := s.poll(ctx); err != nil {
		return err
	}
	own := s.config.Self()
	id, source, err := MalleeReplicasOf(s.config.Caller, keeperKey).Join(ctx, uint64(own))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.life != nil: // the keeper has come to this node
		return nil
	case source == uint64(own):
		return mallee.ErrUnavailable.Errorf("the keeper was here and has ended")
	}
	s.enter(crdt.ReplicaID(id), true)
	s.life.machine.Fetch(s.now(), gossip.Peer(source))
	hint(s.kick)
	return nil
}

// enter begins a life. mu is held.
func (s *Service) enter(id crdt.ReplicaID, fetches bool) {
	s.values.Begin(id)
	s.life = &life{
		id: id, fetches: fetches, over: make(chan struct{}),
		machine: gossip.NewMachine(s.config.Gossip, gossip.Peer(s.config.Self()), id, s.values),
	}
	s.life.machine.Members(s.now(), s.live)
	s.config.Log.Info("the node has the replicated values", "replica", id, "fetches", fetches)
	s.progress()
}

// removed ends a life: others have come to know that the node was away for too long.
// mu is held.
func (s *Service) removed() {
	s.counts.removals.Add(1)
	s.config.Log.Error("the node was away for so long that the others have removed its replica: what it has changed since they heard of it last is lost", "replica", s.life.id)
	close(s.life.over)
	s.life = nil
	s.values.Reset()
	s.unready = errRemoved
	if isClosed(s.ready) {
		s.ready = make(chan struct{})
	}
	s.waits.fail(mallee.ErrUnavailable.Errorf("the changes are lost: %v", errRemoved))
	s.running.Go(s.join)
}

// host makes the replica of the keeper's node have all that the store has. If the node
// is no replica yet it becomes one, with that.
func (s *Service) host(ctx context.Context, l *ledger) (*life, error) {
	s.start()
	if err := s.poll(ctx); err != nil {
		return nil, err
	}
	if own := s.current(); own != nil {
		if err := l.readLog(ctx, nil); err != nil {
			return nil, err
		}
		clock := s.values.Clock()
		if covers(&clock, &l.durable) {
			return own, nil
		}
	}
	staged, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	id := crdt.ReplicaID(0)
	if s.current() == nil {
		if id, err = l.newID(ctx); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.life != nil:
		err = s.life.machine.Merge(s.now(), staged)
	case id == 0:
		err = errRemoved
	default:
		err = s.values.Merge(staged)
		if err == nil {
			s.enter(id, false)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("take in what the store has: %w", err)
	}
	s.life.fetches = false
	s.progress()
	return s.life, nil
}

func (s *Service) current() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}

// covers reports whether a clock has all batches of another one. What that one has
// forgotten was seen by all.
func covers(c, other *crdt.Clock) bool {
	for r, seq := range other.All() {
		if seq > 0 && !c.Covers(crdt.Dot{Replica: r, Seq: seq}) {
			return false
		}
	}
	return true
}

// Renamed says that the node is another one for the cluster.
func (s *Service) Renamed(id placement.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != nil {
		s.life.machine.Rename(gossip.Peer(id))
	}
	hint(s.look)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
