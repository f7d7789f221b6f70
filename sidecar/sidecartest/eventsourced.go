package sidecartest

import (
	"encoding/json"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tcklog"
)

// snapshotEvery is after how many events the model's snapshot is due.
const snapshotEvery = 5

// eventSourced serves the streams of event sourced entities.
type eventSourced struct {
	eventsourcedpb.UnimplementedEventSourcedServer
	f *Function
}

func (s eventSourced) Handle(stream grpc.BidiStreamingServer[eventsourcedpb.EventSourcedStreamIn, eventsourcedpb.EventSourcedStreamOut]) error {
	var e events
	return converse(s.f.config.Misbehave, stream, func() proto.Message { return new(eventsourcedpb.EventSourcedStreamIn) }, e.step)
}

// events is one stream.
type events struct {
	entity
	sequence int64
	text     string // of EventSourcedTckModel
}

func (e *events) step(in proto.Message) ([]proto.Message, error) {
	if in == nil {
		return nil, nil
	}
	reply, err := e.message(in.(*eventsourcedpb.EventSourcedStreamIn))
	if err != nil {
		f := &cloudstatepb.Failure{Description: err.Error()}
		return []proto.Message{&eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Failure{Failure: f}}}, err
	}
	if reply == nil {
		return nil, nil
	}
	return []proto.Message{&eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Reply{Reply: reply}}}, nil
}

func (e *events) message(in *eventsourcedpb.EventSourcedStreamIn) (*eventsourcedpb.EventSourcedReply, error) {
	switch m := in.GetMessage().(type) {
	case *eventsourcedpb.EventSourcedStreamIn_Init:
		return nil, e.start(m.Init)
	case *eventsourcedpb.EventSourcedStreamIn_Event:
		return nil, e.replay(m.Event)
	case *eventsourcedpb.EventSourcedStreamIn_Command:
		if err := e.command(m.Command); err != nil {
			return nil, err
		}
		return e.answer(m.Command)
	}
	return nil, violation("an empty message")
}

func (e *events) start(init *eventsourcedpb.EventSourcedInit) error {
	if err := e.init(init.GetServiceName(), init.GetEntityId()); err != nil {
		return err
	}
	if s := init.GetSnapshot(); s != nil {
		var p tckevents.Persisted
		if err := unpack(s.GetSnapshot(), &p); err != nil {
			return err
		}
		e.sequence, e.text = s.GetSnapshotSequence(), p.GetValue()
	}
	return nil
}

// replay takes an event of the past.
func (e *events) replay(event *eventsourcedpb.EventSourcedEvent) error {
	switch {
	case e.service == "":
		return violation("an event before the init")
	case e.commands > 0:
		return violation("event %d after a command", event.GetSequence())
	case event.GetSequence() != e.sequence+1:
		return violation("event %d after event %d", event.GetSequence(), e.sequence)
	}
	e.sequence++
	if e.service != eventsModel {
		return nil
	}
	var p tckevents.Persisted
	if err := unpack(event.GetPayload(), &p); err != nil {
		return err
	}
	e.text += p.GetValue()
	return nil
}

// answer carries out a command. One that fails after it has emitted events has
// them in the state already, and asks for a restart.
func (e *events) answer(c *cloudstatepb.Command) (*eventsourcedpb.EventSourcedReply, error) {
	before := e.sequence
	o, emitted, err := e.run(c.GetPayload())
	if err != nil {
		return nil, err
	}
	if o.fail != "" {
		e.over = len(emitted) > 0
		return &eventsourcedpb.EventSourcedReply{CommandId: c.GetId(), ClientAction: o.clientAction(c.GetId(), e.over)}, nil
	}
	reply := &eventsourcedpb.EventSourcedReply{
		CommandId:    c.GetId(),
		ClientAction: o.clientAction(c.GetId(), false),
		SideEffects:  o.effects,
		Events:       emitted,
	}
	if e.service == eventsModel && e.sequence/snapshotEvery > before/snapshotEvery {
		reply.Snapshot = pack(&tckevents.Persisted{Value: e.text})
	}
	return reply, nil
}

func (e *events) run(payload *anypb.Any) (o outcome, emitted []*anypb.Any, err error) {
	emit := func(event *anypb.Any) {
		emitted = append(emitted, event)
		e.sequence++
	}
	switch e.service {
	case eventsModel:
		var req tckevents.Request
		if err = unpack(payload, &req); err == nil {
			o = e.process(&req, emit)
		}
	case eventsTwo, eventsConfigured:
		o.reply, err = &tckevents.Response{}, unpack(payload, &tckevents.Request{})
	case logOne:
		var req tcklog.EmitEventRequest
		err = unpack(payload, &req)
		if event := req.GetEventOne(); event != nil {
			emit(pack(event))
		}
		if event := req.GetEventTwo(); event != nil {
			emit(pack(event))
		}
		o.reply = &emptypb.Empty{}
	case logTwo:
		var req tcklog.JsonEvent
		err = unpack(payload, &req)
		text, _ := json.Marshal(map[string]string{"message": req.GetMessage()}) // strings always have JSON
		emit(packJSON("JsonMessage", string(text)))
		o.reply = &emptypb.Empty{}
	default:
		err = violation("there is no event sourced service %s", e.service)
	}
	return o, emitted, err
}

// process carries out the actions of EventSourcedTckModel until one fails.
func (e *events) process(req *tckevents.Request, emit func(*anypb.Any)) (o outcome) {
	for _, a := range req.GetActions() {
		switch a := a.GetAction().(type) {
		case *tckevents.RequestAction_Emit:
			emit(pack(&tckevents.Persisted{Value: a.Emit.GetValue()}))
			e.text += a.Emit.GetValue()
		case *tckevents.RequestAction_Forward:
			o.forward = forwardTo(eventsTwo, "Call", &tckevents.Request{Id: a.Forward.GetId()})
		case *tckevents.RequestAction_Effect:
			o.effects = append(o.effects, effectOn(eventsTwo, "Call", &tckevents.Request{Id: a.Effect.GetId()}, a.Effect.GetSynchronous()))
		case *tckevents.RequestAction_Fail:
			return outcome{fail: a.Fail.GetMessage()}
		}
	}
	o.reply = &tckevents.Response{Message: e.text}
	return o
}
