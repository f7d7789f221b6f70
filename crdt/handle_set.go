package crdt

import "iter"

// GSet is a Handle of a set that only grows. Its elements are as those of an ORSet.
type GSet[E any] struct{ elements[E] }

// On is the handle of a replica.
func (GSet[E]) On(r Replica) GSet[E] { return GSet[E]{elements[E]{r, KindGSet}} }

// ORSet is a Handle of a set. Of an element that is added on one node and removed on
// another one at the same time, the add wins.
//
// Elements are strings, or of any type that encoding/json can write and read; then
// two are the same when their JSON is.
type ORSet[E any] struct{ elements[E] }

// On is the handle of a replica.
func (ORSet[E]) On(r Replica) ORSet[E] { return ORSet[E]{elements[E]{r, KindORSet}} }

// Remove takes elements out. Those that are not in the set change nothing.
func (s ORSet[E]) Remove(elements ...E) error {
	removed, err := encodeAll(elements)
	if err != nil {
		return err
	}
	return s.replica.Change(&Delta{Kind: s.kind, Removed: removed})
}

// Clear takes all elements out that this node knows of.
func (s ORSet[E]) Clear() error { return s.replica.Change(&Delta{Kind: s.kind, Cleared: true}) }

// elements are what both kinds of sets have.
type elements[E any] struct {
	replica Replica
	kind    Kind
}

// Add puts elements into the set.
func (s elements[E]) Add(elements ...E) error {
	added, err := encodeAll(elements)
	if err != nil {
		return err
	}
	return s.replica.Change(&Delta{Kind: s.kind, Added: added})
}

// Has reports whether an element is in the set, as far as this node knows.
func (s elements[E]) Has(element E) (bool, error) {
	encoded, err := encode(element)
	if err != nil {
		return false, err
	}
	return read(s.replica, s.kind, func(v *Value, _ Electorate) bool { return v.Has(encoded) })
}

// Len is the number of elements.
func (s elements[E]) Len() (int, error) {
	return read(s.replica, s.kind, func(v *Value, _ Electorate) int { return v.Len() })
}

// All yields the elements that are in the set when the loop begins, in the order of
// their bytes, or one error. An element that is no E, since somebody else has put
// it there, is an error too (ErrMalformed), and the others follow.
func (s elements[E]) All() iter.Seq2[E, error] { return all[E](s.replica, s.kind) }
