package crdt

import (
	"cmp"
	"fmt"
	"iter"
)

// ORMap is a Handle of a map whose values are replicated values of their own, of any
// kinds: At gives their handles. A key is there from the first change of its value on,
// until it is removed. Of a change and a removal at the same time the change wins, and
// what the value had been before is gone.
//
// Keys are as the elements of an ORSet.
type ORMap[K any] struct{ replica Replica }

// On is the handle of a replica.
func (ORMap[K]) On(r Replica) ORMap[K] { return ORMap[K]{r} }

// At is the value at a key: At[PNCounter](scores, "ann"), or At[ORMap[string]](m, k),
// and so on. Reading does not make it; two nodes that make it at the same time as
// different kinds find one of them there afterwards.
func At[T Handle[T], K any](m ORMap[K], key K) T {
	var handle T
	encoded, err := encode(key)
	return handle.On(entry{m.replica, encoded, err})
}

// Has reports whether a key is in the map, as far as this node knows.
func (m ORMap[K]) Has(key K) (bool, error) {
	encoded, err := encode(key)
	if err != nil {
		return false, err
	}
	return read(m.replica, KindORMap, func(v *Value, _ Electorate) bool { return v.Has(encoded) })
}

// Len is the number of keys.
func (m ORMap[K]) Len() (int, error) {
	return read(m.replica, KindORMap, func(v *Value, _ Electorate) int { return v.Len() })
}

// Keys yields the keys as the All of a set yields its elements.
func (m ORMap[K]) Keys() iter.Seq2[K, error] { return all[K](m.replica, KindORMap) }

// Remove takes keys out, and their values. Those that are not in the map change
// nothing.
func (m ORMap[K]) Remove(keys ...K) error {
	removed, err := encodeAll(keys)
	if err != nil {
		return err
	}
	return m.replica.Change(&Delta{Kind: KindORMap, Removed: removed})
}

// Clear takes all keys out that this node knows of.
func (m ORMap[K]) Clear() error { return m.replica.Change(&Delta{Kind: KindORMap, Cleared: true}) }

// entry is the value at a key of a map. What is not about it alone, such as Watch, is
// about the whole.
type entry struct {
	Replica // of the map
	key     string
	err     error // the key cannot be encoded
}

func (e entry) Read(f func(v *Value, e Electorate)) error {
	if e.err != nil {
		return e.err
	}
	var wrong error
	err := e.Replica.Read(func(v *Value, members Electorate) {
		if wrong = mustBe(v, KindORMap); wrong == nil {
			f(v.At(e.key), members)
		}
	})
	return cmp.Or(err, wrong)
}

func (e entry) Change(d *Delta) error {
	if e.err != nil {
		return e.err
	}
	return e.Replica.Change(&Delta{Kind: KindORMap, Inserted: []Entry{{e.key, d}}})
}

// Count gives a sum that may have others' changes in it that came right afterwards.
func (e entry) Count(k Kind, change int64) (int64, error) {
	d := &Delta{Kind: k, Change: change}
	if k == KindGCounter {
		if change < 0 {
			return 0, fmt.Errorf("%w: a counter that only grows, by %d", ErrIllegal, change)
		}
		d.Increment = uint64(change)
	}
	if err := e.Change(d); err != nil {
		return 0, err
	}
	return count(e, k)
}
