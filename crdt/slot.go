package crdt

// slot is what an ORMap has at a key: a value of one kind, and the marks of its
// changes. Behind it are those of greater kinds, if there are any.
type slot struct {
	marks atoms[mark]
	value Value
	next  *slot
	size  int // bytes of its encoding, at most: see fits
}

// of is the slot of a kind, made if there is none, and the first one then.
func (s *slot) of(k Kind) (first, of *slot) {
	if s == nil || s.value.kind > k {
		of = &slot{value: *NewValue(k), next: s}
		return of, of
	}
	if s.value.kind == k {
		return s, s
	}
	s.next, of = s.next.of(k)
	return s, of
}

// drop removes what has been seen from a slot and those behind it.
func (s *slot) drop(seen past) (first *slot, changed bool) {
	if s == nil {
		return nil, false
	}
	s.next, changed = s.next.drop(seen)
	changed = s.marks.drop(seen) || changed
	changed = s.value.contents.drop(seen) || changed
	return s.unlessEmpty(), changed
}

// merge takes in another node's slots at the same key.
func (s *slot) merge(o *slot, mine, theirs past) (first *slot, changed bool) {
	switch {
	case s == nil:
		o, _ = o.drop(mine)
		return o, o != nil
	case o == nil:
		return s.drop(theirs)
	case o.value.kind < s.value.kind:
		s, changed = s.merge(o.next, mine, theirs)
		o.next = nil
		if o, _ = o.drop(mine); o != nil {
			o.next = s
			return o, true
		}
		return s, changed
	case o.value.kind > s.value.kind:
		s.next, changed = s.next.merge(o, mine, theirs)
		changed = s.marks.drop(theirs) || changed
		changed = s.value.contents.drop(theirs) || changed
	default:
		s.size += o.size
		s.next, changed = s.next.merge(o.next, mine, theirs)
		changed = s.marks.merge(o.marks, mine, theirs) || changed
		changed = s.value.contents.merge(o.value.contents, mine, theirs) || changed
	}
	return s.unlessEmpty(), changed
}

func (s *slot) unlessEmpty() *slot {
	if len(s.marks) == 0 && s.value.contents.empty() {
		return s.next
	}
	return s
}

func (s *slot) appendTo(b []byte) []byte {
	for ; s != nil; s = s.next {
		b = appendAtoms(append(b, byte(s.value.kind)), s.marks, appendMark)
		b = s.value.contents.appendTo(b)
	}
	return append(b, 0)
}

// parseSlots reads the slots of one key whose kinds are greater than after.
func parseSlots(r *reader, after Kind, depth int) *slot {
	k := Kind(r.byte())
	if k == 0 || !r.check(k > after && k.known() && depth < maxDepth) {
		return nil
	}
	s := &slot{value: *NewValue(k), size: 2 + len(r.rest)}
	s.marks = parseAtoms(r, 1, (*reader).mark)
	s.value.contents.parse(r, depth+1)
	s.size -= len(r.rest)
	s.next = parseSlots(r, k, depth)
	r.check(len(s.marks) > 0 || !s.value.contents.empty())
	return s
}
