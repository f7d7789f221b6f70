package crdt

import (
	"slices"
)

// past is what somebody has seen.
type past interface{ Covers(d Dot) bool }

// observed is what a batch had seen: its replica's clock, and its own replica's
// batches before it.
type observed struct {
	at   Dot
	seen *Clock
}

func (o *observed) Covers(d Dot) bool {
	if d.Replica == o.at.Replica {
		return d.Seq < o.at.Seq
	}
	return o.seen.Covers(d)
}

// atom is something that a batch has put somewhere.
type atom[P any] struct {
	payload P
	dot     Dot
}

// mark is the payload of atoms that say nothing but that they are there.
type mark struct{}

// atoms are what is at one place: of each replica the newest at most, in ascending
// order of replicas. More than one are there only if they were put at the same time.
type atoms[P any] []atom[P]

// find is binary search, as that of slices, which takes ten times as long for want of
// inlining.
func (a atoms[P]) find(r ReplicaID) (int, bool) {
	i, end := 0, len(a)
	for i < end {
		if mid := (i + end) / 2; a[mid].dot.Replica < r {
			i = mid + 1
		} else {
			end = mid
		}
	}
	return i, i < len(a) && a[i].dot.Replica == r
}

// of is what a replica has put.
func (a atoms[P]) of(r ReplicaID) (p P, ok bool) {
	if i, ok := a.find(r); ok {
		return a[i].payload, true
	}
	return p, false
}

// has reports whether there is something of a batch.
func (a atoms[P]) has(at Dot) bool {
	i, ok := a.find(at.Replica)
	return ok && a[i].dot == at
}

// put puts something beside what other replicas have put, unless its own replica has
// put something later.
func (a *atoms[P]) put(at Dot, p P) (changed bool) {
	i, ok := a.find(at.Replica)
	switch {
	case !ok:
		*a = slices.Insert(*a, i, atom[P]{p, at})
	case (*a)[i].dot.Seq >= at.Seq:
		return false
	default:
		(*a)[i] = atom[P]{p, at}
	}
	return true
}

// own is put for the open batch, which may have put something already.
func (a *atoms[P]) own(at Dot, p P) {
	if i, ok := a.find(at.Replica); ok {
		(*a)[i] = atom[P]{p, at}
		return
	}
	a.put(at, p)
}

// replace puts something instead of all that is there.
func (a *atoms[P]) replace(at Dot, p P) {
	if len(*a) != 1 {
		*a = make(atoms[P], 1)
	}
	(*a)[0] = atom[P]{p, at}
}

// observe puts something instead of what its batch had seen.
func (a *atoms[P]) observe(at Dot, p P, seen past) (changed bool) {
	dropped := a.drop(seen)
	return a.put(at, p) || dropped
}

// drop removes what has been seen.
func (a *atoms[P]) drop(seen past) (changed bool) {
	rest := slices.DeleteFunc(*a, func(x atom[P]) bool { return seen.Covers(x.dot) })
	changed = len(rest) < len(*a)
	if len(rest) == 0 {
		rest = nil
	}
	*a = rest
	return changed
}

// merge takes in what another node has there: what only one has stays unless the
// other has seen it, and so must have removed it.
func (a *atoms[P]) merge(other atoms[P], mine, theirs past) (changed bool) {
	same := len(other) == len(*a)
	for i := 0; same && i < len(other); i++ {
		same = other[i].dot == (*a)[i].dot
	}
	if same {
		return false
	}
	n := len(*a)
	kept := slices.DeleteFunc(*a, func(x atom[P]) bool { return !other.has(x.dot) && theirs.Covers(x.dot) })
	changed = len(kept) < n
	*a = kept
	for _, x := range other {
		if !a.has(x.dot) && !mine.Covers(x.dot) {
			changed = a.put(x.dot, x.payload) || changed
		}
	}
	if len(*a) == 0 {
		*a = nil
	}
	return changed
}
