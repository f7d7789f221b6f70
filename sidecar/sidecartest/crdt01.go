package sidecartest

import (
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	v01 "github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb/v01"
)

// Protocol 0.1 says all that 0.2 says of replicated entities in other messages.
// They are translated here, so that there is one model, and one set of checks.

// isDialect01 reports whether the replicated entities of a user function speak
// protocol 0.1: whether the number of its option for entity keys is the old one.
func isDialect01(spec *cloudstatepb.EntitySpec) bool {
	var set descriptorpb.FileDescriptorSet
	if proto.Unmarshal(spec.GetProto(), &set) != nil {
		return false // tests declare such things, too
	}
	for _, f := range set.GetFile() {
		for _, x := range f.GetExtension() {
			if f.GetPackage() == "cloudstate" && x.GetName() == "entity_key" {
				return x.GetNumber() == oldEntityKey
			}
		}
	}
	return false
}

// side01 translates the messages of one stream.
type side01 struct {
	exists atomic.Bool // whether there is a value, which has to be created before it is changed
}

// stream01 is a stream of a sidecar that speaks 0.1, as one that speaks 0.2.
type stream01 struct {
	grpc.ServerStream
	side01
}

func (s *stream01) RecvMsg(m any) error {
	var in v01.CrdtStreamIn
	if err := s.ServerStream.RecvMsg(&in); err != nil {
		return err
	}
	switch exists := s.exists.Load(); {
	case in.GetChanged() != nil && !exists:
		return violation("a change of a value that is not there: %s", short(&in))
	case in.GetState() != nil && exists:
		return violation("a state, where there is a value: %s", short(&in))
	}
	proto.Merge(m.(proto.Message), s.newIn(&in))
	return nil
}

func (s *stream01) SendMsg(m any) error {
	return s.ServerStream.SendMsg(s.oldOut(m.(*crdtpb.CrdtStreamOut)))
}

// newIn is a message of a sidecar.
func (s *side01) newIn(old *v01.CrdtStreamIn) *crdtpb.CrdtStreamIn {
	in := new(crdtpb.CrdtStreamIn)
	switch m := old.GetMessage().(type) {
	case *v01.CrdtStreamIn_Init:
		init := &crdtpb.CrdtInit{ServiceName: m.Init.GetServiceName(), EntityId: m.Init.GetEntityId()}
		if m.Init.GetState() != nil {
			init.Delta = newState(m.Init.GetState())
			s.exists.Store(true)
		}
		in.Message = &crdtpb.CrdtStreamIn_Init{Init: init}
	case *v01.CrdtStreamIn_State:
		s.exists.Store(true)
		in.Message = &crdtpb.CrdtStreamIn_Delta{Delta: newState(m.State)}
	case *v01.CrdtStreamIn_Changed:
		in.Message = &crdtpb.CrdtStreamIn_Delta{Delta: newDelta(m.Changed)}
	case *v01.CrdtStreamIn_Deleted:
		in.Message = &crdtpb.CrdtStreamIn_Delete{Delete: m.Deleted}
	case *v01.CrdtStreamIn_Command:
		in.Message = &crdtpb.CrdtStreamIn_Command{Command: m.Command}
	case *v01.CrdtStreamIn_StreamCancelled:
		in.Message = &crdtpb.CrdtStreamIn_StreamCancelled{StreamCancelled: m.StreamCancelled}
	}
	return in
}

// oldIn is the other way round.
func (s *side01) oldIn(in *crdtpb.CrdtStreamIn) *v01.CrdtStreamIn {
	old := new(v01.CrdtStreamIn)
	switch m := in.GetMessage().(type) {
	case *crdtpb.CrdtStreamIn_Init:
		init := &v01.CrdtInit{ServiceName: m.Init.GetServiceName(), EntityId: m.Init.GetEntityId()}
		if m.Init.GetDelta() != nil {
			init.State = oldState(m.Init.GetDelta())
			s.exists.Store(true)
		}
		old.Message = &v01.CrdtStreamIn_Init{Init: init}
	case *crdtpb.CrdtStreamIn_Delta:
		if s.exists.Swap(true) {
			old.Message = &v01.CrdtStreamIn_Changed{Changed: oldDelta(m.Delta)}
		} else {
			old.Message = &v01.CrdtStreamIn_State{State: oldState(m.Delta)}
		}
	case *crdtpb.CrdtStreamIn_Delete:
		old.Message = &v01.CrdtStreamIn_Deleted{Deleted: m.Delete}
	case *crdtpb.CrdtStreamIn_Command:
		old.Message = &v01.CrdtStreamIn_Command{Command: m.Command}
	case *crdtpb.CrdtStreamIn_StreamCancelled:
		old.Message = &v01.CrdtStreamIn_StreamCancelled{StreamCancelled: m.StreamCancelled}
	}
	return old
}

