package sidecartest

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
)

// What tests of replicated entities send and expect. Names begin with cr; those
// of one type of values with gc, pn, gs, os, lw, fl, om or vo, and go on with Is
// for the value in a response, Up for an update that is asked for, and Delta for
// a change in the protocol.

// crInit begins a stream, with a value where there is a delta.
func crInit(service, id string, delta *crdtpb.CrdtDelta) *crdtpb.CrdtStreamIn {
	i := &crdtpb.CrdtInit{ServiceName: service, EntityId: id, Delta: delta}
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Init{Init: i}}
}

func crDelta(d *crdtpb.CrdtDelta) *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: d}}
}

func crDeleted() *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delete{Delete: &crdtpb.CrdtDelete{}}}
}

func crCommand(n int64, id, name string, request proto.Message) *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Command{Command: entityCommand(n, id, name, request)}}
}

func crStreamed(n int64, id string, request *tckcrdt.StreamedRequest) *crdtpb.CrdtStreamIn {
	c := entityCommand(n, id, "ProcessStreamed", request)
	c.Streamed = true
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Command{Command: c}}
}

func crCancelled(n int64, id string) *crdtpb.CrdtStreamIn {
	c := &cloudstatepb.StreamCancelled{EntityId: id, Id: n}
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_StreamCancelled{StreamCancelled: c}}
}

// crReply is an answer that changes the value by action; nil: it does not.
func crReply(n int64, o outcome, action *crdtpb.CrdtStateAction) *crdtpb.CrdtStreamOut {
	return crAnswer(&crdtpb.CrdtReply{CommandId: n, ClientAction: o.clientAction(n, false), SideEffects: o.effects, StateAction: action})
}

// crStreamedReply is one to a streamed command, which goes on.
func crStreamedReply(n int64, o outcome, action *crdtpb.CrdtStateAction) *crdtpb.CrdtStreamOut {
	return crAnswer(&crdtpb.CrdtReply{CommandId: n, ClientAction: o.clientAction(n, false), SideEffects: o.effects, StateAction: action, Streamed: true})
}

func crAnswer(r *crdtpb.CrdtReply) *crdtpb.CrdtStreamOut {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Reply{Reply: r}}
}

// crMessage is a message to a streamed command; crLast is the last one.
func crMessage(n int64, o outcome) *crdtpb.CrdtStreamOut { return crStreamedMessage(n, o, false) }
func crLast(n int64, o outcome) *crdtpb.CrdtStreamOut    { return crStreamedMessage(n, o, true) }

func crStreamedMessage(n int64, o outcome, end bool) *crdtpb.CrdtStreamOut {
	m := &crdtpb.CrdtStreamedMessage{CommandId: n, ClientAction: o.clientAction(n, false), SideEffects: o.effects, EndStream: end}
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamedMessage{StreamedMessage: m}}
}

// crCancelResponse is the answer to the cancellation of a streamed command.
func crCancelResponse(n int64, action *crdtpb.CrdtStateAction) *crdtpb.CrdtStreamOut {
	r := &crdtpb.CrdtStreamCancelledResponse{CommandId: n, StateAction: action}
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: r}}
}

// crChange is a change on this node; nil where there is none.
func crChange(d *crdtpb.CrdtDelta) *crdtpb.CrdtStateAction {
	if d == nil {
		return nil
	}
	return crChanges(d, crdtpb.CrdtWriteConsistency_LOCAL)
}

func crRequest(id string, actions ...*tckcrdt.RequestAction) *tckcrdt.Request {
	return &tckcrdt.Request{Id: id, Actions: actions}
}

func crUp(updates ...*tckcrdt.Update) (actions []*tckcrdt.RequestAction) {
	for _, u := range updates {
		actions = append(actions, &tckcrdt.RequestAction{Action: &tckcrdt.RequestAction_Update{Update: u}})
	}
	return actions
}

func crDelete() *tckcrdt.RequestAction {
	return &tckcrdt.RequestAction{Action: &tckcrdt.RequestAction_Delete{Delete: &tckcrdt.Delete{}}}
}

