package activation

// turns is a first-in-first-out list of turns that can drop one from its
// middle: the caller of a waiting turn may give up.
type turns struct {
	head, tail *Turn
	n          int
}

func (l *turns) push(t *Turn, at place) {
	t.place, t.prev, t.next = at, l.tail, nil
	if l.tail == nil {
		l.head = t
	} else {
		l.tail.next = t
	}
	l.tail = t
	l.n++
}

func (l *turns) remove(t *Turn) {
	if t.prev == nil {
		l.head = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		l.tail = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next, t.place = nil, nil, placeOutside
	l.n--
}
