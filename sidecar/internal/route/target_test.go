package route_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
)

func TestUnknownTargets(t *testing.T) {
	t.Parallel()
	for target, what := range map[string]string{
		"t.Nowhere.Get":  `there is no service "t.Nowhere"`,
		"t.In.Get":       `there is no service "t.In"`, // a message
		"t.Two.Missing":  `service "t.Two" has no command "Missing"`,
		".Get":           `there is no service ""`,
		"t.Elsewhere.No": `service "t.Elsewhere" has no command "No"`,
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.answer("t.Model.Unary", func(string) *actionpb.ActionResponse { return reply("ok", effect("t.Two.Call", "x", true)) })
				w.answer("t.Two.Call", func(string) *actionpb.ActionResponse { return forward(target, "x") })
				_, err := w.texts(w.method("Model", "Unary"), "x")
				wantErr(t, err, mallee.ErrNotFound, "t.Two.Call asks for "+target+": "+what)
				want(t, "report", w.reported(), what+"\n  "+target+"\n    forwarded from t.Two.Call\n    side-effect of t.Model.Unary")
			})
		})
	}
}

// A service that only others serve is found where its actors are.
func TestTargetsElsewhere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.actor = func(_ context.Context, id mallee.ID, c *command.Command) error {
			c.Reply = &command.Reply{Payload: command.Payload{TypeURL: c.On.OutputURL(), Value: message(id.String() + "." + c.Method() + " " + c.Interface())}}
			return nil
		}
		for range 2 { // from the cache
			w.answer("t.Two.Call", func(string) *actionpb.ActionResponse { return forward("t.Elsewhere.Get", "k") })
			got, err := w.texts(w.method("Two", "Call"), "x")
			if err != nil {
				t.Error(err)
			}
			want(t, "reply", got, "t.Elsewhere/k.Get t.Elsewhere")
		}
		w.answer("t.Two.Call", func(string) *actionpb.ActionResponse { return forward("t.Elsewhere.Act", "k") })
		got, err := w.texts(w.method("Two", "Call"), "x")
		if err != nil {
			t.Error(err)
		}
		want(t, "an action elsewhere", got, "t.Elsewhere/1.Act t.Elsewhere") // any key

		w.answer("t.Two.Call", func(string) *actionpb.ActionResponse { return forward("t.Elsewhere.Get", "") })
		_, err = w.texts(w.method("Two", "Call"), "x")
		wantErr(t, err, mallee.ErrInvalid, "t.Elsewhere.Get: ")
	})
}

func TestRepliesOfOtherTypes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.answer("t.Two.Wrong", func(text string) *actionpb.ActionResponse { return reply(text) })
		got, err := w.texts(w.method("Two", "Wrong"), "x")
		if err != nil {
			t.Error(err)
		}
		want(t, "reply", got, "x")
		want(t, "report", w.reported(), `Warning: t.Two.Wrong has answered with "type.googleapis.com/t.Out", but is declared to answer with "type.googleapis.com/t.In".`)

		// Of a forward, the declared types of both methods are looked at.
		w.reports = nil
		w.answer("t.Model.Unary", func(text string) *actionpb.ActionResponse { return forward("t.Two.Wrong", text) })
		w.answer("t.Two.Wrong", func(text string) *actionpb.ActionResponse {
			r := reply(text)
			r.GetReply().Payload = payload("In", text)
			return r
		})
		got, err = w.texts(w.method("Model", "Unary"), "y")
		if err != nil {
			t.Error(err)
		}
		want(t, "reply", got, "y")
		if r := w.reported(); strings.Count(r, "Warning: ") != 1 || !strings.HasPrefix(r, "Warning: t.Model.Unary has been answered, by a forward, with") {
			t.Errorf("reported: %s", r)
		}
	})
}

func TestForwardsInACircle(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		calls := 0
		w.on("t.Two.Call", func(c *call) error { calls++; return c.send(forward("t.Two.Call", "again")) })
		_, err := w.texts(w.method("Two", "Call"), "x")
		wantErr(t, err, mallee.ErrCycle, "t.Two.Call asks for t.Two.Call after 64 forwards and side effects")
		want(t, "calls", calls, command.MaxSteps+1)
	})
}

// The trail goes along through actors, and comes back with them.
func TestEffectsInACircleThroughAnEntity(t *testing.T) {
	t.Parallel()
	for _, synchronous := range []bool{true, false} {
		t.Run(fmt.Sprint(synchronous), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.answer("t.Two.Call", func(string) *actionpb.ActionResponse { return reply("ok", effect("t.Entity.Get", "e", synchronous)) })
				w.actor = func(ctx context.Context, _ mallee.ID, c *command.Command) error {
					decoded := &command.Command{On: c.On}
					args, err := c.AppendArgs(nil)
					if err == nil {
						err = decoded.DecodeArgs(args)
					}
					if err != nil {
						return err
					}
					return w.router.Effect(ctx, w, effect("t.Two.Call", "x", false), decoded.On, decoded.Trail)
				}
				_, err := w.texts(w.method("Two", "Call"), "x")
				if synchronous {
					wantErr(t, err, mallee.ErrCycle, "they lead in a circle")
				} else if err != nil {
					t.Error(err)
				}
				want(t, "calls", strings.Count(w.happened(), "t.Two.Call"), command.MaxSteps/2+1)
			})
		})
	}
}