func crForward(id string) *tckcrdt.RequestAction {
	return &tckcrdt.RequestAction{Action: &tckcrdt.RequestAction_Forward{Forward: &tckcrdt.Forward{Id: id}}}
}

func crEffect(id string, synchronous bool) *tckcrdt.RequestAction {
	return &tckcrdt.RequestAction{Action: &tckcrdt.RequestAction_Effect{Effect: &tckcrdt.Effect{Id: id, Synchronous: synchronous}}}
}

func crFail(text string) *tckcrdt.RequestAction {
	return &tckcrdt.RequestAction{Action: &tckcrdt.RequestAction_Fail{Fail: &tckcrdt.Fail{Message: text}}}
}

func crSays(state *tckcrdt.State, effects ...*cloudstatepb.SideEffect) outcome {
	return outcome{reply: &tckcrdt.Response{State: state}, effects: effects}
}

func crForwards(id string, effects ...*cloudstatepb.SideEffect) outcome {
	return outcome{forward: forwardTo(crdtTwo, "Call", crRequest(id)), effects: effects}
}

func crEffects(synchronous bool, ids ...string) (effects []*cloudstatepb.SideEffect) {
	for _, id := range ids {
		effects = append(effects, effectOn(crdtTwo, "Call", crRequest(id), synchronous))
	}
	return effects
}

func gcIs(n uint64) *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Gcounter{Gcounter: &tckcrdt.GCounterValue{Value: n}}}
}

func gcUp(n uint64) *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Gcounter{Gcounter: &tckcrdt.GCounterUpdate{Increment: n}}}
}

func gcDelta(n uint64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: n}}}
}

func pnIs(n int64) *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Pncounter{Pncounter: &tckcrdt.PNCounterValue{Value: n}}}
}

func pnUp(n int64) *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Pncounter{Pncounter: &tckcrdt.PNCounterUpdate{Change: n}}}
}

func pnDelta(n int64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: n}}}
}

func gsIs(elements ...string) *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Gset{Gset: &tckcrdt.GSetValue{Elements: elements}}}
}

func gsUp(element string) *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Gset{Gset: &tckcrdt.GSetUpdate{Add: element}}}
}

func gsDelta(elements ...string) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: packTexts(elements)}}}
}

func packTexts(all []string) (packed []*anypb.Any) {
	for _, text := range all {
		packed = append(packed, packText(text))
	}
	return packed
}

func osIs(elements ...string) *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Orset{Orset: &tckcrdt.ORSetValue{Elements: elements}}}
}

func osUp(element string) *tckcrdt.Update {
	return osUpdate(&tckcrdt.ORSetUpdate{Action: &tckcrdt.ORSetUpdate_Add{Add: element}})
}

func osRemove(element string) *tckcrdt.Update {
	return osUpdate(&tckcrdt.ORSetUpdate{Action: &tckcrdt.ORSetUpdate_Remove{Remove: element}})
}

func osClear() *tckcrdt.Update {
	return osUpdate(&tckcrdt.ORSetUpdate{Action: &tckcrdt.ORSetUpdate_Clear{Clear: true}})
}

func osUpdate(u *tckcrdt.ORSetUpdate) *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Orset{Orset: u}}
}

// osDelta adds elements; those of osRemoves go before, and osClears begins with an
// empty set.
func osDelta(added ...string) *crdtpb.CrdtDelta { return osRemoves(nil, added...) }

func osRemoves(removed []string, added ...string) *crdtpb.CrdtDelta {
	d := &crdtpb.ORSetDelta{Removed: packTexts(removed), Added: packTexts(added)}
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: d}}
}

func osClears(added ...string) *crdtpb.CrdtDelta {
	d := &crdtpb.ORSetDelta{Cleared: true, Added: packTexts(added)}
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: d}}
}

func lwIs(text string) *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Lwwregister{Lwwregister: &tckcrdt.LWWRegisterValue{Value: text}}}
}

func lwUp(text string) *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Lwwregister{Lwwregister: &tckcrdt.LWWRegisterUpdate{Value: text}}}
}

