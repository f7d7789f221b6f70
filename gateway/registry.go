package gateway

import (
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
)

// registry finds sessions by where they are, and by their IDs.
type registry struct {
	mu   sync.RWMutex
	at   map[uint64]*session
	of   map[uint64]*session // by ID, of clients that speak frames: others do not come back
	last uint64
}

// reserve returns a place at the node's ID.
func (r *registry) reserve(node placement.NodeID) (at uint64, err error) {
	if node == 0 {
		return 0, mallee.ErrUnavailable.Errorf("the node is not a member of its cluster")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	first, _ := sessions.Span(node)
	return first + r.last, nil
}

// put makes a session known at a place. It is not known to others yet, or its
// lock is held.
func (r *registry) put(s *session, at uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.at = at
	r.at[at] = s
	if !s.plain {
		r.of[s.id] = s
	}
}

// remove forgets a session. Its lock is held.
func (r *registry) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at, s.at)
	if r.of[s.id] == s {
		delete(r.of, s.id)
	}
	for _, at := range s.older {
		delete(r.at, at)
	}
}

func (r *registry) find(at uint64) *session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.at[at]
}

// known returns the session of an ID.
func (r *registry) known(id uint64) *session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.of[id]
}

// findAll appends the session of each place; nil where there is none.
func (r *registry) findAll(list []*session, at []uint64) []*session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, a := range at {
		list = append(list, r.at[a])
	}
	return list
}

// all is every session once.
func (r *registry) all() []*session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]*session, 0, len(r.at))
	for at, s := range r.at {
		if at == s.at {
			list = append(list, s)
		}
	}
	return list
}

func (r *registry) count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.at)
}
