package crdt

import "iter"

// The methods of this file read a value where it is, without a copy. Those of a nil
// Value, or of one of another kind than they are for, give what an empty one has.

// Total is a counter's value.
func (v *Value) Total() int64 { panic("not yet") }

// Enabled reports whether a Flag is enabled.
func (v *Value) Enabled() bool { panic("not yet") }

// Winner is what a Register holds; false as long as nothing has been written.
func (v *Value) Winner() (value string, ok bool) { panic("not yet") }

// Votes counts a Vote: how this replica votes, how many members vote for, and how
// many there are.
func (v *Value) Votes(e Electorate) (self bool, votesFor, voters int) { panic("not yet") }

// Len is the number of a set's elements, or of an ORMap's keys.
func (v *Value) Len() int { panic("not yet") }

// Has reports whether a set has an element, or an ORMap a key.
func (v *Value) Has(elem string) bool { panic("not yet") }

// Elements yields a set's elements, or an ORMap's keys, in any order.
func (v *Value) Elements() iter.Seq[string] { panic("not yet") }

// At is what an ORMap has at a key, or nil. It must not be changed.
func (v *Value) At(key string) *Value { panic("not yet") }
