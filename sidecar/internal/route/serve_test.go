package route_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
)

var errUnknown = &mallee.Error{Code: mallee.CodeUnknown}

// echo answers each message of a stream with itself.
func echo(c *call) error {
	for {
		m, err := c.more()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.send(reply(textOf(m.GetPayload().GetValue()))); err != nil {
			return err
		}
	}
}

func TestUnaryAction(t *testing.T) { // conformance 37
	t.Parallel()
	inWorld(t, func(w *world) {
		w.on("t.Model.Unary", func(c *call) error {
			want(t, "rpc", c.rpc, "unary")
			expected := &actionpb.ActionCommand{ServiceName: "t.Model", Name: "Unary", Payload: payload("In", "hi"), Metadata: &cloudstatepb.Metadata{
				Entries: []*cloudstatepb.MetadataEntry{
					{Key: "user", Value: &cloudstatepb.MetadataEntry_StringValue{StringValue: "ann"}},
					{Key: "sum-bin", Value: &cloudstatepb.MetadataEntry_BytesValue{BytesValue: []byte{1}}},
				},
			}}
			if !proto.Equal(c.first, expected) {
				t.Errorf("got %v, want %v", c.first, expected)
			}
			r := reply("ho")
			r.GetReply().Metadata = expected.GetMetadata()
			return c.send(r)
		})
		c := w.open(w.method("Model", "Unary"), command.Entry{Key: "user", Text: "ann"}, command.Entry{Key: "sum-bin", Bytes: []byte{1}, Binary: true})
		c.send <- message("hi")
		close(c.send)
		r := <-c.got
		if err := <-c.ended; err != nil {
			t.Fatal(err)
		}
		user, _ := r.Metadata.Get("User")
		want(t, "reply", textOf(r.Payload.Value)+r.Payload.TypeURL+user, "hotype.googleapis.com/t.Outann")
		want(t, "reports", w.reported(), "")
	})
}

// Conformance 38: the header comes first, at once, and alone names the method.
func TestClientStreamOfAction(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.on("t.Model.StreamedIn", func(c *call) error {
			header := &actionpb.ActionCommand{ServiceName: "t.Model", Name: "StreamedIn", Metadata: &cloudstatepb.Metadata{}}
			if !proto.Equal(c.first, header) {
				t.Errorf("header %v", c.first)
			}
			w.note("header")
			for _, text := range []string{"a", "b"} {
				m, err := c.more()
				if expected := (&actionpb.ActionCommand{Payload: payload("In", text), Metadata: &cloudstatepb.Metadata{}}); err != nil || !proto.Equal(m, expected) {
					t.Errorf("got %v, %v, want %v", m, err, expected)
				}
			}
			w.note("messages")
			if m, err := c.more(); err != io.EOF {
				t.Errorf("got %v, %v after the half-close", m, err)
			}
			return c.send(reply("done"))
		})
		c := w.open(w.method("Model", "StreamedIn"))
		want(t, "before any message", w.happened(), "header")
		c.send <- message("a")
		c.send <- message("b")
		want(t, "before the half-close", w.happened(), "header messages")
		close(c.send)
		r := <-c.got
		if err := <-c.ended; err != nil || textOf(r.Payload.Value) != "done" {
			t.Error(r, err)
		}
	})
}

func TestServerStreamOfAction(t *testing.T) { // conformance 39
	t.Parallel()
	inWorld(t, func(w *world) {
		w.on("t.Model.StreamedOut", func(c *call) error {
			want(t, "rpc", c.rpc+c.first.GetName()+textOf(c.first.GetPayload().GetValue()), "outStreamedOutcount")
			return errors.Join(c.send(reply("1")), c.send(reply("2")), c.send(reply("3")))
		})
		got, err := w.texts(w.method("Model", "StreamedOut"), "count")
		if err != nil {
			t.Error(err)
		}
		want(t, "replies", got, "1 2 3")
	})
}

func TestDuplexAction(t *testing.T) { // conformance 40
	t.Parallel()
	inWorld(t, func(w *world) {
		w.on("t.Model.Streamed", echo)
		c := w.open(w.method("Model", "Streamed"))
		for _, text := range []string{"a", "b", "c"} { // one after the other: nothing waits for what follows
			c.send <- message(text)
			want(t, "reply", textOf((<-c.got).Payload.Value), text)
		}
		close(c.send)
		if err := <-c.ended; err != nil {
			t.Error(err)
		}
	})
}

