package sidecartest

import (
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	v01 "github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb/v01"
)

// newState is the change that makes a value out of nothing.
func newState(state *v01.CrdtState) *crdtpb.CrdtDelta {
	d := new(crdtpb.CrdtDelta)
	switch v := state.GetState().(type) {
	case *v01.CrdtState_Gcounter:
		d.Delta = &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: v.Gcounter.GetValue()}}
	case *v01.CrdtState_Pncounter:
		d.Delta = &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: v.Pncounter.GetValue()}}
	case *v01.CrdtState_Gset:
		d.Delta = &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: v.Gset.GetItems()}}
	case *v01.CrdtState_Orset:
		d.Delta = &crdtpb.CrdtDelta_Orset{Orset: &crdtpb.ORSetDelta{Added: v.Orset.GetItems()}}
	case *v01.CrdtState_Lwwregister:
		r := &crdtpb.LWWRegisterDelta{Value: v.Lwwregister.GetValue(), Clock: v.Lwwregister.GetClock(), CustomClockValue: v.Lwwregister.GetCustomClockValue()}
		d.Delta = &crdtpb.CrdtDelta_Lwwregister{Lwwregister: r}
	case *v01.CrdtState_Flag:
		d.Delta = &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: v.Flag.GetValue()}}
	case *v01.CrdtState_Ormap:
		d.Delta = &crdtpb.CrdtDelta_Ormap{Ormap: &crdtpb.ORMapDelta{Added: newEntries(v.Ormap.GetEntries())}}
	case *v01.CrdtState_Vote:
		vote := &crdtpb.VoteDelta{SelfVote: v.Vote.GetSelfVote(), VotesFor: int32(v.Vote.GetVotesFor()), TotalVoters: int32(v.Vote.GetTotalVoters())}
		d.Delta = &crdtpb.CrdtDelta_Vote{Vote: vote}
	}
	return d
}

func newEntries(old []*v01.ORMapEntry) (all []*crdtpb.ORMapEntryDelta) {
	for _, e := range old {
		all = append(all, &crdtpb.ORMapEntryDelta{Key: e.GetKey(), Delta: newState(e.GetValue())})
	}
	return all
}

// oldState is the value that a change makes out of nothing.
func oldState(delta *crdtpb.CrdtDelta) *v01.CrdtState {
	s := new(v01.CrdtState)
	switch d := delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		s.State = &v01.CrdtState_Gcounter{Gcounter: &v01.GCounterState{Value: d.Gcounter.GetIncrement()}}
	case *crdtpb.CrdtDelta_Pncounter:
		s.State = &v01.CrdtState_Pncounter{Pncounter: &v01.PNCounterState{Value: d.Pncounter.GetChange()}}
	case *crdtpb.CrdtDelta_Gset:
		s.State = &v01.CrdtState_Gset{Gset: &v01.GSetState{Items: d.Gset.GetAdded()}}
	case *crdtpb.CrdtDelta_Orset:
		s.State = &v01.CrdtState_Orset{Orset: &v01.ORSetState{Items: d.Orset.GetAdded()}}
	case *crdtpb.CrdtDelta_Lwwregister:
		r := &v01.LWWRegisterState{Value: d.Lwwregister.GetValue(), Clock: d.Lwwregister.GetClock(), CustomClockValue: d.Lwwregister.GetCustomClockValue()}
		s.State = &v01.CrdtState_Lwwregister{Lwwregister: r}
	case *crdtpb.CrdtDelta_Flag:
		s.State = &v01.CrdtState_Flag{Flag: &v01.FlagState{Value: d.Flag.GetValue()}}
	case *crdtpb.CrdtDelta_Ormap:
		s.State = &v01.CrdtState_Ormap{Ormap: &v01.ORMapState{Entries: oldEntries(d.Ormap.GetAdded())}}
	case *crdtpb.CrdtDelta_Vote:
		vote := &v01.VoteState{SelfVote: d.Vote.GetSelfVote(), VotesFor: uint32(d.Vote.GetVotesFor()), TotalVoters: uint32(d.Vote.GetTotalVoters())}
		s.State = &v01.CrdtState_Vote{Vote: vote}
	}
	return s
}

func oldEntries(all []*crdtpb.ORMapEntryDelta) (old []*v01.ORMapEntry) {
	for _, e := range all {
		old = append(old, &v01.ORMapEntry{Key: e.GetKey(), Value: oldState(e.GetDelta())})
	}
	return old
}

