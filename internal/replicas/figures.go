package replicas

import "sync/atomic"

// counts are since the node started.
type counts struct {
	sent, received, dropped, refused atomic.Int64 // messages
	failedFlushes, removals          atomic.Int64
}

// Figures are what a node shows of its copies.
type Figures struct {
	Values   int // that there are
	Deleted  int // marks of deleted ones
	Members  int // nodes that have copies, this one included
	Batches  int // that are retained for other nodes and the store
	Retained int // bytes of these
	Lag      int // batches that this node knows of and the store does not have
	Waits    int // that have not ended

	Sent, Received, Dropped, Refused int64 // messages between nodes
	FailedFlushes, Removals          int64
}

// Figures may be called at any time.
func (s *Service) Figures() Figures {
	f := Figures{
		Sent: s.counts.sent.Load(), Received: s.counts.received.Load(), Dropped: s.counts.dropped.Load(), Refused: s.counts.refused.Load(),
		FailedFlushes: s.counts.failedFlushes.Load(), Removals: s.counts.removals.Load(),
	}
	f.Values, f.Deleted = s.values.Size()
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Members, f.Waits = len(s.live), s.waits.count()
	if s.life == nil {
		return f
	}
	clock, store := s.values.Clock(), s.life.machine.StoreHas()
	for r, seq := range clock.All() {
		if kept := store.Seen(r); seq > kept {
			f.Lag += int(seq - kept)
		}
	}
	return f
}
