package crdt

import (
	"maps"
	"slices"
)

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

// Diff is what leads from one view to another; from may be none yet. It is nil when
// nothing differs, and an ErrKind or ErrIllegal where no delta can lead there. Its
// lists are in order.
func Diff(from, to *View) (*Delta, error) {
	switch {
	case to == nil || to.Kind == 0:
		if from == nil || from.Kind == 0 {
			return nil, nil
		}
		return nil, illegal("nothing leads to no value")
	case from == nil || from.Kind == 0:
		return to.initial(), nil
	case from.Kind != to.Kind:
		return nil, ErrKind
	}
	return diff(from, to)
}

// initial is what leads from an empty value to the view.
func (w *View) initial() *Delta {
	d := &Delta{
		Kind: w.Kind, Value: w.Value, Enabled: w.Enabled, Self: w.Self, For: w.For, Voters: w.Voters,
		Added: slices.Sorted(maps.Keys(w.Elements)),
	}
	if w.Kind == KindGCounter {
		d.Increment = uint64(w.Count)
	} else {
		d.Change = w.Count
	}
	for _, key := range slices.Sorted(maps.Keys(w.Entries)) {
		d.Inserted = append(d.Inserted, Entry{key, w.Entries[key].initial()})
	}
	return d
}

func diff(from, to *View) (*Delta, error) {
	d := &Delta{Kind: to.Kind}
	same := false
	switch to.Kind {
	case KindGCounter:
		if to.Count < from.Count {
			return nil, illegal("a GCounter cannot decrease")
		}
		d.Increment = uint64(to.Count - from.Count)
		same = d.Increment == 0
	case KindPNCounter:
		d.Change = to.Count - from.Count
		if (d.Change > 0) != (to.Count > from.Count) {
			return nil, illegal("the change is out of range")
		}
		same = d.Change == 0
	case KindGSet:
		d.Added = missing(from.Elements, to.Elements)
		if len(from.Elements)+len(d.Added) > len(to.Elements) {
			return nil, illegal("a GSet cannot lose elements")
		}
		same = len(d.Added) == 0
	case KindORSet:
		d.diffSet(from, to)
		same = len(d.Added)+len(d.Removed) == 0 && !d.Cleared
	case KindRegister:
		d.Value = to.Value
		same = to.Value == from.Value
	case KindFlag:
		if from.Enabled && !to.Enabled {
			return nil, illegal("a Flag cannot be disabled")
		}
		d.Enabled = to.Enabled
		same = to.Enabled == from.Enabled
	case KindORMap:
		d.diffMap(from, to)
		same = len(d.Updated)+len(d.Inserted)+len(d.Removed) == 0 && !d.Cleared
	case KindVote:
		d.Self, d.For, d.Voters = to.Self, to.For, to.Voters
		same = to.Self == from.Self && to.For == from.For && to.Voters == from.Voters
	}
	if same {
		return nil, nil
	}
	return d, nil
}

// missing is what is in one map and not in another.
func missing[V any](from, to map[string]V) []string {
	var keys []string
	for key := range to {
		if _, ok := from[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// diffSet clears when what is left is less than what would be said.
func (d *Delta) diffSet(from, to *View) {
	d.Removed, d.Added = missing(to.Elements, from.Elements), missing(from.Elements, to.Elements)
	switch {
	case len(to.Elements) == 0 && len(from.Elements) > 0:
		d.Cleared, d.Removed = true, nil
	case len(d.Removed)+len(d.Added) > len(to.Elements):
		d.Cleared, d.Removed, d.Added = true, nil, slices.Sorted(maps.Keys(to.Elements))
	}
}

// diffMap removes and inserts again what no delta can make of what was there.
func (d *Delta) diffMap(from, to *View) {
	if len(to.Entries) == 0 && len(from.Entries) > 0 {
		d.Cleared = true
		return
	}
	d.Removed = missing(to.Entries, from.Entries)
	for _, key := range slices.Sorted(maps.Keys(to.Entries)) {
		w, v := to.Entries[key], from.Entries[key]
		change, err := Diff(v, w)
		switch {
		case v == nil:
			d.Inserted = append(d.Inserted, Entry{key, change})
		case err != nil:
			d.Removed = append(d.Removed, key)
			d.Inserted = append(d.Inserted, Entry{key, w.initial()})
		case change != nil:
			d.Updated = append(d.Updated, Entry{key, change})
		}
	}
	slices.Sort(d.Removed)
}
