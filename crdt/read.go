package crdt

import (
	"iter"
	"math"
)

// The methods of this file read a value where it is, without a copy. Those of a nil
// Value, or of one of another kind than they are for, give what an empty one has.

// Total is a counter's value. If changes at the same time have led out of an int64's
// range, a PNCounter's has wrapped around, and a GCounter's is the greatest.
func (v *Value) Total() int64 {
	c, ok := in[*counter](v)
	switch {
	case !ok:
		return 0
	case v.kind == KindGCounter && c.sum < 0:
		return math.MaxInt64
	}
	return c.sum
}

// Enabled reports whether a Flag is enabled.
func (v *Value) Enabled() bool {
	f, ok := in[*flag](v)
	return ok && !f.empty()
}

// Winner is what a Register holds; false as long as nothing has been written.
func (v *Value) Winner() (value string, ok bool) {
	if g, is := in[*register](v); is {
		w, ok := g.winner()
		return w.value, ok
	}
	return "", false
}

// Votes counts a Vote: how this replica votes, how many members vote for, and how
// many there are.
func (v *Value) Votes(e Electorate) (self bool, votesFor, voters int) {
	if v, ok := in[*vote](v); ok {
		return v.count(e)
	}
	return false, 0, len(e.Members)
}

// Len is the number of a set's elements, or of an ORMap's keys.
func (v *Value) Len() int {
	if s, ok := in[*set](v); ok {
		return s.members.len()
	}
	if m, ok := in[*orMap](v); ok {
		return m.slots.len()
	}
	return 0
}

// Has reports whether a set has an element, or an ORMap a key.
func (v *Value) Has(elem string) bool {
	if s, ok := in[*set](v); ok {
		_, ok = s.members.get(elem)
		return ok
	}
	return v.At(elem) != nil
}

// Elements yields a set's elements, or an ORMap's keys, in any order.
func (v *Value) Elements() iter.Seq[string] {
	if s, ok := in[*set](v); ok {
		return s.members.keys()
	}
	if m, ok := in[*orMap](v); ok {
		return m.slots.keys()
	}
	return func(func(string) bool) {}
}

// At is what an ORMap has at a key, or nil. It must not be changed.
func (v *Value) At(key string) *Value {
	if m, ok := in[*orMap](v); ok {
		if s := m.at(key); s != nil {
			return &s.value
		}
	}
	return nil
}

func in[C contents](v *Value) (c C, ok bool) {
	if v == nil {
		return c, false
	}
	c, ok = v.contents.(C)
	return c, ok
}
