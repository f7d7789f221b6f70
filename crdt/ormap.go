package crdt

// orMap has at each key the marks of its changes, so that a change wins over a remove
// at the same time, and a value. A remove takes the marks and what is inside, as far
// as it has seen them.
//
// Two replicas can make one key with values of two kinds at the same time. Both stay,
// one behind the other, until the key is removed; what is seen and changed is the one
// of the lowest Kind.
type orMap struct {
	slots   table[*slot]
	pending *touched
}

func (m *orMap) at(key string) *slot {
	s, _ := m.slots.get(key)
	return s
}

func (m *orMap) empty() bool { return m.slots.len() == 0 }

func (m *orMap) change(at Dot, now int64, d *Delta, _ bool) (changed bool) {
	if d.Cleared && !m.empty() {
		m.slots = table[*slot]{}
		m.pending = &touched{cleared: true}
		changed = true
	}
	for _, key := range d.Removed {
		if m.at(key) != nil {
			m.slots.remove(key)
			touch(&m.pending, key, true)
			changed = true
		}
	}
	for _, e := range d.Updated {
		if s := m.at(e.Key); s != nil && s.value.kind == e.Delta.Kind {
			changed = m.update(at, now, s, e, false) || changed
		}
	}
	for _, e := range d.Inserted {
		s := m.at(e.Key)
		fresh := s == nil
		if fresh {
			s = &slot{value: *NewValue(e.Delta.Kind)}
			m.slots.set(e.Key, s)
		}
		changed = m.update(at, now, s, e, fresh) || changed
	}
	return changed
}

// update changes what is at a key. A fresh one is marked even if it stays empty.
func (m *orMap) update(at Dot, now int64, s *slot, e Entry, fresh bool) (changed bool) {
	changed = s.value.change(at, now, e.Delta, true) || fresh
	if changed {
		s.marks.replace(at, mark{})
		s.size += e.Delta.Size()
		touch(&m.pending, e.Key, false)
	}
	return changed
}

func (m *orMap) effect(at Dot, e *effect) {
	e.cleared = m.pending.cleared
	for key, removed := range m.pending.keys.sorted() {
		if removed && !e.cleared {
			e.removed = append(e.removed, key)
		}
		if s := m.at(key); s != nil && s.marks.has(at) {
			e.entries = append(e.entries, entryEffect{key, s.value.effect(at)})
		}
	}
	m.pending = nil
}

func (m *orMap) apply(at Dot, seen past, e *effect) (changed bool) {
	if e.cleared {
		changed = m.drop(seen)
	}
	for _, key := range e.removed {
		s, dropped := m.at(key).drop(seen)
		m.put(key, s)
		changed = changed || dropped
	}
	for i := range e.entries {
		x := &e.entries[i]
		s, of := m.at(x.key).of(x.effect.kind)
		m.put(x.key, s)
		of.size += x.effect.size()
		changed = of.marks.observe(at, mark{}, seen) || changed
		changed = of.value.contents.apply(at, seen, &x.effect) || changed
	}
	return changed
}

func (m *orMap) put(key string, s *slot) {
	if s != nil {
		m.slots.set(key, s)
	} else {
		m.slots.remove(key)
	}
}

func (m *orMap) drop(seen past) (changed bool) {
	m.slots.update(func(_ string, s *slot) (*slot, bool) {
		s, dropped := s.drop(seen)
		changed = changed || dropped
		return s, s != nil
	})
	return changed
}

func (m *orMap) merge(o contents, mine, theirs past) (changed bool) {
	other := o.(*orMap)
	m.slots.update(func(key string, s *slot) (*slot, bool) {
		s, merged := s.merge(other.at(key), mine, theirs)
		other.slots.remove(key)
		changed = changed || merged
		return s, s != nil
	})
	for key, s := range other.slots.all() {
		if s, _ := s.drop(mine); s != nil {
			m.slots.set(key, s)
			changed = true
		}
	}
	return changed
}

func (m *orMap) fold(r ReplicaID) {
	for _, s := range m.slots.all() {
		for ; s != nil; s = s.next {
			s.value.Fold(r)
		}
	}
}

func (m *orMap) appendTo(b []byte) []byte {
	b = appendUvarint(b, uint64(m.slots.len()))
	for key, s := range m.slots.sorted() {
		b = s.appendTo(appendString(b, key))
	}
	return b
}

func (m *orMap) parse(r *reader, depth int) {
	last := ""
	n := r.count(5)
	for i := range n {
		key := r.key(i, &last)
		first := parseSlots(r, 0, depth)
		if r.check(first != nil) {
			m.slots.set(key, first)
		}
	}
}
