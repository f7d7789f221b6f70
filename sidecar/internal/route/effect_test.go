package route_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/route"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Conformance 41: a forward is a second call, whose reply is the client's, and
// an asynchronous effect is a call too.
func TestForwardAndEffect(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse {
			return forward("t.Two.Call", "forwarded", effect("t.Two.Call", "effect", false))
		})
		w.answer("t.Two.Call", func(text string) *actionpb.ActionResponse { return reply(text + "!") })
		got, err := w.texts(w.method("Model", "Unary"), "x")
		if err != nil {
			t.Error(err)
		}
		want(t, "reply", got, "forwarded!")
		happened := w.happened()
		for _, part := range []string{"t.Model.Unary(x)", "t.Two.Call(effect)", "t.Two.Call(forwarded)"} {
			if strings.Count(happened, part) != 1 {
				t.Errorf("%s is not once in %s", part, happened)
			}
		}
	})
}

// Conformance 42: in a duplex call a forward gives one message, an effect alone
// none.
func TestForwardAndEffectInADuplexCall(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.on("t.Model.Streamed", func(c *call) error {
			for range 2 {
				if _, err := c.more(); err != nil {
					return err
				}
			}
			return errors.Join(c.send(forward("t.Two.Call", "forwarded")), c.send(nothing(effect("t.Two.Call", "effect", false))))
		})
		w.answer("t.Two.Call", func(text string) *actionpb.ActionResponse { return reply(text + "!") })
		got, err := w.texts(w.method("Model", "Streamed"), "a", "b")
		if err != nil {
			t.Error(err)
		}
		want(t, "replies", got, "forwarded!")
		want(t, "calls", w.happened(), "t.Two.Call(forwarded) t.Two.Call(effect)")
	})
}

func TestEffectsComeBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	effects := []*cloudstatepb.SideEffect{effect("t.Two.Call", "1", true), effect("t.Entity.Get", "2", true), effect("t.Two.Call", "3", true)}
	for name, answer := range map[string]*actionpb.ActionResponse{
		"reply": reply("ok", effects...), "failure": failure("bad", effects...),
		"nothing": nothing(effects...), "forward": forward("t.Two.Many", "4", effects...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.actor = func(context.Context, mallee.ID, *command.Command) error { return command.Failed("ignored") }
				w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse { return answer })
				w.answer("t.Two.Call", func(text string) *actionpb.ActionResponse { return failure("ignored") })
				w.on("t.Two.Many", func(c *call) error { w.note("forward"); return nil })
				got, err := w.texts(w.method("Model", "Unary"), "x")
				w.note("answered")
				wanted := "t.Model.Unary(x) t.Two.Call(1) t.Entity/2.Get t.Two.Call(3) answered"
				switch name {
				case "reply":
					want(t, "reply", got, "ok")
				case "failure":
					wantErr(t, err, errUnknown, "bad")
					err = nil
				case "forward":
					wanted = strings.Replace(wanted, "answered", "forward answered", 1)
				}
				if err != nil {
					t.Error(err)
				}
				want(t, "order", w.happened(), wanted)
			})
		})
	}
}

// Only the way to a service can fail a synchronous effect.
func TestSynchronousEffectThatDoesNotArrive(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse {
			return reply("ok", effect("t.Entity.Get", "e", true), effect("t.Two.Call", "never", true))
		})
		var result error
		w.actor = func(context.Context, mallee.ID, *command.Command) error { return result }
		for _, c := range []struct {
			result error
			fails  bool
		}{
			{command.Failed("not today"), false},
			{mallee.NewError("shop.sold_out", "sold out"), false}, // of a Go actor
			{mallee.ErrUnavailable.Errorf("the node is lost"), true},
			{mallee.ErrTimeout.Errorf("too late"), true},
		} {
			result = c.result
			w.answer("t.Two.Call", func(text string) *actionpb.ActionResponse { return reply(text) })
			_, err := w.texts(w.method("Model", "Unary"), "x")
			if c.fails != (err != nil) || c.fails && !errors.Is(err, c.result) {
				t.Errorf("effect that ends with %v: %v", c.result, err)
			}
		}
		w.on("t.Two.Call", func(*call) error { return errors.New("thrown") })
		result = nil
		_, err := w.texts(w.method("Model", "Unary"), "x")
		wantErr(t, err, errUnknown, "thrown")
	})
}

