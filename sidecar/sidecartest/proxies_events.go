package sidecartest

import (
	"fmt"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
)

func (f *front) events() tckevents.EventSourcedTckModelClient {
	return tckevents.NewEventSourcedTckModelClient(f.conn)
}

// evProcess calls EventSourcedTckModel, and expects that it answers with a text.
func (f *front) evProcess(want string, actions ...*tckevents.RequestAction) {
	f.Helper()
	got, err := f.events().Process(f.ctx, evRequest(f.id, actions...))
	f.answers(got, err, &tckevents.Response{Message: want})
}

// evOpened expects the stream of an event sourced entity, and that it is told
// its history.
func (f *front) evOpened(service string, history ...string) *Call {
	f.Helper()
	c := f.expect(EventSourced).In(evInit(service, f.id))
	for i, text := range history {
		c.In(evEvent(int64(i)+1, text))
	}
	return c
}

// evProcessed expects a command to EventSourcedTckModel.
func (f *front) evProcessed(c *Call, n int64, out proto.Message, actions ...*tckevents.RequestAction) {
	f.Helper()
	c.In(evCommand(n, f.id, "Process", evRequest(f.id, actions...))).Out(out)
}

// evRestarted expects a failure after events were emitted. If the user function
// wants the entity to restart, the stream is closed and the next one is there,
// with the history, before there is a command; otherwise it is the same stream.
// N is the number of the next command.
func (f *front) evRestarted(c *Call, n int64, description string, history []string, actions ...*tckevents.RequestAction) (next *Call, _ int64) {
	f.Helper()
	c.In(evCommand(n, f.id, "Process", evRequest(f.id, actions...)))
	reply := c.NextOut().(*eventsourcedpb.EventSourcedStreamOut).GetReply()
	failure := reply.GetClientAction().GetFailure()
	if failure.GetCommandId() != n || failure.GetDescription() != description {
		f.Fatalf("the user function answers with %s", short(reply))
	}
	if !failure.GetRestart() {
		return c, n + 1
	}
	c.Closed()
	return f.evOpened(eventsModel, history...), 1
}

