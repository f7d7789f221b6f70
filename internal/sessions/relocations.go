package sessions

import (
	"slices"
	"sync"
)

// Relocations is what a node knows of sessions that are elsewhere now, so that
// actors may go on sending to where they once were. It forgets the oldest ones
// beyond its bound: gateways that still live know them. It is safe for concurrent
// use.
type Relocations struct {
	most int

	// Held for reading while sessions are looked up and the order is sent that
	// goes to them, and for writing while something is learned and the marker is
	// sent. So nothing is sent to the old place behind the marker.
	mu    sync.RWMutex
	moved map[uint64]uint64
	order []uint64 // keys of moved, the oldest first
}

// NewRelocations makes a table of at most so many sessions.
func NewRelocations(most int) *Relocations {
	return &Relocations{most: most, moved: make(map[uint64]uint64)}
}

// Len is how many sessions are known to have moved.
func (r *Relocations) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.moved)
}

// Learn takes what a Marker, Moved or Connect says of a session. Where to is 0 it has ended and is
// forgotten.
func (r *Relocations) Learn(from, to uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.learn(from, to)
}

func (r *Relocations) learn(from, to uint64) {
	if to == 0 {
		delete(r.moved, from)
		return
	}
	if _, known := r.moved[from]; !known {
		r.order = append(r.order, from)
	}
	r.moved[from] = to
	for len(r.order) > r.most {
		delete(r.moved, r.order[0])
		r.order = r.order[1:]
	}
}

// Mark learns where sessions have moved and sends the marker.
func (r *Relocations) Mark(moved []Relocation, send func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range moved {
		r.learn(m.From, m.To)
	}
	return send()
}

// Send sends to where sessions are now. They are in ascending order.
func (r *Relocations) Send(at []uint64, send func(at []uint64) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return send(r.allNow(at))
}

// allNow leaves the list alone if nothing has moved.
func (r *Relocations) allNow(at []uint64) []uint64 {
	if len(r.moved) == 0 || !slices.ContainsFunc(at, func(at uint64) bool { return r.now(at) != at }) {
		return at
	}
	list := make([]uint64, len(at))
	for i := range at {
		list[i] = r.now(at[i])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Within lists sessions that were in a range and have moved.
func (r *Relocations) Within(first, last uint64) (moved []Relocation) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for from := range r.moved {
		if first <= from && from <= last {
			moved = append(moved, Relocation{From: from, To: r.now(from)})
		}
	}
	return moved
}

// Now is where a session is, as far as is known.
func (r *Relocations) Now(at uint64) uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.now(at)
}

func (r *Relocations) now(at uint64) uint64 {
	for range len(r.moved) { // a cycle would be somebody's mistake
		to, moved := r.moved[at]
		if !moved {
			break
		}
		at = to
	}
	return at
}
