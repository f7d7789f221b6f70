package sidecartest

import (
	"context"
	"fmt"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
)

func (f *front) crdts() tckcrdt.CrdtTckModelClient { return tckcrdt.NewCrdtTckModelClient(f.conn) }

// crProcess calls CrdtTckModel, and expects that it answers with a value.
func (f *front) crProcess(want *tckcrdt.State, actions ...*tckcrdt.RequestAction) {
	f.Helper()
	got, err := f.crdts().Process(f.ctx, crRequest(f.id, actions...))
	f.answers(got, err, &tckcrdt.Response{State: want})
}

// crCall calls CrdtTwo.
func (f *front) crCall(actions ...*tckcrdt.RequestAction) {
	f.Helper()
	got, err := tckcrdt.NewCrdtTwoClient(f.conn).Call(f.ctx, crRequest(f.id, actions...))
	f.answers(got, err, &tckcrdt.Response{})
}

// crOpened expects the stream of an entity that has no value yet.
func (f *front) crOpened(service string) *Call {
	f.Helper()
	return f.expect(CRDT).In(crInit(service, f.id, nil))
}

// crProcessed expects a command to CrdtTckModel.
func (f *front) crProcessed(c *Call, n int64, out proto.Message, actions ...*tckcrdt.RequestAction) {
	f.Helper()
	c.In(crCommand(n, f.id, "Process", crRequest(f.id, actions...))).Out(out)
}

// crCalled expects a command to CrdtTwo.
func (f *front) crCalled(c *Call, n int64, actions ...*tckcrdt.RequestAction) *Call {
	f.Helper()
	return c.In(crCommand(n, f.id, "Call", crRequest(f.id, actions...)))
}

// crDeletion deletes the entity, whose stream is closed then, without anything
// else on it.
func (f *front) crDeletion(c *Call, n int64, state *tckcrdt.State) {
	f.Helper()
	f.crProcess(state, crDelete())
	f.crProcessed(c, n, crDeleting(n, crSays(state)), crDelete())
	f.crClosed(c)
}

// crClosed expects that the sidecar closes a stream, without anything else on it.
// The library that speaks protocol 0.1 leaves its own side open.
func (f *front) crClosed(c *Call) {
	f.Helper()
	if f.Record.speaks01() {
		c.HalfClosed()
	} else {
		c.Closed()
	}
	c.nothingElse()
}

func crDeleting(n int64, o outcome) *crdtpb.CrdtStreamOut {
	return crReply(n, o, crDeletes(crdtpb.CrdtWriteConsistency_LOCAL))
}

// crOver checks that a streamed call which the client has cancelled has had no
// more messages.
func (f *front) crOver(stream grpc.ServerStreamingClient[tckcrdt.Response]) {
	f.Helper()
	if got, err := stream.Recv(); status.Code(err) != codes.Canceled {
		f.Fatalf("a call that is cancelled has %v, %v", got, err)
	}
}

// crdtProxies are the checks of replicated entities.
func crdtProxies() []proxy {
	one, both := []string{crdtModel}, []string{crdtModel, crdtTwo}
	return []proxy{
		{178, one, func(f *front) {
			id := f.id
			for _, kind := range crTypes() {
				f.id = kind.name + "-" + id
				checkChanges(f, kind.changes)
			}
		}},
		{179, both, func(f *front) {
			f.id = "GCounter-" + f.id
			f.crProcess(gcIs(1), crUp(gcUp(1))...)
			c := f.crOpened(crdtModel)
			f.crProcessed(c, 1, crReply(1, crSays(gcIs(1)), crChange(gcDelta(1))), crUp(gcUp(1))...)

			f.crProcess(nil, crForward(f.id))
			f.crProcessed(c, 2, crReply(2, crForwards(f.id), nil), crForward(f.id))
			two := f.crOpened(crdtTwo)
			f.crCalled(two, 1).Out(crReply(1, crSays(nil), nil))

			f.crProcess(gcIs(1), crEffect(f.id, false))
			f.crProcessed(c, 3, crReply(3, crSays(gcIs(1), crEffects(false, f.id)...), nil), crEffect(f.id, false))
			f.crCalled(two, 2).Out(crReply(2, crSays(nil), nil))

			f.crDeletion(c, 4, gcIs(1))
			f.crCall(crDelete())
			f.crClosed(f.crCalled(two, 3, crDelete()).Out(crDeleting(3, crSays(nil))))
		}},
		{180, one, func(f *front) {
			f.id = "GCounter-" + f.id
			f.crProcess(gcIs(42), crUp(gcUp(42))...)
			c := f.crOpened(crdtModel)
			f.crProcessed(c, 1, crReply(1, crSays(gcIs(42)), crChange(gcDelta(42))), crUp(gcUp(42))...)
			_, err := f.crdts().Process(f.ctx, crRequest(f.id, crFail("expected failure")))
			f.refuses(err, "expected failure")
			f.crProcessed(c, 2, crReply(2, fails("expected failure"), nil), crFail("expected failure"))
			f.crProcess(gcIs(42))
			f.crProcessed(c, 3, crReply(3, crSays(gcIs(42)), nil))
			f.crDeletion(c, 4, gcIs(42))
		}},
		{181, one, checkMonitor},
		{182, both, checkHTTP},
		{183, []string{crdtConfigured}, func(f *front) {
			got, err := tckcrdt.NewCrdtConfiguredClient(f.conn).Call(f.ctx, crRequest(f.id))
			f.answers(got, err, &tckcrdt.Response{})
			f.crClosed(f.crCalled(f.crOpened(crdtConfigured), 1).Out(crReply(1, crSays(nil), nil)))
		}},
	}
}