// eventsProxies are the checks of event sourced entities.
func eventsProxies() []proxy {
	one, both := []string{eventsModel}, []string{eventsModel, eventsTwo}
	return []proxy{
		{91, one, func(f *front) {
			f.evProcess("")
			c := f.evOpened(eventsModel)
			f.evProcessed(c, 1, evReply(1, evSays("")))
			f.evProcess("A", evEmit("A")...)
			f.evProcessed(c, 2, evReply(2, evSays("A"), "A"), evEmit("A")...)
			f.evProcess("ABCD", evEmit("B", "C", "D")...)
			f.evProcessed(c, 3, evReply(3, evSays("ABCD"), "B", "C", "D"), evEmit("B", "C", "D")...)
			f.evProcess("ABCDE", evEmit("E")...)
			f.evProcessed(c, 4, evReplyAt(4, evSays("ABCDE"), "ABCDE", "E"), evEmit("E")...)
			f.evProcess("ABCDEFGHI", evEmit("F", "G", "H", "I")...)
			f.evProcessed(c, 5, evReply(5, evSays("ABCDEFGHI"), "F", "G", "H", "I"), evEmit("F", "G", "H", "I")...)
			f.evProcess("ABCDEFGHIJK", evEmit("J", "K")...)
			f.evProcessed(c, 6, evReplyAt(6, evSays("ABCDEFGHIJK"), "ABCDEFGHIJK", "J", "K"), evEmit("J", "K")...)
		}},
		{92, both, func(f *front) {
			f.evProcess("one", evEmit("one")...)
			c := f.evOpened(eventsModel)
			f.evProcessed(c, 1, evReply(1, evSays("one"), "one"), evEmit("one")...)

			f.evProcess("", evForward(f.id))
			f.evProcessed(c, 2, evReply(2, evForwards(f.id)), evForward(f.id))
			two := f.evOpened(eventsTwo).In(evCommand(1, f.id, "Call", evRequest(f.id))).Out(evReply(1, evSays("")))

			f.evProcess("one", evEffect(f.id, false))
			f.evProcessed(c, 3, evReply(3, evSays("one", evEffects(false, f.id)...)), evEffect(f.id, false))
			two.In(evCommand(2, f.id, "Call", evRequest(f.id))).Out(evReply(2, evSays("")))

			f.evProcess("one")
			f.evProcessed(c, 4, evReply(4, evSays("one")))
		}},
		{93, one, func(f *front) {
			f.evProcess("123", evEmit("1", "2", "3")...)
			c := f.evOpened(eventsModel)
			f.evProcessed(c, 1, evReply(1, evSays("123"), "1", "2", "3"), evEmit("1", "2", "3")...)

			_, err := f.events().Process(f.ctx, evRequest(f.id, evFail("expected failure")))
			f.refuses(err, "expected failure")
			f.evProcessed(c, 2, evReply(2, fails("expected failure")), evFail("expected failure"))
			f.evProcess("123")
			f.evProcessed(c, 3, evReply(3, evSays("123")))

			emitAndFail := append(evEmit("4"), evFail("another failure"), evEmit("5")[0])
			_, err = f.events().Process(f.ctx, evRequest(f.id, emitAndFail...))
			f.refuses(err, "another failure")
			c, n := f.evRestarted(c, 4, "another failure", []string{"1", "2", "3"}, emitAndFail...)
			f.evProcess("12345", evEmit("4", "5")...)
			f.evProcessed(c, n, evReplyAt(n, evSays("12345"), "12345", "4", "5"), evEmit("4", "5")...)
		}},
		{94, both, func(f *front) {
			path := "/tck/model/eventsourced/" + f.id
			f.post(path, `{}`, http.StatusOK, `{"message":""}`)
			c := f.evOpened(eventsModel)
			f.evProcessed(c, 1, evReply(1, evSays("")))

			f.post("/"+eventsTwo+"/Call", fmt.Sprintf(`{"id": %q}`, f.id), http.StatusOK, `{"message":""}`)
			f.evOpened(eventsTwo).In(evCommand(1, f.id, "Call", evRequest(f.id))).Out(evReply(1, evSays("")))

			f.post(path, `{"actions": [{"emit": {"value": "x"}}]}`, http.StatusOK, `{"message":"x"}`)
			f.evProcessed(c, 2, evReply(2, evSays("x"), "x"), evEmit("x")...)
			f.post(path, `{"actions": [{"fail": {"message": "expected failure"}}]}`, http.StatusInternalServerError, "expected failure")
			f.evProcessed(c, 3, evReply(3, fails("expected failure")), evFail("expected failure"))
			f.post(path, `{"actions": [{"emit": {"value": "y"}}]}`, http.StatusOK, `{"message":"xy"}`)
			f.evProcessed(c, 4, evReply(4, evSays("xy"), "y"), evEmit("y")...)

			f.post(path, `{"actions": [{"emit": {"value": "z"}}, {"fail": {"message": "emit then fail"}}]}`, http.StatusInternalServerError, "emit then fail")
			c, n := f.evRestarted(c, 5, "emit then fail", []string{"x", "y"}, append(evEmit("z"), evFail("emit then fail"))...)
			f.post(path, `{"actions": [{"emit": {"value": "z"}}]}`, http.StatusOK, `{"message":"xyz"}`)
			f.evProcessed(c, n, evReply(n, evSays("xyz"), "z"), evEmit("z")...)
		}},
		{95, []string{eventsConfigured}, func(f *front) {
			got, err := tckevents.NewEventSourcedConfiguredClient(f.conn).Call(f.ctx, evRequest(f.id))
			f.answers(got, err, &tckevents.Response{})
			f.evOpened(eventsConfigured).In(evCommand(1, f.id, "Call", evRequest(f.id))).Out(evReply(1, evSays(""))).Closed()
		}},
	}
}
