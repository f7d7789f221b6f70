package crdt

import "slices"

// A large value travels in parts: ranges of a set's elements, or of an ORMap's keys.
// What is at an element, and what a change does to it, has nothing to do with any
// other one, so each range can be read at another time: it is as a value of its own.

// AppendPart appends a part of the value, as the encoding of a value that has nothing
// else: the elements or keys from one on, in ascending order, until they have size
// bytes, but at least one. next is where the next part begins, which is not an
// element; it is "" after the last. Values of other kinds are one part. The time
// that it takes grows with the value, not with the part.
func (v *Value) AppendPart(b []byte, from string, size int) (_ []byte, next string) {
	b = append(b, version, byte(v.kind))
	switch c := v.contents.(type) {
	case *set:
		return appendRows(b, &c.members, from, size, appendMembership)
	case *orMap:
		return appendRows(b, &c.slots, from, size, appendSlots)
	}
	return v.contents.appendTo(b), ""
}

// TakePart takes in what ParseValue has made of a part, in the place of what the
// value has at the same elements or keys; nothing of it may be pending. The part must
// not be used any more. ErrKind: it is of another kind.
func (v *Value) TakePart(part *Value) error {
	if v.kind != part.kind {
		return ErrKind
	}
	switch c := v.contents.(type) {
	case *set:
		c.members.take(&part.contents.(*set).members)
	case *orMap:
		c.slots.take(&part.contents.(*orMap).slots)
	default:
		v.contents = part.contents
	}
	return nil
}

// minRow is the least number of bytes that a row's encoding has besides its key.
const minRow = 4

// appendRows appends the number of rows, and each of them.
func appendRows[V any](b []byte, t *table[V], from string, size int, row func([]byte, V) []byte) (_ []byte, next string) {
	keys, more := t.first(from, size)
	var rows []byte
	n := 0
	for n < len(keys) && (n == 0 || len(rows) < size) {
		v, _ := t.get(keys[n])
		rows = row(appendString(rows, keys[n]), v)
		n++
	}
	if more || n < len(keys) {
		next = keys[n-1] + "\x00" // the least one that is greater
	}
	return append(appendUvarint(b, uint64(n)), rows...), next
}

// first are the first keys from one on, in order: at least as many as have size bytes
// with their rows. more: there are others.
func (t *table[V]) first(from string, size int) (keys []string, more bool) {
	bytes, most := 0, size
	last := "" // with more: no key after it is needed
	for key := range t.keys() {
		if key < from || more && key > last {
			continue
		}
		keys = append(keys, key)
		if bytes += len(key) + minRow; bytes <= most {
			continue
		}
		n := len(keys)
		keys, bytes = least(keys, size)
		most = bytes + size // so that it does not happen for each key
		more = more || len(keys) < n
		last = keys[len(keys)-1]
	}
	slices.Sort(keys)
	return keys, more
}

// least are the least keys that have size bytes with their rows.
func least(keys []string, size int) (_ []string, bytes int) {
	slices.Sort(keys)
	for i, key := range keys {
		if bytes += len(key) + minRow; bytes >= size {
			return keys[:i+1], bytes
		}
	}
	return keys, bytes
}

func (t *table[V]) take(other *table[V]) {
	for key, v := range other.all() {
		t.set(key, v)
	}
}

func appendMembership(b []byte, a atoms[mark]) []byte { return appendAtoms(b, a, appendMark) }
func appendSlots(b []byte, s *slot) []byte            { return s.appendTo(b) }
