package crdt

import (
	"maps"
	"slices"
)

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
