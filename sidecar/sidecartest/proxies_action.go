package sidecartest

import (
	"io"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/tckpb/tckaction"
)

func (f *front) actions() tckaction.ActionTckModelClient {
	return tckaction.NewActionTckModelClient(f.conn)
}

// called expects a unary action, to its end.
func (f *front) called(in, out proto.Message) {
	f.Helper()
	f.expect(ActionUnary).In(in).Out(out).Closed()
}

// calledTwo expects that a forward or an effect is carried out.
func (f *front) calledTwo(id string) {
	f.Helper()
	f.called(acCommand(actionTwo, "Call", &tckaction.OtherRequest{Id: id}), response(acSays("")))
}

// sends gives a message to a stream of the client, and receives takes one of it.
func sends[Req, Res any](f *front, stream grpc.BidiStreamingClient[Req, Res], m *Req) {
	f.Helper()
	if err := stream.Send(m); err != nil {
		f.Fatal(err)
	}
}

func receives[Res any](f *front, stream grpc.ServerStreamingClient[Res], want *Res) {
	f.Helper()
	got, err := stream.Recv()
	if err != nil {
		f.Fatalf("no message comes: %v\n%s", err, f.Record)
	}
	f.answers(any(got).(proto.Message), nil, any(want).(proto.Message))
}

func ends[Res any](f *front, stream grpc.ServerStreamingClient[Res]) {
	f.Helper()
	if m, err := stream.Recv(); err != io.EOF {
		f.Fatalf("the stream does not end: %v, %v", m, err)
	}
}

func acResponse(text string) *tckaction.Response { return &tckaction.Response{Message: text} }

// actionProxies are the checks of actions.
func actionProxies() []proxy {
	one, both := []string{actionModel}, []string{actionModel, actionTwo}
	return []proxy{
		{37, one, func(f *front) {
			req := acSingle(acReply("one"))
			got, err := f.actions().ProcessUnary(f.ctx, req)
			f.answers(got, err, acResponse("one"))
			f.called(acCommand(actionModel, "ProcessUnary", req), response(acSays("one")))
		}},
		{38, one, func(f *front) {
			stream, err := f.actions().ProcessStreamedIn(f.ctx)
			if err != nil {
				f.Fatal(err)
			}
			// The header comes before the client has sent anything.
			call := f.expect(ActionStreamedIn).In(acCommand(actionModel, "ProcessStreamedIn", nil))
			req := acSingle(acReply("two"))
			if err := stream.Send(req); err != nil {
				f.Fatal(err)
			}
			call.In(acMessage(req))
			got, err := stream.CloseAndRecv()
			f.answers(got, err, acResponse("two"))
			call.Out(response(acSays("two"))).Closed()
		}},
		{39, one, func(f *front) {
			req := acRequest(acGroup(acReply("A")), acGroup(acReply("B")), acGroup(acReply("C")))
			stream, err := f.actions().ProcessStreamedOut(f.ctx, req)
			if err != nil {
				f.Fatal(err)
			}
			call := f.expect(ActionStreamedOut).In(acCommand(actionModel, "ProcessStreamedOut", req))
			for _, text := range []string{"A", "B", "C"} {
				receives(f, stream, acResponse(text))
				call.Out(response(acSays(text)))
			}
			ends(f, stream)
			call.endsWell()
		}},
		{40, one, func(f *front) {
			stream, call := f.streamed()
			for _, text := range []string{"X", "Y", "Z"} {
				sends(f, stream, acSingle(acReply(text)))
				call.In(acMessage(acSingle(acReply(text)))).Out(response(acSays(text)))
				receives(f, stream, acResponse(text))
			}
			f.completes(stream, call)
		}},
		{41, both, func(f *front) {
			req := acSingle(acForward("other"))
			got, err := f.actions().ProcessUnary(f.ctx, req)
			f.answers(got, err, acResponse(""))
			f.called(acCommand(actionModel, "ProcessUnary", req), response(acForwards("other")))
			f.calledTwo("other")

			req = acSingle(acReply(""), acEffect("another", false))
			got, err = f.actions().ProcessUnary(f.ctx, req)
			f.answers(got, err, acResponse(""))
			f.called(acCommand(actionModel, "ProcessUnary", req), response(acSays("", acEffects(false, "another")...)))
			f.calledTwo("another")
		}},
		{42, both, func(f *front) {
			stream, call := f.streamed()
			sends(f, stream, acSingle(acForward("one")))
			receives(f, stream, acResponse(""))
			call.In(acMessage(acSingle(acForward("one")))).Out(response(acForwards("one")))
			f.calledTwo("one")

			sends(f, stream, acSingle(acEffect("two", false)))
			call.In(acMessage(acSingle(acEffect("two", false)))).Out(response(acNothing(acEffects(false, "two")...)))
			f.calledTwo("two")
			f.completes(stream, call)
		}},
		{43, one, func(f *front) {
			req := acSingle(acFail("expected failure"))
			_, err := f.actions().ProcessUnary(f.ctx, req)
			f.refuses(err, "expected failure")
			f.called(acCommand(actionModel, "ProcessUnary", req), response(acFails("expected failure")))
		}},
		{44, one, func(f *front) {
			stream, call := f.streamed()
			sends(f, stream, acSingle(acFail("expected failure")))
			_, err := stream.Recv()
			f.refuses(err, "expected failure")
			if err := stream.Send(acSingle(acReply("too late"))); err != io.EOF {
				f.Errorf("the client may go on to send: %v", err)
			}
			call.In(acMessage(acSingle(acFail("expected failure")))).Out(response(acFails("expected failure")))
			call.next(Cancelled, Ended)
		}},
		{45, one, func(f *front) {
			const path = "/tck/model/action/unary"
			f.post(path, `{"groups": [{"steps": [{"reply": {"message": "foo"}}]}]}`, http.StatusOK, `{"message":"foo"}`)
			f.called(acCommand(actionModel, "ProcessUnary", acSingle(acReply("foo"))), response(acSays("foo")))
			f.post(path, `{"groups": [{"steps": [{"fail": {"message": "boom"}}]}]}`, http.StatusInternalServerError, "boom")
			f.called(acCommand(actionModel, "ProcessUnary", acSingle(acFail("boom"))), response(acFails("boom")))
		}},
	}
}

// streamed begins a call of ProcessStreamed.
func (f *front) streamed() (grpc.BidiStreamingClient[tckaction.Request, tckaction.Response], *Call) {
	f.Helper()
	stream, err := f.actions().ProcessStreamed(f.ctx)
	if err != nil {
		f.Fatal(err)
	}
	return stream, f.expect(ActionStreamed).In(acCommand(actionModel, "ProcessStreamed", nil))
}

// completes ends it.
func (f *front) completes(stream grpc.BidiStreamingClient[tckaction.Request, tckaction.Response], call *Call) {
	f.Helper()
	if err := stream.CloseSend(); err != nil {
		f.Fatal(err)
	}
	ends(f, stream)
	call.Closed()
}
