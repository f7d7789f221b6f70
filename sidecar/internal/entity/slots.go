package entity

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/mallee-io/mallee"
)

// Slots bounds how many entities have a stream at once, for user functions that
// need a thread for each stream and have few of them. Where there is no slot
// left, the entity that has used its stream least recently ends it, in a turn of
// its own; what it knew is replayed when it is called again. Slots are safe for
// concurrent use; nil ones do not bound anything.
type Slots struct {
	free *semaphore.Weighted // first come, first served

	mu      sync.Mutex
	holders []*entity // that were not asked to end their streams; the last one has used its own last
	owed    int       // entities that wait, and for which nobody was asked yet
}

// NewSlots makes n slots.
func NewSlots(n int) *Slots { return &Slots{free: semaphore.NewWeighted(int64(n))} }

// take waits for a slot.
func (s *Slots) take(e *entity, limit time.Duration) error {
	if s == nil {
		return nil
	}
	if !s.free.TryAcquire(1) {
		s.hold(nil, 1)
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if s.free.Acquire(ctx, 1) != nil {
			return mallee.ErrOverloaded.Errorf("for %v all streams that the user function can have were in use", limit)
		}
	}
	s.hold(e, 0)
	return nil
}

// hold adds a holder, if it is not nil, and those who wait, and asks as many
// holders to end their streams as are waited for.
func (s *Slots) hold(e *entity, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e != nil {
		s.holders = append(s.holders, e)
	}
	s.owed += waiting
	n := min(s.owed, len(s.holders))
	s.owed -= n
	for _, h := range s.holders[:n] {
		h.activation.Schedule(0, 0, func(context.Context) { h.hangUp() })
	}
	s.holders = slices.Delete(s.holders, 0, n)
}

// used notes that an entity uses its stream.
func (s *Slots) used(e *entity) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.holders, e); i >= 0 {
		s.holders = append(slices.Delete(s.holders, i, i+1), e)
	}
}

// leave gives a slot back, once the stream has ended.
func (s *Slots) leave(e *entity) {
	if s == nil {
		return
	}
	s.mu.Lock()
	if i := slices.Index(s.holders, e); i >= 0 {
		s.holders = slices.Delete(s.holders, i, i+1)
	}
	s.mu.Unlock()
	s.free.Release(1)
}
