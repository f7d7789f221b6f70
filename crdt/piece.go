package crdt

import (
	"fmt"
	"slices"
)

// Bounds of the pieces of a value, which travel whole: see AppendPart. A change that
// would lead beyond them is not possible. Changes on several nodes at the same time
// can, as nobody refuses what others have done: three such pieces in one still fit
// into a message of 16 MiB.
const (
	MaxElement = 1 << 20 // bytes of an element of a set, or of a key of an ORMap
	MaxPiece   = 4 << 20 // bytes of a Register, or of all that is at one key of an ORMap
)

// atomSize is no less than what there is to an atom besides its payload: its dot,
// the number of atoms and the lengths of payloads.
const atomSize = 48

// checkPieces refuses what a delta itself has that is too large.
func checkPieces(d *Delta) error {
	if len(d.Value) > MaxPiece {
		return tooLarge("a Register", len(d.Value), MaxPiece)
	}
	for _, x := range d.Added {
		if len(x) > MaxElement {
			return tooLarge("an element", len(x), MaxElement)
		}
	}
	for _, e := range d.Inserted {
		if len(e.Key) > MaxElement {
			return tooLarge("a key", len(e.Key), MaxElement)
		}
	}
	return nil
}

func tooLarge(what string, size, most int) error {
	return fmt.Errorf("%w: %s would have %d bytes, of at most %d", ErrIllegal, what, size, most)
}

// fits refuses a possible delta after which something at a key of an ORMap would be
// too large, and larger than before. What is there is measured only when the sum of
// what has come since the last time is too much.
func (v *Value) fits(d *Delta) error {
	m, ok := in[*orMap](v)
	if !ok {
		return nil
	}
	grows := make(map[string]int, len(d.Updated)+len(d.Inserted))
	for _, e := range d.entries() {
		grows[e.Key] += e.Delta.Size()
	}
	for key, by := range grows {
		if m.at(key).most()+by <= MaxPiece {
			continue
		}
		before, after := m.measure(key, d)
		if after > MaxPiece && after > before {
			return tooLarge("what is at one key of an ORMap", after, MaxPiece)
		}
	}
	return nil
}

// most is a bound of the size of a slot, with those behind it.
func (s *slot) most() (n int) {
	for ; s != nil; s = s.next {
		n += s.size
	}
	return n
}

// measure tells how large what is at a key is, and will be after a delta.
func (m *orMap) measure(key string, d *Delta) (before, after int) {
	one := &orMap{}
	if s := m.at(key); s != nil {
		b := s.appendTo(nil)
		before = len(b)
		same := parseSlots(&reader{rest: b}, 0, 0)
		one.slots.set(key, same)
		for ; s != nil; s, same = s.next, same.next {
			s.size = same.size
		}
	}
	others := func(e Entry) bool { return e.Key != key }
	one.change(Dot{Replica: 1, Seq: 1}, 0, &Delta{
		Kind: KindORMap, Cleared: d.Cleared, Removed: d.Removed,
		Updated:  slices.DeleteFunc(slices.Clone(d.Updated), others),
		Inserted: slices.DeleteFunc(slices.Clone(d.Inserted), others),
	}, false)
	if s := one.at(key); s != nil {
		after = len(s.appendTo(nil))
	}
	return before, after
}
