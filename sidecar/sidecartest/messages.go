package sidecartest

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckaction"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckvalue"
)

// What tests send and expect. Names of event sourced entities begin with ev,
// those of value entities with va, those of actions with ac.

func fails(text string) outcome { return outcome{fail: text} }

func entityCommand(n int64, id, name string, request proto.Message) *cloudstatepb.Command {
	return &cloudstatepb.Command{EntityId: id, Id: n, Name: name, Payload: pack(request)}
}

func evInit(service, id string) *eventsourcedpb.EventSourcedStreamIn {
	return evStart(&eventsourcedpb.EventSourcedInit{ServiceName: service, EntityId: id})
}

func evInitAt(service, id string, sequence int64, snapshot string) *eventsourcedpb.EventSourcedStreamIn {
	s := &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: sequence, Snapshot: persisted(snapshot)}
	return evStart(&eventsourcedpb.EventSourcedInit{ServiceName: service, EntityId: id, Snapshot: s})
}

func evStart(init *eventsourcedpb.EventSourcedInit) *eventsourcedpb.EventSourcedStreamIn {
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{Init: init}}
}

func evEvent(sequence int64, text string) *eventsourcedpb.EventSourcedStreamIn {
	e := &eventsourcedpb.EventSourcedEvent{Sequence: sequence, Payload: persisted(text)}
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Event{Event: e}}
}

func evCommand(n int64, id, name string, request proto.Message) *eventsourcedpb.EventSourcedStreamIn {
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Command{Command: entityCommand(n, id, name, request)}}
}

// evReply is an answer that emits events.
func evReply(n int64, o outcome, emitted ...string) *eventsourcedpb.EventSourcedStreamOut {
	return evAnswer(n, o, emitted, nil)
}

// evReplyAt is one with a snapshot.
func evReplyAt(n int64, o outcome, snapshot string, emitted ...string) *eventsourcedpb.EventSourcedStreamOut {
	return evAnswer(n, o, emitted, persisted(snapshot))
}

func evAnswer(n int64, o outcome, emitted []string, snapshot *anypb.Any) *eventsourcedpb.EventSourcedStreamOut {
	r := &eventsourcedpb.EventSourcedReply{CommandId: n, ClientAction: o.clientAction(n, false), SideEffects: o.effects, Snapshot: snapshot}
	for _, text := range emitted {
		r.Events = append(r.Events, persisted(text))
	}
	return &eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Reply{Reply: r}}
}

func persisted(text string) *anypb.Any { return pack(&tckevents.Persisted{Value: text}) }

func evRequest(id string, actions ...*tckevents.RequestAction) *tckevents.Request {
	return &tckevents.Request{Id: id, Actions: actions}
}

func evEmit(texts ...string) (actions []*tckevents.RequestAction) {
	for _, text := range texts {
		actions = append(actions, &tckevents.RequestAction{Action: &tckevents.RequestAction_Emit{Emit: &tckevents.Emit{Value: text}}})
	}
	return actions
}

func evForward(id string) *tckevents.RequestAction {
	return &tckevents.RequestAction{Action: &tckevents.RequestAction_Forward{Forward: &tckevents.Forward{Id: id}}}
}

func evEffect(id string, synchronous bool) *tckevents.RequestAction {
	return &tckevents.RequestAction{Action: &tckevents.RequestAction_Effect{Effect: &tckevents.Effect{Id: id, Synchronous: synchronous}}}
}

func evFail(text string) *tckevents.RequestAction {
	return &tckevents.RequestAction{Action: &tckevents.RequestAction_Fail{Fail: &tckevents.Fail{Message: text}}}
}

func evSays(text string, effects ...*cloudstatepb.SideEffect) outcome {
	return outcome{reply: &tckevents.Response{Message: text}, effects: effects}
}

func evForwards(id string, effects ...*cloudstatepb.SideEffect) outcome {
	return outcome{forward: forwardTo(eventsTwo, "Call", evRequest(id)), effects: effects}
}

func evEffects(synchronous bool, ids ...string) (effects []*cloudstatepb.SideEffect) {
	for _, id := range ids {
		effects = append(effects, effectOn(eventsTwo, "Call", evRequest(id), synchronous))
	}
	return effects
}

func vaInit(service, id string) *valueentitypb.ValueEntityStreamIn {
	return vaStart(service, id, &valueentitypb.ValueEntityInitState{})
}

func vaInitAt(service, id, text string) *valueentitypb.ValueEntityStreamIn {
	return vaStart(service, id, &valueentitypb.ValueEntityInitState{Value: pack(&tckvalue.Persisted{Value: text})})
}

func vaStart(service, id string, state *valueentitypb.ValueEntityInitState) *valueentitypb.ValueEntityStreamIn {
	i := &valueentitypb.ValueEntityInit{ServiceName: service, EntityId: id, State: state}
	return &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Init{Init: i}}
}

func vaCommand(n int64, id, name string, request proto.Message) *valueentitypb.ValueEntityStreamIn {
	return &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Command{Command: entityCommand(n, id, name, request)}}
}

