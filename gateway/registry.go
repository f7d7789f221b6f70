package gateway

import (
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
)

// registry finds sessions by where they are.
type registry struct {
	mu   sync.RWMutex
	at   map[uint64]*session
	last uint64
}

// add gives a session its place. The session is not known to others yet, or its
// lock is held.
func (r *registry) add(s *session, node placement.NodeID) error {
	if node == 0 {
		return mallee.ErrUnavailable.Errorf("the node is not a member of its cluster")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	first, _ := sessions.Span(node)
	s.at = first + r.last
	r.at[s.at] = s
	return nil
}

// remove forgets a session. Its lock is held.
func (r *registry) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.at, s.at)
	for _, at := range s.older {
		delete(r.at, at)
	}
}

func (r *registry) find(at uint64) *session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.at[at]
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