// In dialect 0.1 there is no header, and each message names the method.
func TestActionsOfTheOlderDialect(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.answer("t.Old.Unary", func(text string) *actionpb.ActionResponse { return reply(text + "!") })
		all := func(c *call) error {
			texts := ""
			for m, err := c.first, error(nil); err == nil; m, err = c.more() {
				texts += m.GetServiceName() + "." + m.GetName() + "(" + textOf(m.GetPayload().GetValue()) + ")"
			}
			return c.send(reply(texts))
		}
		w.on("t.Old.StreamedIn", all)
		w.on("t.Old.Streamed", all)
		for method, wanted := range map[string]string{
			"StreamedIn": "t.Old.StreamedIn(a)t.Old.StreamedIn(b)",
			"Streamed":   "t.Old.Streamed(a)t.Old.Streamed(b)",
		} {
			got, err := w.texts(w.method("Old", method), "a", "b")
			if err != nil {
				t.Error(err)
			}
			want(t, method, got, wanted)
		}
		got, err := w.texts(w.method("Old", "Unary"), "a")
		if err != nil {
			t.Error(err)
		}
		want(t, "Unary", got, "a!")
	})
}

func TestFailureOfAction(t *testing.T) { // conformance 43
	t.Parallel()
	inWorld(t, func(w *world) {
		w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse { return failure("expected failure") })
		_, err := w.texts(w.method("Model", "Unary"), "x")
		if e := mallee.AsError(err); e == nil || e.Code != mallee.CodeUnknown || e.Message != "expected failure" {
			t.Errorf("got %v", err)
		}
	})
}

// Conformance 44: a failure ends the call of the client, who has not ended it,
// and that of the user function.
func TestFailureInADuplexCall(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		canceled := make(chan struct{})
		w.on("t.Model.Streamed", func(c *call) error {
			err := errors.Join(c.send(reply("1")), c.send(failure("enough")), c.send(reply("2")))
			<-c.ctx.Done()
			close(canceled)
			return err
		})
		c := w.open(w.method("Model", "Streamed"))
		want(t, "reply", textOf((<-c.got).Payload.Value), "1")
		err := <-c.ended
		wantErr(t, err, errUnknown, "enough")
		<-canceled
		if r, more := <-c.got; more {
			t.Errorf("got %v after the failure", r)
		}
	})
}

func TestClientThatGoesAway(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Unary", "StreamedIn", "StreamedOut", "Streamed"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				begun, canceled := make(chan struct{}), make(chan struct{})
				w.on("t.Model."+method, func(c *call) error {
					close(begun)
					<-c.ctx.Done()
					close(canceled)
					return c.ctx.Err()
				})
				m := w.method("Model", method)
				c := w.open(m)
				if !m.ClientStreams {
					c.send <- message("x")
					close(c.send)
				}
				<-begun
				c.cancel()
				<-canceled
				wantErr(t, <-c.ended, mallee.ErrCanceled, "")
			})
		})
	}
}

func TestDeadlinePassesThrough(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.on("t.Model.Unary", func(c *call) error {
			<-c.ctx.Done()
			return c.ctx.Err()
		})
		ctx, cancel := context.WithTimeout(w.t.Context(), 1e9)
		defer cancel()
		c := &command.Command{On: w.method("Model", "Unary")}
		wantErr(t, w.router.Call(ctx, w, c), mallee.ErrTimeout, "t.Model.Unary")
	})
}

// What breaks the client's stream is the error, not that of the action's
// stream, which ends because of it.
func TestClientThatSendsWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.on("t.Model.Streamed", echo)
		bad := mallee.ErrInvalid.Errorf("a message is too large")
		err := w.router.Serve(w.t.Context(), w.method("Model", "Streamed"), nil, broken{bad})
		wantErr(t, err, mallee.ErrInvalid, "too large")
	})
}

type broken struct{ err error }

func (b broken) Recv() ([]byte, error)   { return nil, b.err }
func (broken) Send(*command.Reply) error { return nil }

