package replicas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// life is that of one replica. It goes on when the node loses its lease, and ends
// when the others have removed it: then the node begins anew, as another replica.
type life struct {
	id      crdt.ReplicaID
	machine *gossip.Machine
	over    chan struct{} // closed when it has ended
}

// Pauses between attempts to become a replica, and to reach the store.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// join makes the node a replica, again when it has been removed.
func (s *Service) join() {
	for {
		s.try("the node cannot have the replicated values yet", s.tryJoin)
		select {
		case <-s.alone:
		case <-s.ctx.Done():
			return
		}
	}
}

// try tries until something succeeds.
func (s *Service) try(trouble string, f func(context.Context) error) {
	level := slog.LevelWarn
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		ctx, cancel := context.WithTimeout(s.ctx, s.config.CallTimeout)
		err := f(ctx)
		cancel()
		if err == nil || s.ctx.Err() != nil {
			return
		}
		s.config.Log.Log(ctx, level, trouble, "error", err)
		level = slog.LevelDebug // it has been said
		s.mu.Lock()
		s.unready = err
		s.mu.Unlock()
		if !s.sleep(pause) {
			return
		}
	}
}

func (s *Service) tryJoin(ctx context.Context) error {
	if err := s.poll(ctx); err != nil {
		return err
	}
	own := s.config.Self()
	id, source, err := s.keeper().Join(ctx, uint64(own))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.life != nil: // the keeper is here
		return nil
	case source == uint64(own):
		return mallee.ErrUnavailable.Errorf("the keeper was here and has ended")
	}
	s.enter(crdt.ReplicaID(id))
	s.life.machine.Fetch(s.now(), gossip.Peer(source))
	return nil
}

// enter begins a life, which needs what the others have. mu is held.
func (s *Service) enter(id crdt.ReplicaID) {
	s.life = &life{
		id: id, over: make(chan struct{}),
		machine: gossip.NewMachine(s.config.Gossip, gossip.Peer(s.config.Self()), id, s.values),
	}
	s.life.machine.Members(s.now(), s.live)
	s.config.Log.Info("the node begins to have copies of the replicated values", "replica", id)
	hint(s.kick)
}

// removed ends a life: the others have forgotten the replica. mu is held.
func (s *Service) removed() {
	s.counts.removals.Add(1)
	s.config.Log.Error("the node was away for so long that its replica has been removed: what others had not heard of is lost, and it begins anew", "replica", s.life.id)
	close(s.life.over)
	s.life, s.unready = nil, errRemoved
	s.values.Reset()
	if isClosed(s.ready) {
		s.ready = make(chan struct{})
	}
	s.waits.fail(mallee.ErrUnavailable.Errorf("%v", errRemoved))
	hint(s.alone)
}

// errRemoved says that the others have forgotten this replica.
var errRemoved = errors.New("the replica of this node was away for too long and has been removed")

// host makes the replica of the keeper's node have all that the store has. A node that
// is no replica becomes one.
func (s *Service) host(ctx context.Context, l *ledger) (*life, error) {
	s.start()
	if err := s.poll(ctx); err != nil {
		return nil, err
	}
	own := s.remains(l.head.Given)
	if own == nil {
		id, err := l.give(ctx)
		if err != nil {
			return nil, err
		}
		own = s.begins(id)
	}
	if err := l.readLog(ctx, nil); err != nil {
		return nil, err
	}
	if s.has(own, &l.durable) {
		return own, nil
	}
	stored, err := l.load(ctx)
	if err != nil {
		return nil, err
	}
	return own, s.adopt(own, stored)
}

// remains is the present replica, if it is among those that there are.
func (s *Service) remains(given []crdt.ReplicaID) *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.life == nil:
	case slices.Contains(given, s.life.id):
		s.life.machine.Returned(s.life.id)
		s.nameAgain()
	default:
		s.removed()
	}
	return s.life
}

// begins makes the node a replica, unless it has become one meanwhile.
func (s *Service) begins(id crdt.ReplicaID) *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == nil {
		s.enter(id)
	}
	return s.life
}

// has reports whether a replica has all that a clock says.
func (s *Service) has(l *life, c *crdt.Clock) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	clock := s.values.Clock()
	return s.life == l && l.machine.Synced() && clock.Includes(c)
}

// adopt takes in what the store has.
func (s *Service) adopt(l *life, stored *gossip.Values) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != l {
		return errRemoved
	}
	if err := l.machine.Adopt(s.now(), stored); err != nil {
		return fmt.Errorf("take in what the store has: %w", err)
	}
	s.progress()
	hint(s.kick)
	return nil
}

// keeper is the one of the cluster.
func (s *Service) keeper() MalleeReplicasRef { return MalleeReplicasOf(s.config.Caller, keeperKey) }

func (s *Service) current() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}

// Renamed says that the node is another one for the cluster. While it was none it may
// have been removed as a replica, and it says nothing to the others before the keeper
// has said that it was not.
func (s *Service) Renamed() { hint(s.renamed) }

// rename asks the keeper each time that the node has got another name.
func (s *Service) rename() {
	for {
		select {
		case <-s.renamed:
			s.try("it is not known whether the node still is a replica", s.tryRename)
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Service) tryRename(ctx context.Context) error {
	l := s.current()
	if l == nil {
		return nil
	}
	known, err := s.keeper().Return(ctx, uint64(l.id))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.life != l:
	case known:
		s.nameAgain()
	default:
		s.removed()
	}
	return nil
}

// nameAgain tells the machine which node this is. mu is held.
func (s *Service) nameAgain() {
	s.life.machine.Rename(gossip.Peer(s.config.Self()))
	s.changedMembers()
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
