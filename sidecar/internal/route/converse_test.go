package route_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/route"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// noReplicas have no value and take no change.
type noReplicas struct{}

func (noReplicas) Replica(mallee.ID) crdt.Replica { return noReplica{} }

type noReplica struct{ crdt.Replica }

func (noReplica) Deleted() bool                                 { return false }
func (noReplica) Refresh(context.Context) error                 { return nil }
func (noReplica) Watch() (changes <-chan struct{}, stop func()) { return nil, func() {} }

func (noReplica) Read(f func(*crdt.Value, crdt.Electorate)) error {
	f(nil, crdt.Electorate{})
	return nil
}

// copiesFunction has the replicated entities of the user function.
type copiesFunction struct {
	crdtpb.UnimplementedCrdtServer
	world *world
}

func (f *copiesFunction) Handle(s crdtpb.Crdt_HandleServer) error {
	w := f.world
	for {
		in, err := s.Recv()
		if err != nil {
			return nil
		}
		var out []*crdtpb.CrdtStreamOut
		switch {
		case in.GetCommand() != nil:
			c := in.GetCommand()
			w.note(fmt.Sprintf("%s(%s)", c.Name, textOf(c.Payload.Value)))
			w.mu.Lock()
			says := w.says
			w.mu.Unlock()
			out = says(c.Id, textOf(c.Payload.Value))
		case in.GetStreamCancelled() != nil:
			w.note("cancelled")
			out = []*crdtpb.CrdtStreamOut{{Message: &crdtpb.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: &crdtpb.CrdtStreamCancelledResponse{
				CommandId: in.GetStreamCancelled().Id, SideEffects: []*cloudstatepb.SideEffect{effect("t.Two.Call", "gone", false)},
			}}}}
		}
		for _, m := range out {
			if err := s.Send(m); err != nil {
				return err
			}
		}
	}
}

func said(id int64, text string, streamed bool, effects ...*cloudstatepb.SideEffect) *crdtpb.CrdtStreamOut {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Reply{Reply: &crdtpb.CrdtReply{
		CommandId: id, ClientAction: acts(text), Streamed: streamed, SideEffects: effects,
	}}}
}

func more(id int64, text string, ends bool, effects ...*cloudstatepb.SideEffect) *crdtpb.CrdtStreamOut {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamedMessage{StreamedMessage: &crdtpb.CrdtStreamedMessage{
		CommandId: id, ClientAction: acts(text), EndStream: ends, SideEffects: effects,
	}}}
}

// acts is a reply; "!…" is a failure, ">…" a forward, and nothing nothing.
func acts(text string) *cloudstatepb.ClientAction {
	switch {
	case text == "":
		return nil
	case text[0] == '!':
		return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Failure{Failure: &cloudstatepb.Failure{Description: text[1:]}}}
	case text[0] == '>':
		return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Forward{Forward: forwardTo(text[1:], "forwarded")}}
	}
	return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Reply{Reply: &cloudstatepb.Reply{Payload: payload("Out", text)}}}
}

// copiesSay is what replicated entities answer a command with.
func (w *world) copiesSay(says func(id int64, text string) []*crdtpb.CrdtStreamOut) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.says = says
}

func (w *world) twoAnswers() {
	w.answer("t.Two.Call", func(text string) *actionpb.ActionResponse { return reply(text + "!") })
}

func TestReplicatedEntity(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.twoAnswers()
		w.copiesSay(func(id int64, text string) []*crdtpb.CrdtStreamOut {
			switch text {
			case "fails":
				return []*crdtpb.CrdtStreamOut{said(id, "!no", false, effect("t.Two.Call", "effect", true))}
			case "forwards":
				return []*crdtpb.CrdtStreamOut{said(id, ">t.Two.Call", false, effect("t.Two.Call", "effect", true))}
			}
			return []*crdtpb.CrdtStreamOut{said(id, "of "+text, false)}
		})
		got, err := w.texts(w.method("Copies", "Do"), "it")
		want(t, "reply", fmt.Sprint(got, err), "of it<nil>")
		_, err = w.texts(w.method("Copies", "Do"), "fails")
		wantErr(t, err, &mallee.Error{Code: mallee.CodeUnknown}, "no")
		got, err = w.texts(w.method("Copies", "Do"), "forwards")
		want(t, "reply", fmt.Sprint(got, err), "forwarded!<nil>")
		want(t, "calls", w.happened(), "Do(it) Do(fails) t.Two.Call(effect) Do(forwards) t.Two.Call(effect) t.Two.Call(forwarded)")
		_, err = w.texts(w.method("Copies", "Do"), "")
		wantErr(t, err, mallee.ErrInvalid, "names the entity")
	})
}

