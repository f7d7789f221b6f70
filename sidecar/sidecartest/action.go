package sidecartest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckaction"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tcklog"
)

// action serves actions.
type action struct {
	actionpb.UnimplementedActionProtocolServer
	f *Function
}

// HandleUnary answers one command with one response.
func (s action) HandleUnary(ctx context.Context, in *actionpb.ActionCommand) (*actionpb.ActionResponse, error) {
	outcomes, err := act(in.GetServiceName(), in.GetName(), in.GetPayload(), in.GetMetadata())
	if err != nil {
		return nil, err
	}
	return s.one(ctx, in, combine(outcomes))
}

// HandleStreamedIn answers many commands with one response.
func (s action) HandleStreamedIn(stream grpc.ClientStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	head, err := header(stream)
	var outcomes []outcome
	for err == nil {
		var in *actionpb.ActionCommand
		if in, err = following(stream); err != nil {
			break
		}
		var more []outcome
		more, err = act(head.GetServiceName(), head.GetName(), in.GetPayload(), head.GetMetadata())
		outcomes = append(outcomes, more...)
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	out, err := s.one(stream.Context(), head, combine(outcomes))
	if err != nil {
		return err
	}
	return stream.SendAndClose(out)
}

// one is a response of a call that has only one, if it does not misbehave.
func (s action) one(ctx context.Context, in proto.Message, o outcome) (*actionpb.ActionResponse, error) {
	out, err := s.f.config.Misbehave(ctx, in, []proto.Message{response(o)})
	if err != nil || len(out) == 0 {
		return &actionpb.ActionResponse{}, err
	}
	return out[0].(*actionpb.ActionResponse), nil
}

// HandleStreamedOut answers one command with many responses.
func (s action) HandleStreamedOut(in *actionpb.ActionCommand, stream grpc.ServerStreamingServer[actionpb.ActionResponse]) error {
	outcomes, err := act(in.GetServiceName(), in.GetName(), in.GetPayload(), in.GetMetadata())
	if err != nil {
		return err
	}
	out, err := s.f.config.Misbehave(stream.Context(), in, responses(outcomes))
	for _, m := range out {
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
	return err
}

// HandleStreamed answers each of many commands with any number of responses.
func (s action) HandleStreamed(stream grpc.BidiStreamingServer[actionpb.ActionCommand, actionpb.ActionResponse]) error {
	head, err := header(stream)
	if err != nil {
		return err
	}
	return converse(s.f.config.Misbehave, stream, func() proto.Message { return new(actionpb.ActionCommand) }, func(in proto.Message) ([]proto.Message, error) {
		if in == nil {
			return nil, nil
		}
		c := in.(*actionpb.ActionCommand)
		if err := nameless(c); err != nil {
			return nil, err
		}
		outcomes, err := act(head.GetServiceName(), head.GetName(), c.GetPayload(), head.GetMetadata())
		return responses(outcomes), err
	})
}

// commands is what streams that come in have in common.
type commands interface {
	Recv() (*actionpb.ActionCommand, error)
}

// header reads the first message of a stream, which says what is called.
func header(s commands) (*actionpb.ActionCommand, error) {
	head, err := s.Recv()
	if err != nil {
		return nil, err
	}
	if head.GetServiceName() == "" || head.GetName() == "" || head.GetPayload() != nil {
		return nil, violation("a stream begins with %s", short(head))
	}
	return head, nil
}

// following reads one of the others.
func following(s commands) (*actionpb.ActionCommand, error) {
	in, err := s.Recv()
	if err != nil {
		return nil, err
	}
	return in, nameless(in)
}

func nameless(in *actionpb.ActionCommand) error {
	if in.GetServiceName() != "" || in.GetName() != "" || in.GetPayload() == nil {
		return violation("after its header, a stream has %s", short(in))
	}
	return nil
}

// act is what the models do with one message: one outcome for each group.
func act(service, name string, payload *anypb.Any, md *cloudstatepb.Metadata) ([]outcome, error) {
	switch service + "." + name {
	case actionModel + ".ProcessUnary", actionModel + ".ProcessStreamedIn", actionModel + ".ProcessStreamedOut", actionModel + ".ProcessStreamed":
		var req tckaction.Request
		err := unpack(payload, &req)
		var all []outcome
		for _, g := range req.GetGroups() {
			all = append(all, group(g))
		}
		return all, err
	case actionTwo + ".Call":
		return []outcome{{reply: &tckaction.Response{}}}, unpack(payload, &tckaction.OtherRequest{})
	case logSubscriber + ".ProcessEventOne":
		var event tcklog.EventOne
		err := unpack(payload, &event)
		return []outcome{logged(event.GetStep(), md)}, err
	case logSubscriber + ".ProcessEventTwo":
		var event tcklog.EventTwo
		err := unpack(payload, &event)
		var all []outcome
		for _, step := range event.GetStep() {
			all = append(all, logged(step, md))
		}
		return all, err
	case logSubscriber + ".Effect":
		var req tcklog.EffectRequest
		err := unpack(payload, &req)
		return []outcome{{reply: &tcklog.Response{Id: req.GetId(), Message: req.GetMessage()}}}, err
	case logSubscriber + ".ProcessAnyEvent":
		o, err := loggedJSON(payload, md)
		return []outcome{o}, err
	}
	return nil, violation("there is no action %s.%s", service, name)
}

// group carries out the steps of one response; of those that say what the caller
// gets the last one counts.
func group(g *tckaction.ProcessGroup) (o outcome) {
	for _, s := range g.GetSteps() {
		effects := o.effects
		switch s := s.GetStep().(type) {
		case *tckaction.ProcessStep_Reply:
			o = outcome{reply: &tckaction.Response{Message: s.Reply.GetMessage()}}
		case *tckaction.ProcessStep_Forward:
			o = outcome{forward: forwardTo(actionTwo, "Call", &tckaction.OtherRequest{Id: s.Forward.GetId()})}
		case *tckaction.ProcessStep_Fail:
			o = outcome{fail: s.Fail.GetMessage()}
		case *tckaction.ProcessStep_Effect:
			effects = append(effects, effectOn(actionTwo, "Call", &tckaction.OtherRequest{Id: s.Effect.GetId()}, s.Effect.GetSynchronous()))
		}
		o.effects = effects
	}
	return o
}

// logged does what an event of the log says.
func logged(step *tcklog.ProcessStep, md *cloudstatepb.Metadata) outcome {
	if f := step.GetForward(); f != nil {
		return outcome{forward: forwardTo(logSubscriber, "Effect", &tcklog.EffectRequest{Id: emitter(md), Message: f.GetMessage()})}
	}
	return outcome{reply: &tcklog.Response{Id: emitter(md), Message: step.GetReply().GetMessage()}}
}

func loggedJSON(payload *anypb.Any, md *cloudstatepb.Metadata) (o outcome, err error) {
	text, err := unpackField(payload)
	if err != nil {
		return o, err
	}
	var event struct{ Message string }
	if err := json.Unmarshal([]byte(text), &event); err != nil {
		return o, violation("an event of JSON: %v", err)
	}
	return outcome{reply: &tcklog.Response{Id: emitter(md), Message: event.Message}}, nil
}

// emitter is the entity that has emitted an event.
func emitter(md *cloudstatepb.Metadata) string {
	for _, e := range md.GetEntries() {
		if strings.EqualFold(e.GetKey(), "ce-subject") {
			return e.GetStringValue()
		}
	}
	return ""
}

// combine makes one outcome of many: the last one that says what the caller
// gets, with the effects of all.
func combine(all []outcome) (one outcome) {
	for _, o := range all {
		effects := slices.Concat(one.effects, o.effects)
		if o.reply != nil || o.forward != nil || o.fail != "" {
			one = o
		}
		one.effects = effects
	}
	return one
}

func responses(all []outcome) (out []proto.Message) {
	for _, o := range all {
		out = append(out, response(o))
	}
	return out
}

// response is an outcome as actions answer with it.
func response(o outcome) *actionpb.ActionResponse {
	r := &actionpb.ActionResponse{SideEffects: o.effects}
	switch a := o.clientAction(0, false); {
	case a.GetReply() != nil:
		r.Response = &actionpb.ActionResponse_Reply{Reply: a.GetReply()}
	case a.GetForward() != nil:
		r.Response = &actionpb.ActionResponse_Forward{Forward: a.GetForward()}
	case a.GetFailure() != nil:
		r.Response = &actionpb.ActionResponse_Failure{Failure: a.GetFailure()}
	}
	return r
}