// vaReply is an answer that changes the state by action; nil: it does not.
func vaReply(n int64, o outcome, action *valueentitypb.ValueEntityAction) *valueentitypb.ValueEntityStreamOut {
	r := &valueentitypb.ValueEntityReply{CommandId: n, ClientAction: o.clientAction(n, false), SideEffects: o.effects, StateAction: action}
	return &valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Reply{Reply: r}}
}

func vaRequest(id string, actions ...*tckvalue.RequestAction) *tckvalue.Request {
	return &tckvalue.Request{Id: id, Actions: actions}
}

func vaUpdate(text string) *tckvalue.RequestAction {
	return &tckvalue.RequestAction{Action: &tckvalue.RequestAction_Update{Update: &tckvalue.Update{Value: text}}}
}

func vaDelete() *tckvalue.RequestAction {
	return &tckvalue.RequestAction{Action: &tckvalue.RequestAction_Delete{Delete: &tckvalue.Delete{}}}
}

func vaForward(id string) *tckvalue.RequestAction {
	return &tckvalue.RequestAction{Action: &tckvalue.RequestAction_Forward{Forward: &tckvalue.Forward{Id: id}}}
}

func vaEffect(id string, synchronous bool) *tckvalue.RequestAction {
	return &tckvalue.RequestAction{Action: &tckvalue.RequestAction_Effect{Effect: &tckvalue.Effect{Id: id, Synchronous: synchronous}}}
}

func vaFail(text string) *tckvalue.RequestAction {
	return &tckvalue.RequestAction{Action: &tckvalue.RequestAction_Fail{Fail: &tckvalue.Fail{Message: text}}}
}

func vaSays(text string, effects ...*cloudstatepb.SideEffect) outcome {
	return outcome{reply: &tckvalue.Response{Message: text}, effects: effects}
}

func vaForwards(id string, effects ...*cloudstatepb.SideEffect) outcome {
	return outcome{forward: forwardTo(valueTwo, "Call", vaRequest(id)), effects: effects}
}

func vaEffects(synchronous bool, ids ...string) (effects []*cloudstatepb.SideEffect) {
	for _, id := range ids {
		effects = append(effects, effectOn(valueTwo, "Call", vaRequest(id), synchronous))
	}
	return effects
}

// acCommand is a command of one message, or the header of a stream: that has no
// payload.
func acCommand(service, name string, request proto.Message) *actionpb.ActionCommand {
	c := &actionpb.ActionCommand{ServiceName: service, Name: name}
	if request != nil {
		c.Payload = pack(request)
	}
	return c
}

// acMessage is a message of a stream.
func acMessage(request proto.Message) *actionpb.ActionCommand {
	return &actionpb.ActionCommand{Payload: pack(request)}
}

func acRequest(groups ...*tckaction.ProcessGroup) *tckaction.Request {
	return &tckaction.Request{Groups: groups}
}

// acSingle is a request of one group.
func acSingle(steps ...*tckaction.ProcessStep) *tckaction.Request {
	return acRequest(acGroup(steps...))
}

func acGroup(steps ...*tckaction.ProcessStep) *tckaction.ProcessGroup {
	return &tckaction.ProcessGroup{Steps: steps}
}

func acReply(text string) *tckaction.ProcessStep {
	return &tckaction.ProcessStep{Step: &tckaction.ProcessStep_Reply{Reply: &tckaction.Reply{Message: text}}}
}

func acForward(id string) *tckaction.ProcessStep {
	return &tckaction.ProcessStep{Step: &tckaction.ProcessStep_Forward{Forward: &tckaction.Forward{Id: id}}}
}

func acFail(text string) *tckaction.ProcessStep {
	return &tckaction.ProcessStep{Step: &tckaction.ProcessStep_Fail{Fail: &tckaction.Fail{Message: text}}}
}

func acEffect(id string, synchronous bool) *tckaction.ProcessStep {
	return &tckaction.ProcessStep{Step: &tckaction.ProcessStep_Effect{Effect: &tckaction.SideEffect{Id: id, Synchronous: synchronous}}}
}

func acSays(text string, effects ...*cloudstatepb.SideEffect) outcome {
	return outcome{reply: &tckaction.Response{Message: text}, effects: effects}
}

func acForwards(id string, effects ...*cloudstatepb.SideEffect) outcome {
	return outcome{forward: forwardTo(actionTwo, "Call", &tckaction.OtherRequest{Id: id}), effects: effects}
}

func acFails(text string, effects ...*cloudstatepb.SideEffect) outcome {
	return outcome{fail: text, effects: effects}
}

func acNothing(effects ...*cloudstatepb.SideEffect) outcome { return outcome{effects: effects} }

func acEffects(synchronous bool, ids ...string) (effects []*cloudstatepb.SideEffect) {
	for _, id := range ids {
		effects = append(effects, effectOn(actionTwo, "Call", &tckaction.OtherRequest{Id: id}, synchronous))
	}
	return effects
}

func join(texts []string) string { return strings.Join(texts, "") }
