package crdt

import "maps"

// View is what a user knows of a value: its contents at one time, without regard
// of how they came about. That of Kind 0 is none yet.
type View struct {
	Kind     Kind
	Count    int64               // of counters; a GCounter's is never negative
	Elements map[string]struct{} // of sets
	Entries  map[string]*View    // of an ORMap
	Value    string              // of a Register
	Enabled  bool                // of a Flag
	Self     bool                // of a Vote, as in Delta
	For      int
	Voters   int
}

// View copies the value's contents; those of a nil Value are nil.
func (v *Value) View(e Electorate) *View {
	if v == nil {
		return nil
	}
	w := newView(v.kind)
	switch v.kind {
	case KindGCounter, KindPNCounter:
		w.Count = v.Total()
	case KindGSet, KindORSet:
		for x := range v.Elements() {
			w.Elements[x] = struct{}{}
		}
	case KindRegister:
		w.Value, _ = v.Winner()
	case KindFlag:
		w.Enabled = v.Enabled()
	case KindORMap:
		for key := range v.Elements() {
			w.Entries[key] = v.At(key).View(e)
		}
	case KindVote:
		w.Self, w.For, w.Voters = v.Votes(e)
	}
	return w
}

// newView is that of a new value, whose only voter is its user.
func newView(k Kind) *View {
	w := &View{Kind: k}
	switch k {
	case KindGSet, KindORSet:
		w.Elements = make(map[string]struct{})
	case KindORMap:
		w.Entries = make(map[string]*View)
	case KindVote:
		w.Voters = 1
	}
	return w
}

// Apply makes of the view what it is after a change of its user, who believes that
// every write of a Register is the last. It fails as Value.Change does, and then
// changes nothing.
func (w *View) Apply(d *Delta) error {
	known := w
	if w.Kind == 0 {
		known = nil
	}
	if err := check(known, d, 0); err != nil {
		return err
	}
	if known == nil {
		*w = *newView(d.Kind)
	}
	w.apply(d)
	return nil
}

func (w *View) apply(d *Delta) {
	switch d.Kind {
	case KindGCounter, KindPNCounter:
		w.Count += d.count()
	case KindGSet:
		w.add(d.Added)
	case KindORSet:
		if d.Cleared {
			clear(w.Elements)
		}
		for _, x := range d.Removed {
			delete(w.Elements, x)
		}
		w.add(d.Added)
	case KindRegister:
		w.Value = d.Value
	case KindFlag:
		w.Enabled = w.Enabled || d.Enabled
	case KindORMap:
		w.applyEntries(d)
	case KindVote:
		if d.Self && !w.Self {
			w.For++
		} else if !d.Self && w.Self {
			w.For--
		}
		w.Self = d.Self
	}
}

func (w *View) add(elems []string) {
	for _, x := range elems {
		w.Elements[x] = struct{}{}
	}
}

func (w *View) applyEntries(d *Delta) {
	if d.Cleared {
		clear(w.Entries)
	}
	for _, key := range d.Removed {
		delete(w.Entries, key)
	}
	for _, e := range d.Updated {
		if v := w.Entries[e.Key]; v != nil && v.Kind == e.Delta.Kind {
			v.apply(e.Delta)
		}
	}
	for _, e := range d.Inserted {
		if w.Entries[e.Key] == nil {
			w.Entries[e.Key] = newView(e.Delta.Kind)
		}
		w.Entries[e.Key].apply(e.Delta)
	}
}

func (w *View) clone() *View {
	c := *w
	c.Elements = maps.Clone(w.Elements)
	c.Entries = maps.Clone(w.Entries)
	for key, v := range c.Entries {
		c.Entries[key] = v.clone()
	}
	return &c
}
