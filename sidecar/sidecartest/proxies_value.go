package sidecartest

import (
	"fmt"
	"net/http"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/tckpb/tckvalue"
)

func (f *front) values() tckvalue.ValueEntityTckModelClient {
	return tckvalue.NewValueEntityTckModelClient(f.conn)
}

// vaProcess calls ValueEntityTckModel, and expects that it answers with a text.
func (f *front) vaProcess(want string, actions ...*tckvalue.RequestAction) {
	f.Helper()
	got, err := f.values().Process(f.ctx, vaRequest(f.id, actions...))
	f.answers(got, err, &tckvalue.Response{Message: want})
}

// vaOpened expects the stream of a value entity that has no state yet.
func (f *front) vaOpened(service string) *Call {
	f.Helper()
	return f.expect(ValueEntity).In(vaInit(service, f.id))
}

// vaProcessed expects a command to ValueEntityTckModel.
func (f *front) vaProcessed(c *Call, n int64, out proto.Message, actions ...*tckvalue.RequestAction) {
	f.Helper()
	c.In(vaCommand(n, f.id, "Process", vaRequest(f.id, actions...))).Out(out)
}

// valueProxies are the checks of value entities.
func valueProxies() []proxy {
	one, both := []string{valueModel}, []string{valueModel, valueTwo}
	return []proxy{
		{65, one, func(f *front) {
			f.vaProcess("")
			c := f.vaOpened(valueModel)
			f.vaProcessed(c, 1, vaReply(1, vaSays(""), nil))
			var n int64 = 1
			for _, text := range []string{"one", "two"} {
				n++
				f.vaProcess(text, vaUpdate(text))
				f.vaProcessed(c, n, vaReply(n, vaSays(text), updated(text)), vaUpdate(text))
			}
			f.vaProcess("two")
			f.vaProcessed(c, 4, vaReply(4, vaSays("two"), nil))
			f.vaProcess("", vaDelete())
			f.vaProcessed(c, 5, vaReply(5, vaSays(""), deleted()), vaDelete())
			f.vaProcess("")
			f.vaProcessed(c, 6, vaReply(6, vaSays(""), nil))
			f.vaProcess("again", vaUpdate("again"))
			f.vaProcessed(c, 7, vaReply(7, vaSays("again"), updated("again")), vaUpdate("again"))
			f.vaProcess("", vaDelete())
			f.vaProcessed(c, 8, vaReply(8, vaSays(""), deleted()), vaDelete())
		}},
		{66, both, func(f *front) {
			f.vaProcess("one", vaUpdate("one"))
			c := f.vaOpened(valueModel)
			f.vaProcessed(c, 1, vaReply(1, vaSays("one"), updated("one")), vaUpdate("one"))

			f.vaProcess("", vaForward(f.id))
			f.vaProcessed(c, 2, vaReply(2, vaForwards(f.id), nil), vaForward(f.id))
			two := f.vaOpened(valueTwo).In(vaCommand(1, f.id, "Call", vaRequest(f.id))).Out(vaReply(1, vaSays(""), nil))

			f.vaProcess("one", vaEffect(f.id, false))
			f.vaProcessed(c, 3, vaReply(3, vaSays("one", vaEffects(false, f.id)...), nil), vaEffect(f.id, false))
			two.In(vaCommand(2, f.id, "Call", vaRequest(f.id))).Out(vaReply(2, vaSays(""), nil))

			f.vaProcess("one")
			f.vaProcessed(c, 4, vaReply(4, vaSays("one"), nil))
		}},
		{67, one, func(f *front) {
			f.vaProcess("one", vaUpdate("one"))
			c := f.vaOpened(valueModel)
			f.vaProcessed(c, 1, vaReply(1, vaSays("one"), updated("one")), vaUpdate("one"))
			_, err := f.values().Process(f.ctx, vaRequest(f.id, vaFail("expected failure")))
			f.refuses(err, "expected failure")
			f.vaProcessed(c, 2, vaReply(2, fails("expected failure"), nil), vaFail("expected failure"))
			f.vaProcess("one")
			f.vaProcessed(c, 3, vaReply(3, vaSays("one"), nil))
		}},
		{68, both, func(f *front) {
			path := "/tck/model/entity/" + f.id
			f.post(path, `{}`, http.StatusOK, `{"message":""}`)
			c := f.vaOpened(valueModel)
			f.vaProcessed(c, 1, vaReply(1, vaSays(""), nil))

			f.post("/"+valueTwo+"/Call", fmt.Sprintf(`{"id": %q}`, f.id), http.StatusOK, `{"message":""}`)
			f.vaOpened(valueTwo).In(vaCommand(1, f.id, "Call", vaRequest(f.id))).Out(vaReply(1, vaSays(""), nil))

			f.post(path, `{"actions": [{"update": {"value": "one"}}]}`, http.StatusOK, `{"message":"one"}`)
			f.vaProcessed(c, 2, vaReply(2, vaSays("one"), updated("one")), vaUpdate("one"))
			f.post(path, `{"actions": [{"fail": {"message": "expected failure"}}]}`, http.StatusInternalServerError, "expected failure")
			f.vaProcessed(c, 3, vaReply(3, fails("expected failure"), nil), vaFail("expected failure"))
			f.post(path, `{"actions": [{"update": {"value": "two"}}]}`, http.StatusOK, `{"message":"two"}`)
			f.vaProcessed(c, 4, vaReply(4, vaSays("two"), updated("two")), vaUpdate("two"))
			f.post(path, `{}`, http.StatusOK, `{"message":"two"}`)
			f.vaProcessed(c, 5, vaReply(5, vaSays("two"), nil))
		}},
		{69, []string{valueConfigured}, func(f *front) {
			got, err := tckvalue.NewValueEntityConfiguredClient(f.conn).Call(f.ctx, vaRequest(f.id))
			f.answers(got, err, &tckvalue.Response{})
			f.vaOpened(valueConfigured).In(vaCommand(1, f.id, "Call", vaRequest(f.id))).Out(vaReply(1, vaSays(""), nil)).Closed()
		}},
	}
}