// checkChanges changes a value, which nothing else does: so there are no deltas.
func checkChanges(f *front, steps []crStep) {
	f.Helper()
	var c *Call
	for i, s := range steps {
		f.crProcess(s.state, crUp(s.updates...)...)
		if c == nil {
			c = f.crOpened(crdtModel)
		}
		n := int64(i) + 1
		f.crProcessed(c, n, crReply(n, crSays(s.state), crChange(s.change)), crUp(s.updates...)...)
	}
	f.crDeletion(c, int64(len(steps))+1, steps[len(steps)-1].state)
}

// checkMonitor has a vote of who is connected, and somebody who watches it.
func checkMonitor(f *front) {
	f.id = "Vote-" + f.id
	watching, stopWatching := context.WithCancel(f.ctx)
	defer stopWatching()
	watch := &tckcrdt.StreamedRequest{Id: f.id}
	monitor, err := f.crdts().ProcessStreamed(watching, watch)
	sees := func(want *tckcrdt.State) {
		f.Helper()
		if err != nil {
			f.Fatal(err)
		}
		got, err := monitor.Recv()
		f.answers(got, err, &tckcrdt.Response{State: want})
	}
	sees(voIs(false, 0, 1))
	c := f.crOpened(crdtModel).In(crStreamed(1, f.id, watch)).Out(crStreamedReply(1, crSays(voIs(false, 0, 1)), nil))

	connected, disconnect := context.WithCancel(f.ctx)
	defer disconnect()
	connect := &tckcrdt.StreamedRequest{Id: f.id, InitialUpdate: voUp(true), CancelUpdate: voUp(false), Empty: true}
	connection, err := f.crdts().ProcessStreamed(connected, connect)
	sees(voIs(true, 1, 1))
	c.In(crStreamed(2, f.id, connect)).Out(crStreamedReply(2, outcome{}, crChange(voChange(true)))).Out(crMessage(1, crSays(voIs(true, 1, 1))))

	disconnect()
	f.crOver(connection)
	sees(voIs(false, 0, 1))
	c.In(crCancelled(2, f.id)).Out(crCancelResponse(2, crChange(voChange(false)))).Out(crMessage(1, crSays(voIs(false, 0, 1))))

	stopWatching()
	f.crOver(monitor)
	c.In(crCancelled(1, f.id)).Out(crCancelResponse(1, nil))
	f.crDeletion(c, 3, voIs(false, 0, 1))
}

// checkHTTP makes all calls over plain HTTP.
func checkHTTP(f *front) {
	f.id = "PNCounter-" + f.id
	path := "/tck/model/crdt/" + f.id
	is := func(n string) string { return fmt.Sprintf(`{"state":{"pncounter":{"value":%q}}}`, n) }
	f.post(path, `{}`, http.StatusOK, is("0"))
	c := f.crOpened(crdtModel)
	f.crProcessed(c, 1, crReply(1, crSays(pnIs(0)), nil))

	two := "/" + crdtTwo + "/Call"
	f.post(two, fmt.Sprintf(`{"id": %q}`, f.id), http.StatusOK, `{}`)
	d := f.crOpened(crdtTwo)
	f.crCalled(d, 1).Out(crReply(1, crSays(nil), nil))

	f.post(path, `{"actions": [{"update": {"pncounter": {"change": 42}}}]}`, http.StatusOK, is("42"))
	f.crProcessed(c, 2, crReply(2, crSays(pnIs(42)), crChange(pnDelta(42))), crUp(pnUp(42))...)
	f.post(path, `{"actions": [{"fail": {"message": "expected failure"}}]}`, http.StatusInternalServerError, "expected failure")
	f.crProcessed(c, 3, crReply(3, fails("expected failure"), nil), crFail("expected failure"))
	f.post(path, `{"actions": [{"update": {"pncounter": {"change": "-9007199254740993"}}}]}`, http.StatusOK, is("-9007199254740951"))
	f.crProcessed(c, 4, crReply(4, crSays(pnIs(-9007199254740951)), crChange(pnDelta(-9007199254740993))), crUp(pnUp(-9007199254740993))...)

	f.post(path, `{"actions": [{"delete": {}}]}`, http.StatusOK, is("-9007199254740951"))
	f.crProcessed(c, 5, crDeleting(5, crSays(pnIs(-9007199254740951))), crDelete())
	f.crClosed(c)
	f.post(two, fmt.Sprintf(`{"id": %q, "actions": [{"delete": {}}]}`, f.id), http.StatusOK, `{}`)
	f.crClosed(f.crCalled(d, 2, crDelete()).Out(crDeleting(2, crSays(nil))))
}