// Asynchronous effects: nobody waits, nobody hears of their end, and they do not
// end with the call.
func TestAsynchronousEffectsOutliveTheirCall(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		release := make(chan struct{})
		w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse {
			return reply("ok", effect("t.Two.Call", "slow", false), effect("t.Entity.Get", "e", false), effect("t.Two.Call", "fails", false))
		})
		w.on("t.Two.Call", func(c *call) error {
			select {
			case <-release:
				w.note("released")
				return errors.New("thrown")
			case <-c.ctx.Done():
				w.note("canceled")
				return c.ctx.Err()
			}
		})
		w.actor = func(ctx context.Context, _ mallee.ID, c *command.Command) error {
			if !c.OneWay {
				t.Error("somebody waits")
			}
			return mallee.ErrUnavailable.Errorf("no")
		}
		got, err := w.texts(w.method("Model", "Unary"), "x") // its context has ended when this returns
		if err != nil {
			t.Error(err)
		}
		want(t, "reply", got, "ok")
		want(t, "before the release", w.happened(), "t.Model.Unary(x) t.Entity/e.Get")
		close(release)
		want(t, "after it", strings.Count(w.happened(), " released"), 2)
	})
}

func TestAsynchronousEffectsHaveATimeoutOfTheirOwn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse { return reply("ok", effect("t.Two.Call", "x", false)) })
		w.on("t.Two.Call", func(c *call) error {
			<-c.ctx.Done()
			w.note("ended")
			return c.ctx.Err()
		})
		if _, err := w.texts(w.method("Model", "Unary"), "x"); err != nil {
			t.Error(err)
		}
		if err := w.router.Wait(w.t.Context()); err != nil {
			t.Error(err)
		}
		want(t, "trace", w.happened(), "t.Model.Unary(x) ended")
	})
}

// Effects that lead to effects cannot wait for one another's goroutines: who
// finds none carries its effect out itself.
func TestMoreEffectsThanMayWait(t *testing.T) {
	t.Parallel()
	const depth = 20
	inWorld(t, func(w *world) {
		w.on("t.Two.Call", func(c *call) error {
			text := textOf(c.first.GetPayload().GetValue())
			w.note(text)
			if len(text) == depth {
				return c.send(reply("end"))
			}
			return c.send(reply("more", effect("t.Two.Call", text+"x", false), effect("t.Entity.Get", text+"x", false)))
		})
		if _, err := w.texts(w.method("Two", "Call"), "x"); err != nil {
			t.Error(err)
		}
		if got := len(strings.Fields(w.happened())); got != 2*depth-1 {
			t.Errorf("%d calls, want %d", got, 2*depth-1)
		}
	}, func(c *route.Config) { c.MaxEffects = 1 })
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		release := make(chan struct{})
		w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse { return reply("ok", effect("t.Two.Call", "x", false)) })
		w.on("t.Two.Call", func(c *call) error { <-release; return nil })
		if _, err := w.texts(w.method("Model", "Unary"), "x"); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(w.t.Context())
		cancel()
		wantErr(t, w.router.Wait(ctx), mallee.ErrCanceled, "")
		close(release)
		synctest.Wait()
	})
}

// Responses are carried out strictly one after the other.
func TestStreamedResponsesWaitForEffects(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		release := make(chan struct{})
		w.on("t.Model.StreamedOut", func(c *call) error {
			return errors.Join(c.send(reply("1", effect("t.Two.Call", "slow", true))), c.send(reply("2", effect("t.Entity.Get", "e", false))))
		})
		w.on("t.Two.Call", func(c *call) error { w.note("slow"); <-release; return nil })
		c := w.open(w.method("Model", "StreamedOut"))
		c.send <- message("x")
		close(c.send)
		want(t, "meanwhile", w.happened(), "slow")
		want(t, "replies meanwhile", len(c.got), 0)
		close(release)
		if err := <-c.ended; err != nil {
			t.Error(err)
		}
		want(t, "replies", textOf((<-c.got).Payload.Value)+textOf((<-c.got).Payload.Value), "12")
		want(t, "afterwards", w.happened(), "slow t.Entity/e.Get")
	})
}

