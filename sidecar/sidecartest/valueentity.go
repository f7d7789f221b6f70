package sidecartest

import (
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckvalue"
)

// valueEntity serves the streams of value entities.
type valueEntity struct {
	valueentitypb.UnimplementedValueEntityServer
	f *Function
}

func (s valueEntity) Handle(stream grpc.BidiStreamingServer[valueentitypb.ValueEntityStreamIn, valueentitypb.ValueEntityStreamOut]) error {
	var v value
	return converse(s.f.config.Misbehave, stream, func() proto.Message { return new(valueentitypb.ValueEntityStreamIn) }, v.step)
}

// value is one stream.
type value struct {
	entity
	text string // of ValueEntityTckModel
}

func (v *value) step(in proto.Message) ([]proto.Message, error) {
	if in == nil {
		return nil, nil
	}
	reply, err := v.message(in.(*valueentitypb.ValueEntityStreamIn))
	if err != nil {
		f := &cloudstatepb.Failure{Description: err.Error()}
		return []proto.Message{&valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Failure{Failure: f}}}, err
	}
	if reply == nil {
		return nil, nil
	}
	return []proto.Message{&valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Reply{Reply: reply}}}, nil
}

func (v *value) message(in *valueentitypb.ValueEntityStreamIn) (*valueentitypb.ValueEntityReply, error) {
	switch m := in.GetMessage().(type) {
	case *valueentitypb.ValueEntityStreamIn_Init:
		return nil, v.start(m.Init)
	case *valueentitypb.ValueEntityStreamIn_Command:
		if err := v.command(m.Command); err != nil {
			return nil, err
		}
		return v.answer(m.Command)
	}
	return nil, violation("an empty message")
}

func (v *value) start(init *valueentitypb.ValueEntityInit) error {
	if err := v.init(init.GetServiceName(), init.GetEntityId()); err != nil {
		return err
	}
	if init.GetState() == nil {
		return violation("an init without state, which is there and empty where there is no value")
	}
	if stored := init.GetState().GetValue(); stored != nil && v.service == valueModel {
		var p tckvalue.Persisted
		if err := unpack(stored, &p); err != nil {
			return err
		}
		v.text = p.GetValue()
	}
	return nil
}

// answer carries out a command. One that fails leaves the state as it was.
func (v *value) answer(c *cloudstatepb.Command) (*valueentitypb.ValueEntityReply, error) {
	var req tckvalue.Request
	if err := unpack(c.GetPayload(), &req); err != nil {
		return nil, err
	}
	var (
		o      = outcome{reply: &tckvalue.Response{}}
		action *valueentitypb.ValueEntityAction
		before = v.text
	)
	switch v.service {
	case valueModel:
		if o, action = v.process(&req); o.fail != "" {
			v.text = before
		}
	case valueTwo, valueConfigured:
	default:
		return nil, violation("there is no value entity service %s", v.service)
	}
	return &valueentitypb.ValueEntityReply{
		CommandId:    c.GetId(),
		ClientAction: o.clientAction(c.GetId(), false),
		SideEffects:  o.effects,
		StateAction:  action,
	}, nil
}

// process carries out the actions of ValueEntityTckModel until one fails. Of
// several changes of the state the last one counts.
func (v *value) process(req *tckvalue.Request) (o outcome, action *valueentitypb.ValueEntityAction) {
	for _, a := range req.GetActions() {
		switch a := a.GetAction().(type) {
		case *tckvalue.RequestAction_Update:
			v.text = a.Update.GetValue()
			action = updated(v.text)
		case *tckvalue.RequestAction_Delete:
			v.text = ""
			action = deleted()
		case *tckvalue.RequestAction_Forward:
			o.forward = forwardTo(valueTwo, "Call", &tckvalue.Request{Id: a.Forward.GetId()})
		case *tckvalue.RequestAction_Effect:
			o.effects = append(o.effects, effectOn(valueTwo, "Call", &tckvalue.Request{Id: a.Effect.GetId()}, a.Effect.GetSynchronous()))
		case *tckvalue.RequestAction_Fail:
			return outcome{fail: a.Fail.GetMessage()}, nil
		}
	}
	o.reply = &tckvalue.Response{Message: v.text}
	return o, action
}

func updated(text string) *valueentitypb.ValueEntityAction {
	u := &valueentitypb.ValueEntityUpdate{Value: pack(&tckvalue.Persisted{Value: text})}
	return &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Update{Update: u}}
}

func deleted() *valueentitypb.ValueEntityAction {
	return &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Delete{Delete: &valueentitypb.ValueEntityDelete{}}}
}
