package sessions

// Relocations is what a node knows of sessions that are elsewhere now, so that
// actors may go on sending to where they once were. It forgets the oldest ones
// beyond its bound: gateways that still live know them.
type Relocations struct {
	most  int
	moved map[uint64]uint64
	order []uint64 // keys of moved, the oldest first
}

// NewRelocations makes a table of at most so many sessions.
func NewRelocations(most int) *Relocations {
	return &Relocations{most: most, moved: make(map[uint64]uint64)}
}

// Len is how many sessions are known to have moved: with none, nothing has to be
// looked up.
func (r *Relocations) Len() int { return len(r.moved) }

// Learn takes what a Flush, Moved or Connect says of a session. Where to is 0 it
// has ended and is forgotten.
func (r *Relocations) Learn(from, to uint64) {
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

// Now is where a session is, as far as is known.
func (r *Relocations) Now(at uint64) uint64 {
	for range len(r.moved) { // a cycle would be somebody's mistake
		to, moved := r.moved[at]
		if !moved {
			break
		}
		at = to
	}
	return at
}
