package crdt

import "slices"

// vote has one atom for each replica: whether it votes for.
type vote struct{ cast atoms[bool] }

func (v *vote) count(e Electorate) (self bool, votesFor, voters int) {
	for _, x := range v.cast {
		if x.payload && slices.Contains(e.Members, x.dot.Replica) {
			votesFor++
		}
	}
	self, _ = v.cast.of(e.Self)
	return self, votesFor, len(e.Members)
}

func (v *vote) empty() bool { return len(v.cast) == 0 }

func (v *vote) change(at Dot, _ int64, d *Delta, _ bool) bool {
	if self, _ := v.cast.of(at.Replica); self == d.Self {
		return false
	}
	v.cast.own(at, d.Self)
	return true
}

func (v *vote) effect(at Dot, e *effect) {
	self, ok := v.cast.of(at.Replica)
	e.put, e.yes = ok, self
}

func (v *vote) apply(at Dot, _ past, e *effect) bool { return e.put && v.cast.put(at, e.yes) }

func (v *vote) drop(seen past) bool { return v.cast.drop(seen) }

func (v *vote) merge(o contents, mine, theirs past) bool {
	return v.cast.merge(o.(*vote).cast, mine, theirs)
}

func (v *vote) fold(r ReplicaID) {
	if i, ok := v.cast.find(r); ok {
		v.cast = slices.Delete(v.cast, i, i+1)
	}
}

func (v *vote) appendTo(b []byte) []byte { return appendAtoms(b, v.cast, appendBool) }

func (v *vote) parse(r *reader, _ int) { v.cast = parseAtoms(r, 1, (*reader).bool) }