func lwUpAt(text string, clock tckcrdt.LWWRegisterClockType, value int64) *tckcrdt.Update {
	u := &tckcrdt.LWWRegisterUpdate{Value: text, Clock: &tckcrdt.LWWRegisterClock{ClockType: clock, CustomClockValue: value}}
	return &tckcrdt.Update{Update: &tckcrdt.Update_Lwwregister{Lwwregister: u}}
}

func lwDelta(text string) *crdtpb.CrdtDelta { return lwDeltaAt(text, crdtpb.CrdtClock_DEFAULT, 0) }

func lwDeltaAt(text string, clock crdtpb.CrdtClock, value int64) *crdtpb.CrdtDelta {
	d := &crdtpb.LWWRegisterDelta{Value: packText(text), Clock: clock, CustomClockValue: value}
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: d}}
}

func flIs(enabled bool) *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Flag{Flag: &tckcrdt.FlagValue{Value: enabled}}}
}

func flUp() *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Flag{Flag: &tckcrdt.FlagUpdate{}}}
}

func flDelta(enabled bool) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: enabled}}}
}

func omIs(entries ...*tckcrdt.ORMapEntryValue) *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Ormap{Ormap: &tckcrdt.ORMapValue{Entries: entries}}}
}

func omEntryIs(key string, state *tckcrdt.State) *tckcrdt.ORMapEntryValue {
	return &tckcrdt.ORMapEntryValue{Key: key, Value: state}
}

func omAdd(key string) *tckcrdt.Update {
	return omUpdate(&tckcrdt.ORMapUpdate{Action: &tckcrdt.ORMapUpdate_Add{Add: key}})
}

func omUp(key string, u *tckcrdt.Update) *tckcrdt.Update {
	e := &tckcrdt.ORMapEntryUpdate{Key: key, Update: u}
	return omUpdate(&tckcrdt.ORMapUpdate{Action: &tckcrdt.ORMapUpdate_Update{Update: e}})
}

func omRemove(key string) *tckcrdt.Update {
	return omUpdate(&tckcrdt.ORMapUpdate{Action: &tckcrdt.ORMapUpdate_Remove{Remove: key}})
}

func omClear() *tckcrdt.Update {
	return omUpdate(&tckcrdt.ORMapUpdate{Action: &tckcrdt.ORMapUpdate_Clear{Clear: true}})
}

func omUpdate(u *tckcrdt.ORMapUpdate) *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Ormap{Ormap: u}}
}

func omDelta(d *crdtpb.ORMapDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: d}}
}

// omAdds adds entries.
func omAdds(entries ...*crdtpb.ORMapEntryDelta) *crdtpb.CrdtDelta {
	return omDelta(&crdtpb.ORMapDelta{Added: entries})
}

func omEntry(key string, d *crdtpb.CrdtDelta) *crdtpb.ORMapEntryDelta {
	return &crdtpb.ORMapEntryDelta{Key: packText(key), Delta: d}
}

func voIs(self bool, votesFor, voters int32) *tckcrdt.State {
	v := &tckcrdt.VoteValue{SelfVote: self, VotesFor: votesFor, TotalVoters: voters}
	return &tckcrdt.State{Value: &tckcrdt.State_Vote{Vote: v}}
}

func voUp(self bool) *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Vote{Vote: &tckcrdt.VoteUpdate{SelfVote: self}}}
}

// voDelta is a change by the sidecar, voChange one by the user function.
func voDelta(self bool, votesFor, voters int32) *crdtpb.CrdtDelta {
	d := &crdtpb.VoteDelta{SelfVote: self, VotesFor: votesFor, TotalVoters: voters}
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: d}}
}

func voChange(self bool) *crdtpb.CrdtDelta { return voDelta(self, 0, 0) }

func omEntries(all ...*crdtpb.ORMapEntryDelta) []*crdtpb.ORMapEntryDelta { return all }

func crUps(all ...*tckcrdt.Update) []*tckcrdt.Update { return all }
