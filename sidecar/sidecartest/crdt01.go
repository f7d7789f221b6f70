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
