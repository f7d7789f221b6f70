package sidecartest

import (
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
)

type gset struct{ all, added texts }

func (s *gset) update(u *tckcrdt.Update) error {
	if u.GetGset() == nil {
		return wrongType(s)
	}
	if text := u.GetGset().GetAdd(); !s.all.has(text) {
		s.all.add(text)
		s.added.add(text)
	}
	return nil
}

func (s *gset) apply(d *crdtpb.CrdtDelta) error {
	if d.GetGset() == nil {
		return wrongType(s)
	}
	return s.all.take(nil, d.GetGset().GetAdded())
}

func (s *gset) changed() bool { return len(s.added) > 0 }

func (s *gset) tell() *crdtpb.CrdtDelta {
	d := &crdtpb.GSetDelta{Added: s.added.packed()}
	clear(s.added)
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: d}}
}

func (s *gset) state() *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Gset{Gset: &tckcrdt.GSetValue{Elements: s.all.sorted()}}}
}

type orset struct {
	all, added, removed texts
	cleared             bool // before what was added and removed
}

func (s *orset) update(u *tckcrdt.Update) error {
	if u.GetOrset() == nil {
		return wrongType(s)
	}
	switch a := u.GetOrset().GetAction().(type) {
	case *tckcrdt.ORSetUpdate_Add:
		s.add(a.Add)
	case *tckcrdt.ORSetUpdate_Remove:
		s.remove(a.Remove)
	case *tckcrdt.ORSetUpdate_Clear:
		if a.Clear {
			s.clear()
		}
	}
	return nil
}

func (s *orset) add(text string) {
	switch {
	case s.all.has(text):
		return
	case s.removed.has(text):
		delete(s.removed, text)
	default:
		s.added.add(text)
	}
	s.all.add(text)
}

// remove clears the set with its last element, as the libraries do.
func (s *orset) remove(text string) {
	switch {
	case !s.all.has(text):
		return
	case len(s.all) == 1:
		s.clear()
		return
	case s.added.has(text):
		delete(s.added, text)
	default:
		s.removed.add(text)
	}
	delete(s.all, text)
}

func (s *orset) clear() {
	if len(s.all) == 0 {
		return
	}
	clear(s.all)
	clear(s.added)
	clear(s.removed)
	s.cleared = true
}

func (s *orset) apply(d *crdtpb.CrdtDelta) error {
	if d.GetOrset() == nil {
		return wrongType(s)
	}
	if d.GetOrset().GetCleared() {
		clear(s.all)
	}
	return s.all.take(d.GetOrset().GetRemoved(), d.GetOrset().GetAdded())
}

func (s *orset) changed() bool { return s.cleared || len(s.added)+len(s.removed) > 0 }

func (s *orset) tell() *crdtpb.CrdtDelta {
	d := &crdtpb.ORSetDelta{Cleared: s.cleared, Removed: s.removed.packed(), Added: s.added.packed()}
	clear(s.added)
	clear(s.removed)
	s.cleared = false
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: d}}
}

func (s *orset) state() *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Orset{Orset: &tckcrdt.ORSetValue{Elements: s.all.sorted()}}}
}