// A streamed method gets one message; all that it answers goes to the client of
// a streamed call, and the first to that of a unary one.
func TestStreamedTargets(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.on("t.Two.Many", func(c *call) error {
			return errors.Join(c.send(reply("1")), c.send(nothing(effect("t.Entity.Get", "e", true))), c.send(reply("2")))
		})
		w.actor = func(context.Context, mallee.ID, *command.Command) error { return nil }
		w.on("t.Model.StreamedOut", func(c *call) error { return c.send(forward("t.Two.Many", "x")) })
		got, err := w.texts(w.method("Model", "StreamedOut"), "x")
		if err != nil {
			t.Error(err)
		}
		want(t, "streamed", got, "1 2")

		c := &command.Command{On: w.method("Model", "Unary")}
		w.on("t.Model.Unary", func(c *call) error { return c.send(forward("t.Two.Many", "x")) })
		if err := w.router.Call(w.t.Context(), w, c); err != nil {
			t.Fatal(err)
		}
		want(t, "unary", textOf(c.Reply.Payload.Value), "1")
		want(t, "effects", strings.Count(w.happened(), "t.Entity/e.Get"), 2)

		w.on("t.Model.StreamedIn", func(c *call) error {
			m, err := c.more()
			if err != nil {
				return err
			}
			if next, err := c.more(); err == nil {
				return fmt.Errorf("one more message: %v", next)
			}
			return c.send(reply(textOf(m.GetPayload().GetValue())))
		})
		r, err := w.router.Forward(w.t.Context(), w, forwardTo("t.Model.StreamedIn", "in"), w.method("Two", "Call"), nil)
		if err != nil || textOf(r.Payload.Value) != "in" {
			t.Errorf("got %v, %v", r, err)
		}
	})
}

// An effect drains what it is answered with, and its own effects are over when
// it is.
func TestEffectOfAnEntity(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.on("t.Two.Many", func(c *call) error {
			return errors.Join(c.send(reply("1")), c.send(reply("2", effect("t.Entity.Get", "e", true))))
		})
		var trail []command.Step
		w.actor = func(_ context.Context, _ mallee.ID, c *command.Command) error {
			trail = c.Trail
			return nil
		}
		if err := w.router.Effect(w.t.Context(), w, effect("t.Two.Many", "x", false), w.method("Entity", "Get"), nil); err != nil {
			t.Error(err)
		}
		want(t, "trace", w.happened(), "t.Entity/e.Get")
		want(t, "trail", fmt.Sprint(trail), "[{t.Entity Get true} {t.Two Many true}]")
	})
}

func TestPublishedReplies(t *testing.T) {
	t.Parallel()
	var w *world
	var refuses error
	publish := func(_ context.Context, m *spec.Method, r *command.Reply) error {
		w.note("publish:" + m.Service.Name + ":" + textOf(r.Payload.Value))
		return refuses
	}
	inWorld(t, func(made *world) {
		w = made
		w.answer("t.Two.Tell", func(text string) *actionpb.ActionResponse { return forward("t.Entity.Tell", text) })
		w.actor = func(_ context.Context, id mallee.ID, c *command.Command) error {
			if c.OneWay {
				t.Error("nobody waits for what has to be published")
			}
			c.Reply = &command.Reply{Payload: command.Payload{TypeURL: c.On.OutputURL(), Value: message("news")}}
			return nil
		}
		got, err := w.texts(w.method("Two", "Tell"), "e")
		if err != nil {
			t.Error(err)
		}
		want(t, "reply", got, "news")
		want(t, "trace", w.happened(), "t.Two.Tell(e) t.Entity/e.Tell publish:t.Entity:news publish:t.Two:news")

		w.answer("t.Model.Unary", func(text string) *actionpb.ActionResponse {
			return reply(text, effect("t.Entity.Tell", text, false), effect("t.Two.Tell", text, false))
		})
		w.trace = nil
		if _, err := w.texts(w.method("Model", "Unary"), "f"); err != nil {
			t.Error(err)
		}
		want(t, "published by effects", strings.Count(w.happened(), "publish:"), 3)

		refuses = mallee.ErrUnavailable.Errorf("no broker")
		got, err = w.texts(w.method("Two", "Tell"), "e")
		wantErr(t, err, mallee.ErrUnavailable, "no broker")
		want(t, "reply", got, "")
	}, func(c *route.Config) { c.Publish = publish })
}
