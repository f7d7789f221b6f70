package sidecartest

import (
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
)

type flag struct{ enabled, untold bool }

func (f *flag) update(u *tckcrdt.Update) error {
	if u.GetFlag() == nil {
		return wrongType(f)
	}
	f.untold = f.untold || !f.enabled
	f.enabled = true
	return nil
}

func (f *flag) apply(d *crdtpb.CrdtDelta) error {
	if d.GetFlag() == nil {
		return wrongType(f)
	}
	f.enabled = f.enabled || d.GetFlag().GetValue()
	return nil
}

func (f *flag) changed() bool { return f.untold }

func (f *flag) tell() *crdtpb.CrdtDelta {
	d := &crdtpb.FlagDelta{Value: f.untold}
	f.untold = false
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: d}}
}

func (f *flag) state() *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Flag{Flag: &tckcrdt.FlagValue{Value: f.enabled}}}
}

// vote counts the votes that the sidecar has last told, with its own as it is
// now.
type vote struct {
	self, told       bool
	votesFor, voters int32
}

func (v *vote) update(u *tckcrdt.Update) error {
	if u.GetVote() == nil {
		return wrongType(v)
	}
	switch self := u.GetVote().GetSelfVote(); {
	case self && !v.self:
		v.votesFor++
	case !self && v.self:
		v.votesFor--
	}
	v.self = u.GetVote().GetSelfVote()
	return nil
}

func (v *vote) apply(d *crdtpb.CrdtDelta) error {
	if d.GetVote() == nil {
		return wrongType(v)
	}
	self := d.GetVote().GetSelfVote()
	*v = vote{self: self, told: self, votesFor: d.GetVote().GetVotesFor(), voters: d.GetVote().GetTotalVoters()}
	return nil
}

func (v *vote) changed() bool { return v.self != v.told }

func (v *vote) tell() *crdtpb.CrdtDelta {
	v.told = v.self
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: v.self}}}
}

func (v *vote) state() *tckcrdt.State {
	s := &tckcrdt.VoteValue{SelfVote: v.self, VotesFor: v.votesFor, TotalVoters: v.voters}
	return &tckcrdt.State{Value: &tckcrdt.State_Vote{Vote: s}}
}