// newOut is a message of a user function.
func (s *side01) newOut(old *v01.CrdtStreamOut) *crdtpb.CrdtStreamOut {
	out := new(crdtpb.CrdtStreamOut)
	switch m := old.GetMessage().(type) {
	case *v01.CrdtStreamOut_Reply:
		out.Message = &crdtpb.CrdtStreamOut_Reply{Reply: &crdtpb.CrdtReply{
			CommandId:    m.Reply.GetCommandId(),
			ClientAction: m.Reply.GetClientAction(),
			SideEffects:  m.Reply.GetSideEffects(),
			StateAction:  s.newAction(m.Reply.GetStateAction()),
			Streamed:     m.Reply.GetStreamed(),
		}}
	case *v01.CrdtStreamOut_StreamedMessage:
		out.Message = &crdtpb.CrdtStreamOut_StreamedMessage{StreamedMessage: &crdtpb.CrdtStreamedMessage{
			CommandId:    m.StreamedMessage.GetCommandId(),
			ClientAction: m.StreamedMessage.GetClientAction(),
			SideEffects:  m.StreamedMessage.GetSideEffects(),
			EndStream:    m.StreamedMessage.GetEndStream(),
		}}
	case *v01.CrdtStreamOut_StreamCancelledResponse:
		out.Message = &crdtpb.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: &crdtpb.CrdtStreamCancelledResponse{
			CommandId:   m.StreamCancelledResponse.GetCommandId(),
			SideEffects: m.StreamCancelledResponse.GetSideEffects(),
			StateAction: s.newAction(m.StreamCancelledResponse.GetStateAction()),
		}}
	case *v01.CrdtStreamOut_Failure:
		out.Message = &crdtpb.CrdtStreamOut_Failure{Failure: m.Failure}
	}
	return out
}

// oldOut is the other way round.
func (s *side01) oldOut(out *crdtpb.CrdtStreamOut) *v01.CrdtStreamOut {
	old := new(v01.CrdtStreamOut)
	switch m := out.GetMessage().(type) {
	case *crdtpb.CrdtStreamOut_Reply:
		old.Message = &v01.CrdtStreamOut_Reply{Reply: &v01.CrdtReply{
			CommandId:    m.Reply.GetCommandId(),
			ClientAction: m.Reply.GetClientAction(),
			SideEffects:  m.Reply.GetSideEffects(),
			StateAction:  s.oldAction(m.Reply.GetStateAction()),
			Streamed:     m.Reply.GetStreamed(),
		}}
	case *crdtpb.CrdtStreamOut_StreamedMessage:
		old.Message = &v01.CrdtStreamOut_StreamedMessage{StreamedMessage: &v01.CrdtStreamedMessage{
			CommandId:    m.StreamedMessage.GetCommandId(),
			ClientAction: m.StreamedMessage.GetClientAction(),
			SideEffects:  m.StreamedMessage.GetSideEffects(),
			EndStream:    m.StreamedMessage.GetEndStream(),
		}}
	case *crdtpb.CrdtStreamOut_StreamCancelledResponse:
		old.Message = &v01.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: &v01.CrdtStreamCancelledResponse{
			CommandId:   m.StreamCancelledResponse.GetCommandId(),
			SideEffects: m.StreamCancelledResponse.GetSideEffects(),
			StateAction: s.oldAction(m.StreamCancelledResponse.GetStateAction()),
		}}
	case *crdtpb.CrdtStreamOut_Failure:
		old.Message = &v01.CrdtStreamOut_Failure{Failure: m.Failure}
	}
	return old
}

// newAction leaves a value out that is created without anything in it: in 0.2 it
// is there when it has something.
func (s *side01) newAction(old *v01.CrdtStateAction) *crdtpb.CrdtStateAction {
	switch a := old.GetAction().(type) {
	case *v01.CrdtStateAction_Create:
		s.exists.Store(true)
		if isNothing(a.Create) {
			return nil
		}
		return crChanges(ownVotes(newState(a.Create)), old.GetWriteConsistency())
	case *v01.CrdtStateAction_Update:
		return crChanges(ownVotes(newDelta(a.Update)), old.GetWriteConsistency())
	case *v01.CrdtStateAction_Delete:
		return crDeletes(old.GetWriteConsistency())
	}
	return nil
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

func (s *side01) oldAction(action *crdtpb.CrdtStateAction) *v01.CrdtStateAction {
	if action == nil {
		return nil
	}
	old := &v01.CrdtStateAction{WriteConsistency: action.GetWriteConsistency()}
	switch a := action.GetAction().(type) {
	case *crdtpb.CrdtStateAction_Update:
		if s.exists.Swap(true) {
			old.Action = &v01.CrdtStateAction_Update{Update: oldDelta(a.Update)}
		} else {
			old.Action = &v01.CrdtStateAction_Create{Create: oldState(a.Update)}
		}
	case *crdtpb.CrdtStateAction_Delete:
		old.Action = &v01.CrdtStateAction_Delete{Delete: a.Delete}
	}
	return old
}

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