func TestStatusOfTheUserFunctionsCall(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		for code, sentinel := range map[codes.Code]error{
			codes.Unavailable:       mallee.ErrUnavailable,
			codes.DeadlineExceeded:  mallee.ErrTimeout,
			codes.Canceled:          mallee.ErrCanceled,
			codes.ResourceExhausted: mallee.ErrOverloaded,
			codes.InvalidArgument:   mallee.ErrInvalid,
			codes.NotFound:          errUnknown,
			codes.Internal:          errUnknown,
			codes.Unimplemented:     errUnknown, // not an unknown service of ours
		} {
			w.on("t.Model.StreamedOut", func(c *call) error {
				_ = c.send(reply("1"))
				return status.Error(code, "because")
			})
			got, err := w.texts(w.method("Model", "StreamedOut"), "x")
			want(t, "replies", got, "1")
			wantErr(t, err, sentinel, "t.Model.StreamedOut: the user function's handleStreamedOut ended with "+code.String()+": because")
			if s, ok := status.FromError(err); !ok || s.Code() != code || status.Convert(errors.Unwrap(err)).Code() == code {
				t.Errorf("%v: the status is %v", code, s)
			}
		}
	})
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse { return nothing() })
		got, err := w.texts(w.method("Model", "Unary"), "x")
		if err != nil {
			t.Error(err)
		}
		want(t, "replies", got, "")
		c := &command.Command{On: w.method("Model", "Unary"), Reply: &command.Reply{}}
		if err := w.router.Call(w.t.Context(), w, c); err != nil || c.Reply != nil {
			t.Errorf("got %v, %v", c.Reply, err)
		}
	})
}

func TestMessagesOfAMethodThatTakesOne(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.actor = func(context.Context, mallee.ID, *command.Command) error {
			t.Error("it was called")
			return nil
		}
		for _, method := range []string{"Unary", "StreamedOut"} {
			_, err := w.texts(w.method("Model", method), "a", "b")
			wantErr(t, err, mallee.ErrInvalid, "t.Model."+method+" takes one message")
		}
		_, err := w.texts(w.method("Entity", "Get"), "a", "b")
		wantErr(t, err, mallee.ErrInvalid, "takes one message")
		_, err = w.texts(w.method("Entity", "Get"))
		wantErr(t, err, mallee.ErrInvalid, "t.Entity.Get was called without a message")
	})
}

func TestEntity(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.actor = func(_ context.Context, id mallee.ID, c *command.Command) error {
			want(t, "id", id, mallee.ID{Type: "t.Entity", Key: "e1"})
			want(t, "type", c.Payload.TypeURL, "type.googleapis.com/t.Keyed")
			c.Reply = &command.Reply{Payload: command.Payload{TypeURL: c.On.OutputURL(), Value: message(textOf(c.Payload.Value) + " answers")}}
			return nil
		}
		got, err := w.texts(w.method("Entity", "Get"), "e1")
		if err != nil {
			t.Error(err)
		}
		want(t, "reply", got, "e1 answers")

		w.actor = func(context.Context, mallee.ID, *command.Command) error { return command.Failed("no such thing") }
		_, err = w.texts(w.method("Entity", "Get"), "e1")
		if e := mallee.AsError(err); e == nil || e.Message != "no such thing" {
			t.Errorf("got %v", err)
		}
	})
}

func TestEntityIDs(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		_, err := w.texts(w.method("Entity", "Get"), "")
		wantErr(t, err, mallee.ErrInvalid, "t.Entity.Get: ")
		c := w.open(w.method("Entity", "Get"))
		c.send <- []byte{0xff}
		close(c.send)
		err = <-c.ended
		wantErr(t, err, mallee.ErrInvalid, "t.Entity.Get: ")
		if !mallee.SafeToRetry(err) {
			t.Error("it has not run")
		}
	})
}

// Nothing the client sends keeps the router from ending, nor does what it
// leaves unsaid.
func TestActionThatEndsBeforeItsClient(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.on("t.Model.StreamedIn", func(c *call) error { return c.send(reply("early")) })
		c := w.open(w.method("Model", "StreamedIn"))
		want(t, "reply", textOf((<-c.got).Payload.Value), "early")
		if err := <-c.ended; err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}