func TestReplicatedStream(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.twoAnswers()
		w.copiesSay(func(id int64, text string) []*crdtpb.CrdtStreamOut {
			out := []*crdtpb.CrdtStreamOut{said(id, "", true), more(id, "1", false), more(id, ">t.Two.Call", false)}
			if text == "ends" {
				out = append(out, more(id, "", true, effect("t.Two.Call", "last", true)))
			}
			return out
		})
		got, err := w.texts(w.method("Copies", "Watch"), "ends")
		want(t, "replies", fmt.Sprint(got, err), "1 forwarded!<nil>")
		want(t, "calls", w.happened(), "Watch(ends) t.Two.Call(forwarded) t.Two.Call(last)")

		c := w.open(w.method("Copies", "Watch"))
		c.send <- message("on")
		close(c.send)
		synctest.Wait()
		c.cancel()
		if err := <-c.ended; err == nil {
			t.Error("a call whose client has gone succeeds")
		}
		if happened := w.happened(); !strings.HasSuffix(happened, "Watch(on) t.Two.Call(forwarded) cancelled t.Two.Call(gone)") {
			t.Errorf("it happened: %s", happened)
		}
	})
}

// Who takes one answer gets the first of a stream, which then ends; or none, if
// there is none with it.
func TestReplicatedStreamForOneAnswer(t *testing.T) {
	t.Parallel()
	for first, wanted := range map[string]string{"first": "first<nil>", "": "<nil>"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.twoAnswers()
				w.copiesSay(func(id int64, _ string) []*crdtpb.CrdtStreamOut {
					return []*crdtpb.CrdtStreamOut{said(id, first, true), more(id, "second", false)}
				})
				w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse { return forward("t.Copies.Watch", "it") })
				got, err := w.texts(w.method("Model", "Unary"), "x")
				want(t, "reply", fmt.Sprint(got, err), wanted)
				want(t, "calls", w.happened(), "t.Model.Unary(x) Watch(it) cancelled t.Two.Call(gone)")

				c := &command.Command{On: w.method("Copies", "Watch"), Payload: command.Payload{Value: message("it")}}
				err = w.router.Call(context.Background(), w, c)
				if err != nil || (c.Reply == nil) != (first == "") {
					t.Errorf("got %v, %v", c.Reply, err)
				}
			})
		})
	}
}

// A forward from one stream to another is a stream.
func TestReplicatedStreamOfAForward(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.copiesSay(func(id int64, text string) []*crdtpb.CrdtStreamOut {
			return []*crdtpb.CrdtStreamOut{said(id, "1", true), more(id, "2", true)}
		})
		w.answer("t.Model.StreamedOut", func(string) *actionpb.ActionResponse { return forward("t.Copies.Watch", "it") })
		got, err := w.texts(w.method("Model", "StreamedOut"), "x")
		want(t, "replies", fmt.Sprint(got, err), "1 2<nil>")
	})
}

func TestEffectsOnReplicatedEntities(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.copiesSay(func(id int64, text string) []*crdtpb.CrdtStreamOut {
			return []*crdtpb.CrdtStreamOut{said(id, "!ignored", false)}
		})
		w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse {
			return reply("ok", effect("t.Copies.Do", "it", false), effect("t.Copies.Do", "it", false), effect("t.Copies.Do", "it", true))
		})
		got, err := w.texts(w.method("Model", "Unary"), "x")
		want(t, "reply", fmt.Sprint(got, err), "ok<nil>")
		want(t, "calls", w.happened(), "t.Model.Unary(x)"+strings.Repeat(" Do(it)", 3))
	})
}

