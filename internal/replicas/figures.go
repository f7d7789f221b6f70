package replicas

import (
	"sync/atomic"

	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// counts are since the node started.
type counts struct {
	dropped, refused, failedFlushes, removals atomic.Int64
}

// Figures are what a node shows of its copies; counts of the machine begin anew with
// another replica.
type Figures struct {
	gossip.Figures
	Values   int // that there are
	Deleted  int // marks of deleted ones
	Members  int // nodes that have copies, this one included
	Unstored int // batches that are here and not in the store
	Waits    int // that have not ended

	Dropped       int64 // messages of other nodes that came too fast
	Refused       int64 // messages of other nodes that make no sense
	FailedFlushes int64
	Removals      int64 // of the replica of this node
}

// Figures may be called at any time.
func (s *Service) Figures() Figures {
	f := Figures{
		Dropped: s.counts.dropped.Load(), Refused: s.counts.refused.Load(),
		FailedFlushes: s.counts.failedFlushes.Load(), Removals: s.counts.removals.Load(),
	}
	f.Values, f.Deleted = s.values.Size()
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Waits = s.waits.count()
	if s.life == nil {
		return f
	}
	f.Figures, f.Members = s.life.machine.Figures(), len(s.live)
	clock, store := s.values.Clock(), s.life.machine.StoreHas()
	for r, seq := range clock.All() {
		if stored := store.Seen(r); seq > stored && !store.Forgotten(r) {
			f.Unstored += int(seq - stored)
		}
	}
	return f
}