// newDelta differs in maps only: entries that are added have a state there.
func newDelta(old *v01.CrdtDelta) *crdtpb.CrdtDelta {
	d := new(crdtpb.CrdtDelta)
	switch v := old.GetDelta().(type) {
	case *v01.CrdtDelta_Gcounter:
		d.Delta = &crdtpb.CrdtDelta_Gcounter{Gcounter: v.Gcounter}
	case *v01.CrdtDelta_Pncounter:
		d.Delta = &crdtpb.CrdtDelta_Pncounter{Pncounter: v.Pncounter}
	case *v01.CrdtDelta_Gset:
		d.Delta = &crdtpb.CrdtDelta_Gset{Gset: v.Gset}
	case *v01.CrdtDelta_Orset:
		d.Delta = &crdtpb.CrdtDelta_Orset{Orset: v.Orset}
	case *v01.CrdtDelta_Lwwregister:
		d.Delta = &crdtpb.CrdtDelta_Lwwregister{Lwwregister: v.Lwwregister}
	case *v01.CrdtDelta_Flag:
		d.Delta = &crdtpb.CrdtDelta_Flag{Flag: v.Flag}
	case *v01.CrdtDelta_Vote:
		d.Delta = &crdtpb.CrdtDelta_Vote{Vote: v.Vote}
	case *v01.CrdtDelta_Ormap:
		m := &crdtpb.ORMapDelta{Cleared: v.Ormap.GetCleared(), Removed: v.Ormap.GetRemoved(), Added: newEntries(v.Ormap.GetAdded())}
		for _, e := range v.Ormap.GetUpdated() {
			m.Updated = append(m.Updated, &crdtpb.ORMapEntryDelta{Key: e.GetKey(), Delta: newDelta(e.GetDelta())})
		}
		d.Delta = &crdtpb.CrdtDelta_Ormap{Ormap: m}
	}
	return d
}

func oldDelta(delta *crdtpb.CrdtDelta) *v01.CrdtDelta {
	old := new(v01.CrdtDelta)
	switch d := delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		old.Delta = &v01.CrdtDelta_Gcounter{Gcounter: d.Gcounter}
	case *crdtpb.CrdtDelta_Pncounter:
		old.Delta = &v01.CrdtDelta_Pncounter{Pncounter: d.Pncounter}
	case *crdtpb.CrdtDelta_Gset:
		old.Delta = &v01.CrdtDelta_Gset{Gset: d.Gset}
	case *crdtpb.CrdtDelta_Orset:
		old.Delta = &v01.CrdtDelta_Orset{Orset: d.Orset}
	case *crdtpb.CrdtDelta_Lwwregister:
		old.Delta = &v01.CrdtDelta_Lwwregister{Lwwregister: d.Lwwregister}
	case *crdtpb.CrdtDelta_Flag:
		old.Delta = &v01.CrdtDelta_Flag{Flag: d.Flag}
	case *crdtpb.CrdtDelta_Vote:
		old.Delta = &v01.CrdtDelta_Vote{Vote: d.Vote}
	case *crdtpb.CrdtDelta_Ormap:
		m := &v01.ORMapDelta{Cleared: d.Ormap.GetCleared(), Removed: d.Ormap.GetRemoved(), Added: oldEntries(d.Ormap.GetAdded())}
		for _, e := range d.Ormap.GetUpdated() {
			m.Updated = append(m.Updated, &v01.ORMapEntryDelta{Key: e.GetKey(), Delta: oldDelta(e.GetDelta())})
		}
		old.Delta = &v01.CrdtDelta_Ormap{Ormap: m}
	}
	return old
}

// ownVotes leaves out of votes what user functions do not decide. In 0.2 they
// leave it out themselves.
func ownVotes(delta *crdtpb.CrdtDelta) *crdtpb.CrdtDelta {
	if v := delta.GetVote(); v != nil {
		v.VotesFor, v.TotalVoters = 0, 0
	}
	for _, e := range delta.GetOrmap().GetAdded() {
		ownVotes(e.GetDelta())
	}
	for _, e := range delta.GetOrmap().GetUpdated() {
		ownVotes(e.GetDelta())
	}
	return delta
}

// isNothing reports whether a value was made as it is at first. Registers are
// made with a value that has to be told.
func isNothing(s *v01.CrdtState) bool {
	switch v := s.GetState().(type) {
	case *v01.CrdtState_Gcounter:
		return v.Gcounter.GetValue() == 0
	case *v01.CrdtState_Pncounter:
		return v.Pncounter.GetValue() == 0
	case *v01.CrdtState_Gset:
		return len(v.Gset.GetItems()) == 0
	case *v01.CrdtState_Orset:
		return len(v.Orset.GetItems()) == 0
	case *v01.CrdtState_Flag:
		return !v.Flag.GetValue()
	case *v01.CrdtState_Ormap:
		return len(v.Ormap.GetEntries()) == 0
	case *v01.CrdtState_Vote:
		return !v.Vote.GetSelfVote()
	}
	return false
}
