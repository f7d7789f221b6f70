package sidecartest

import (
	"maps"
	"slices"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
)

type ormap struct {
	all            map[string]datum
	added, removed texts // a key that is in both was added again
	cleared        bool  // before what was added and removed
}

func (m *ormap) update(u *tckcrdt.Update) error {
	if u.GetOrmap() == nil {
		return wrongType(m)
	}
	switch a := u.GetOrmap().GetAction().(type) {
	case *tckcrdt.ORMapUpdate_Add:
		_, err := m.entry(a.Add)
		return err
	case *tckcrdt.ORMapUpdate_Update:
		entry, err := m.entry(a.Update.GetKey())
		if err != nil {
			return err
		}
		return entry.update(a.Update.GetUpdate())
	case *tckcrdt.ORMapUpdate_Remove:
		m.remove(a.Remove)
	case *tckcrdt.ORMapUpdate_Clear:
		if a.Clear {
			m.clear()
		}
	}
	return nil
}

// entry is the value at a key, which is added if it is not there.
func (m *ormap) entry(key string) (datum, error) {
	if entry, has := m.all[key]; has {
		return entry, nil
	}
	entry, err := newDatum(key)
	if err != nil {
		return nil, err
	}
	m.all[key] = entry
	m.added.add(key)
	return entry, nil
}

// remove clears the map with its last entry, as the libraries do.
func (m *ormap) remove(key string) {
	_, has := m.all[key]
	switch {
	case !has:
		return
	case len(m.all) == 1:
		m.clear()
		return
	case m.added.has(key):
		delete(m.added, key)
	default:
		m.removed.add(key)
	}
	delete(m.all, key)
}

func (m *ormap) clear() {
	if len(m.all) == 0 {
		return
	}
	clear(m.all)
	clear(m.added)
	clear(m.removed)
	m.cleared = true
}

func (m *ormap) apply(delta *crdtpb.CrdtDelta) error {
	d := delta.GetOrmap()
	if d == nil {
		return wrongType(m)
	}
	if d.GetCleared() {
		clear(m.all)
	}
	for _, key := range d.GetRemoved() {
		text, err := unpackText(key)
		if err != nil {
			return err
		}
		if _, has := m.all[text]; !has {
			return violation("key %q is removed, and is not there", text)
		}
		delete(m.all, text)
	}
	for _, e := range d.GetUpdated() {
		if err := m.applyUpdated(e); err != nil {
			return err
		}
	}
	for _, e := range d.GetAdded() {
		if err := m.applyAdded(e); err != nil {
			return err
		}
	}
	return nil
}

func (m *ormap) applyUpdated(e *crdtpb.ORMapEntryDelta) error {
	key, err := unpackText(e.GetKey())
	if err != nil {
		return err
	}
	entry, has := m.all[key]
	if !has {
		return violation("key %q is updated, and is not there", key)
	}
	return entry.apply(e.GetDelta())
}

func (m *ormap) applyAdded(e *crdtpb.ORMapEntryDelta) error {
	key, err := unpackText(e.GetKey())
	if err != nil {
		return err
	}
	if _, has := m.all[key]; has {
		return violation("key %q is added, and is there", key)
	}
	if m.all[key], err = newDatum(key); err != nil {
		return err
	}
	return m.all[key].apply(e.GetDelta())
}

func (m *ormap) changed() bool {
	if m.cleared || len(m.added)+len(m.removed) > 0 {
		return true
	}
	for _, entry := range m.all {
		if entry.changed() {
			return true
		}
	}
	return false
}

func (m *ormap) tell() *crdtpb.CrdtDelta {
	d := &crdtpb.ORMapDelta{Cleared: m.cleared, Removed: m.removed.packed()}
	for _, key := range slices.Sorted(maps.Keys(m.all)) {
		entry := m.all[key]
		switch {
		case m.added.has(key):
			d.Added = append(d.Added, &crdtpb.ORMapEntryDelta{Key: packText(key), Delta: entry.tell()})
		case entry.changed():
			d.Updated = append(d.Updated, &crdtpb.ORMapEntryDelta{Key: packText(key), Delta: entry.tell()})
		}
	}
	clear(m.added)
	clear(m.removed)
	m.cleared = false
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: d}}
}

func (m *ormap) state() *tckcrdt.State {
	s := &tckcrdt.ORMapValue{}
	for _, key := range slices.Sorted(maps.Keys(m.all)) {
		s.Entries = append(s.Entries, &tckcrdt.ORMapEntryValue{Key: key, Value: m.all[key].state()})
	}
	return &tckcrdt.State{Value: &tckcrdt.State_Ormap{Ormap: s}}
}
