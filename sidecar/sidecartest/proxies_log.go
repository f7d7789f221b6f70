package sidecartest

import (
	"strings"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tcklog"
)

// emits lets EventSourcedEntityOne emit an event, and expects its stream.
func (f *front) emits(event *tcklog.EventOne) {
	f.Helper()
	req := &tcklog.EmitEventRequest{Id: f.id, Event: &tcklog.EmitEventRequest_EventOne{EventOne: event}}
	got, err := tcklog.NewEventSourcedEntityOneClient(f.conn).EmitEvent(f.ctx, req)
	f.answers(got, err, &emptypb.Empty{})
	c := f.expect(EventSourced).In(evInit(logOne, f.id)).In(evCommand(1, f.id, "EmitEvent", req))
	c.NextOut()
}

// responds reads what an action has answered with, to its end.
func (f *front) responds(c *Call) *actionpb.ActionResponse {
	f.Helper()
	out := c.NextOut().(*actionpb.ActionResponse)
	c.Closed()
	return out
}

// logProxies are the checks of event logs that actions subscribe to.
func logProxies() []proxy {
	services := []string{logSubscriber, logOne, logTwo}
	return []proxy{
		{184, services, func(f *front) {
			event := &tcklog.EventOne{Step: &tcklog.ProcessStep{Step: &tcklog.ProcessStep_Reply{Reply: &tcklog.Reply{Message: "some message"}}}}
			f.emits(event)
			c := f.expect(ActionUnary).In(acCommand(logSubscriber, "ProcessEventOne", event))
			f.logResponse(c, "some message")
		}},
		{185, services, func(f *front) {
			event := &tcklog.EventOne{Step: &tcklog.ProcessStep{Step: &tcklog.ProcessStep_Forward{Forward: &tcklog.Forward{Message: "some message"}}}}
			f.emits(event)
			c := f.expect(ActionUnary).In(acCommand(logSubscriber, "ProcessEventOne", event))
			forward := f.responds(c).GetForward()
			if forward.GetServiceName() != logSubscriber || forward.GetCommandName() != "Effect" {
				f.Fatalf("the subscriber forwards to %s", short(forward))
			}
			c = f.expect(ActionUnary)
			if diff := difference(c.NextIn(), &actionpb.ActionCommand{ServiceName: logSubscriber, Name: "Effect", Payload: forward.GetPayload()}); diff != "" {
				f.Errorf("the forward %s", diff)
			}
			f.logResponse(c, "some message")
		}},
		{186, services, func(f *front) {
			req := &tcklog.JsonEvent{Id: f.id, Message: "some json message"}
			got, err := tcklog.NewEventSourcedEntityTwoClient(f.conn).EmitJsonEvent(f.ctx, req)
			f.answers(got, err, &emptypb.Empty{})
			c := f.expect(EventSourced).In(evInit(logTwo, f.id)).In(evCommand(1, f.id, "EmitJsonEvent", req))
			emitted := c.NextOut().(*eventsourcedpb.EventSourcedStreamOut).GetReply().GetEvents()
			if len(emitted) != 1 || !strings.HasPrefix(emitted[0].GetTypeUrl(), "json.cloudstate.io/") {
				f.Fatalf("the user function emits %v", emitted)
			}
			c = f.expect(ActionUnary).In(&actionpb.ActionCommand{ServiceName: logSubscriber, Name: "ProcessAnyEvent", Payload: emitted[0]})
			f.logResponse(c, "some json message")
		}},
	}
}

// logResponse expects the subscriber's answer: it has the entity's id, which it
// can only have of the metadata.
func (f *front) logResponse(c *Call, message string) {
	f.Helper()
	var got tcklog.Response
	if err := unpack(f.responds(c).GetReply().GetPayload(), &got); err != nil {
		f.Fatal(err)
	}
	if diff := difference(&got, &tcklog.Response{Id: f.id, Message: message}); diff != "" {
		f.Errorf("the answer %s", diff)
	}
}
