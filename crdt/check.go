package crdt

// subject is what a delta is meant for: a *Value or a *View, or nil where there is
// none yet.
type subject[S any] interface {
	comparable
	is() Kind
	total() int64
	enabled() bool
	at(key string) S
	after(d *Delta) S // a copy that a possible delta has changed
}

// check says why a delta is not possible, if so.
func check[S subject[S]](s S, d *Delta, depth int) error {
	var none S
	switch {
	case d == nil || !d.Kind.known():
		return illegal("it is of no known kind")
	case s != none && s.is() != d.Kind:
		return ErrKind
	case depth > maxDepth:
		return illegal("it is nested too deeply")
	}
	if err := checkPieces(d); err != nil {
		return err
	}
	switch d.Kind {
	case KindGCounter:
		if d.Increment > 1<<63-1 {
			return illegal("a GCounter cannot be incremented by 2^63 or more")
		}
		return checkCount(d.Kind, s.total(), d.count())
	case KindPNCounter:
		return checkCount(d.Kind, s.total(), d.count())
	case KindFlag:
		if s.enabled() && !d.Enabled {
			return illegal("a Flag cannot be disabled")
		}
	case KindRegister:
		if d.Clock > AutoClock {
			return illegal("the clock of the Register is not known")
		}
	case KindORMap:
		return checkEntries(s, d, depth)
	}
	return nil
}

// checkEntries finds each entry possible after those before it.
func checkEntries[S subject[S]](s S, d *Delta, depth int) error {
	var none S
	gone := make(map[string]bool, len(d.Removed))
	for _, key := range d.Removed {
		gone[key] = true
	}
	entries := make(map[string]int, len(d.Updated)+len(d.Inserted))
	for _, e := range d.Updated {
		entries[e.Key]++
	}
	for _, e := range d.Inserted {
		entries[e.Key]++
	}
	changed := make(map[string]S) // copies, of what has more than one entry
	try := func(e Entry, insert bool) error {
		v, ok := changed[e.Key]
		if !ok && !d.Cleared && !gone[e.Key] {
			v = s.at(e.Key)
		}
		if !insert && e.Delta != nil && (v == none || v.is() != e.Delta.Kind) {
			return nil
		}
		if err := check(v, e.Delta, depth+1); err != nil {
			return err
		}
		if entries[e.Key] > 1 {
			changed[e.Key] = v.after(e.Delta)
		}
		return nil
	}
	for _, e := range d.Updated {
		if err := try(e, false); err != nil {
			return err
		}
	}
	for _, e := range d.Inserted {
		if err := try(e, true); err != nil {
			return err
		}
	}
	return nil
}

func (v *Value) is() Kind             { return v.kind }
func (v *Value) total() int64         { return v.Total() }
func (v *Value) enabled() bool        { return v.Enabled() }
func (v *Value) at(key string) *Value { return v.At(key) }
func (v *Value) after(d *Delta) *Value {
	c := NewValue(d.Kind)
	if v != nil {
		c.contents.parse(&reader{rest: v.contents.appendTo(nil)}, 0)
	}
	c.change(Dot{Replica: 1, Seq: 1}, 0, d, true)
	return c
}

func (w *View) is() Kind { return w.Kind }

func (w *View) total() int64 {
	if w == nil {
		return 0
	}
	return w.Count
}

func (w *View) enabled() bool { return w != nil && w.Enabled }

func (w *View) at(key string) *View {
	if w == nil {
		return nil
	}
	return w.Entries[key]
}

func (w *View) after(d *Delta) *View {
	c := newView(d.Kind)
	if w != nil {
		c = w.clone()
	}
	c.apply(d)
	return c
}
