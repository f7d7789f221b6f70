package crdt

// set is the contents of GSet and ORSet: an element is there as long as one add of
// it is.
type set struct {
	members table[atoms[mark]]
	pending *touched // nil: nothing
}

// touched is what the open batch has changed.
type touched struct {
	cleared bool
	keys    table[bool] // since cleared: whether it has been removed, whatever came afterwards
}

// touch notes a key in the open batch.
func touch(t **touched, key string, removed bool) {
	if *t == nil {
		*t = &touched{}
	}
	before, _ := (*t).keys.get(key)
	(*t).keys.set(key, removed || before)
}

func (s *set) empty() bool { return s.members.len() == 0 }

// change adds a GSet's elements only if they are new, unless in an ORMap: there they
// must win over a remove of the key at the same time.
func (s *set) change(at Dot, _ int64, d *Delta, nested bool) (changed bool) {
	if d.Kind == KindORSet {
		changed = s.remove(d)
	}
	for _, x := range d.Added {
		a, ok := s.members.get(x)
		if ok && (d.Kind == KindGSet && !nested || a.has(at)) {
			continue
		}
		a.replace(at, mark{})
		s.members.set(x, a)
		touch(&s.pending, x, false)
		changed = true
	}
	return changed
}

func (s *set) remove(d *Delta) (changed bool) {
	if d.Cleared && !s.empty() {
		s.members = table[atoms[mark]]{}
		s.pending = &touched{cleared: true}
		changed = true
	}
	for _, x := range d.Removed {
		if _, ok := s.members.get(x); ok {
			s.members.remove(x)
			touch(&s.pending, x, true)
			changed = true
		}
	}
	return changed
}

func (s *set) effect(at Dot, e *effect) {
	e.cleared = s.pending.cleared
	for x := range s.pending.keys.sorted() {
		if a, _ := s.members.get(x); a.has(at) {
			e.added = append(e.added, x)
		} else if !e.cleared {
			e.removed = append(e.removed, x)
		}
	}
	s.pending = nil
}

func (s *set) apply(at Dot, seen past, e *effect) (changed bool) {
	if e.cleared {
		changed = s.drop(seen)
	}
	for _, x := range e.removed {
		a, _ := s.members.get(x)
		changed = a.drop(seen) || changed
		s.put(x, a)
	}
	for _, x := range e.added {
		a, _ := s.members.get(x)
		changed = a.observe(at, mark{}, seen) || changed
		s.put(x, a)
	}
	return changed
}

func (s *set) put(x string, a atoms[mark]) {
	if len(a) > 0 {
		s.members.set(x, a)
	} else {
		s.members.remove(x)
	}
}

func (s *set) drop(seen past) (changed bool) {
	s.members.update(func(_ string, a atoms[mark]) (atoms[mark], bool) {
		changed = a.drop(seen) || changed
		return a, len(a) > 0
	})
	return changed
}

func (s *set) merge(o contents, mine, theirs past) (changed bool) {
	other := &o.(*set).members
	s.members.update(func(x string, a atoms[mark]) (atoms[mark], bool) {
		b, _ := other.get(x)
		other.remove(x)
		changed = a.merge(b, mine, theirs) || changed
		return a, len(a) > 0
	})
	for x, b := range other.all() {
		if b.drop(mine); len(b) > 0 {
			s.members.set(x, b)
			changed = true
		}
	}
	return changed
}

func (s *set) fold(ReplicaID) {}

func (s *set) appendTo(b []byte) []byte {
	b = appendUvarint(b, uint64(s.members.len()))
	for x, a := range s.members.sorted() {
		b = appendAtoms(appendString(b, x), a, appendMark)
	}
	return b
}

func (s *set) parse(r *reader, _ int) {
	last := ""
	n := r.count(4)
	for i := range n {
		x := r.key(i, &last)
		a := parseAtoms(r, 1, (*reader).mark)
		if r.check(len(a) > 0) {
			s.members.set(x, a)
		}
	}
}