// The effects of a change are carried out though its caller has gone.
func TestEffectsOfAReplicatedEntityOutliveTheCaller(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		answered := make(chan struct{})
		w.copiesSay(func(id int64, text string) []*crdtpb.CrdtStreamOut {
			<-answered
			return []*crdtpb.CrdtStreamOut{said(id, "late", false, effect("t.Two.Call", "1", true), effect("t.Two.Call", "2", true))}
		})
		w.on("t.Two.Call", func(c *call) error {
			time.Sleep(time.Second)
			w.note(textOf(c.first.GetPayload().GetValue()))
			return c.send(reply("x"))
		})
		c := w.open(w.method("Copies", "Do"))
		c.send <- message("it")
		close(c.send)
		synctest.Wait()
		c.cancel()
		<-c.ended
		close(answered)
		time.Sleep(time.Minute)
		want(t, "effects", w.happened(), "Do(it) 1 2")
	})
}

// An entity calls replicated entities as actors, so that others may call it
// meanwhile.
func TestEntityCallsReplicatedEntities(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.actor = func(_ context.Context, _ mallee.ID, c *command.Command) error {
			c.Reply = &command.Reply{Payload: command.Payload{TypeURL: c.On.OutputURL()}}
			return nil
		}
		from := entityCaller{w}
		if _, err := w.router.Forward(context.Background(), from, forwardTo("t.Copies.Do", "it"), w.method("Entity", "Get"), nil); err != nil {
			t.Error(err)
		}
		want(t, "calls", w.happened(), "t.Copies/it.Do")
	})
}

type entityCaller struct{ *world }

func (entityCaller) ID() mallee.ID { return mallee.ID{Type: "t.Entity", Key: "x"} }

func TestRepliesOfReplicatedEntitiesArePublished(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.copiesSay(func(id int64, text string) []*crdtpb.CrdtStreamOut {
			return []*crdtpb.CrdtStreamOut{said(id, "news of "+text, false)}
		})
		if _, err := w.texts(w.method("Copies", "Tell"), "it"); err != nil {
			t.Error(err)
		}
	}, func(c *route.Config) {
		published := 0
		c.Publish = func(_ context.Context, m *spec.Method, r *command.Reply) error {
			if published++; published > 1 || m.Name != "Tell" || textOf(r.Payload.Value) != "news of it" {
				t.Errorf("published for the %dth time: %s", published, r.Payload.Value)
			}
			return nil
		}
	})
}

func TestReplicatedEntityIsCalledFromElsewhere(t *testing.T) {
	t.Parallel()
	w, client := inCluster(t, func(w *world, ctx context.Context, from mallee.Caller, c *command.Command) (err error) {
		if c.On.Name == "Get" {
			c.Reply, err = w.router.Forward(ctx, from, forwardTo("t.Copies.Do", "it"), c.On, c.Trail)
			return err
		}
		w.note("told")
		return nil
	})
	w.copiesSay(func(id int64, text string) []*crdtpb.CrdtStreamOut {
		return []*crdtpb.CrdtStreamOut{said(id, "of "+text, w.method("Copies", "Watch").Name == text, effect("t.Entity.Tell", "e", true))}
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, method := range []string{"Do", "Watch"} {
		c := &command.Command{On: w.method("Copies", method), Payload: command.Payload{Value: message(method)}}
		if err := client.Invoke(ctx, mallee.ID{Type: "t.Copies", Key: "it"}, c); err != nil || textOf(c.Reply.Payload.Value) != "of "+method {
			t.Errorf("got %v, %v", c.Reply, err)
		}
	}
	c := &command.Command{On: w.method("Entity", "Get")} // which the effect comes back to
	if err := client.Invoke(ctx, mallee.ID{Type: "t.Entity", Key: "e"}, c); err != nil || textOf(c.Reply.Payload.Value) != "of it" {
		t.Errorf("got %v, %v", c.Reply, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := strings.Count(strings.Join(w.trace, " "), "told"); n != 3 {
		t.Errorf("the entity was told %d times", n)
	}
}
