package gateway

import (
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// perNode is how many sessions a node can number: where a session is, is its
// node's ID times this and a number.
const perNode = 10_000_000_000

// nodeOf is the node of whose gateway a session is.
func nodeOf(at uint64) placement.NodeID { return placement.NodeID(at / perNode) }

// registry finds sessions by where they are.
type registry struct {
	mu   sync.RWMutex
	at   map[uint64]*session
	last uint64
}

// add gives a session its place. The session is not known to others yet, or its
// lock is held.
func (r *registry) add(s *session, node placement.NodeID) error {
	if node == 0 || uint64(node) >= 1<<63/perNode {
		return mallee.ErrUnavailable.Errorf("node %d cannot number sessions: it is not a member of its cluster", node)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	s.at = uint64(node)*perNode + r.last
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
