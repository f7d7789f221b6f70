package route_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/route"
)

// node is a Caller that is there before its node is.
type node struct{ mallee.Caller }

// inCluster makes a cluster of one node with the types of the world, and a
// client of it. Its entities answer as given.
func inCluster(t *testing.T, entity func(w *world, ctx context.Context, from mallee.Caller, c *command.Command) error) (w *world, client mallee.Caller) {
	n := &node{}
	w = newWorld(t, func(c *route.Config) { c.Actors = n })
	t.Cleanup(w.stop)
	s := w.model.Service("t.Entity")
	cluster := malleetest.Start(t, 1, w.router.ActionType(w.model.Service("t.Model")), w.router.ActionType(w.model.Service("t.Two")), w.router.ReplicatedType(w.model.Service("t.Copies")), mallee.Type{
		Name: s.Name, New: func(self *mallee.Self) any { return self }, Interfaces: []mallee.Interface{command.Interface(s)},
		IdleTimeout: time.Hour, MailboxSize: 100, Interleave: true,
		Answer: func(ctx context.Context, self any, call mallee.Call) error {
			return command.Answer(call, s, func(c *command.Command) error {
				return entity(w, ctx, self.(*mallee.Self).Activation(), c)
			})
		},
	})
	n.Caller = cluster.Node(0)
	return w, cluster.Client()
}

// Any number of calls of an action run at once, from wherever they come.
func TestActionIsCalledFromElsewhere(t *testing.T) {
	t.Parallel()
	const calls = 100
	w, client := inCluster(t, nil)
	var all sync.WaitGroup
	all.Add(calls)
	w.on("t.Two.Call", func(c *call) error {
		all.Done()
		all.Wait() // for all others
		return c.send(reply(textOf(c.first.GetPayload().GetValue()) + "!"))
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var ended sync.WaitGroup
	for range calls {
		ended.Go(func() {
			m := w.method("Two", "Call")
			c := &command.Command{On: m, Payload: command.Payload{TypeURL: m.InputURL(), Value: message("hi")}}
			if err := client.Invoke(ctx, mallee.ID{Type: "t.Two", Key: "x"}, c); err != nil || textOf(c.Reply.Payload.Value) != "hi!" {
				t.Errorf("got %v, %v", c.Reply, err)
			}
		})
	}
	ended.Wait()
	w.answer("t.Two.Call", func(string) *actionpb.ActionResponse { return failure("not now") })
	err := client.Invoke(ctx, mallee.ID{Type: "t.Two", Key: "x"}, &command.Command{On: w.method("Two", "Call")})
	if e := mallee.AsError(err); e == nil || e.Message != "not now" {
		t.Errorf("got %v", err)
	}
}

// While an entity waits for an action of its own user function, its other turns
// run: the action may want to know something of the entity.
func TestEntityWaitsForAnAction(t *testing.T) {
	t.Parallel()
	w, client := inCluster(t, func(w *world, ctx context.Context, from mallee.Caller, c *command.Command) (err error) {
		if c.On.Name == "Get" {
			c.Reply, err = w.router.Forward(ctx, from, forwardTo("t.Two.Call", "x"), c.On, c.Trail)
			return err
		}
		c.Reply = &command.Reply{Payload: command.Payload{TypeURL: c.On.OutputURL(), Value: message("told")}}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tell := func() error {
		m := w.method("Entity", "Tell")
		c := &command.Command{On: m, Payload: command.Payload{TypeURL: m.InputURL(), Value: message("e")}}
		return client.Invoke(ctx, mallee.ID{Type: "t.Entity", Key: "e"}, c)
	}
	w.on("t.Two.Call", func(c *call) error {
		// By a call of its own, as through the front door, and as an effect.
		return errors.Join(tell(), c.send(reply("ok", effect("t.Entity.Tell", "e", true))))
	})
	c := &command.Command{On: w.method("Entity", "Get")}
	if err := client.Invoke(ctx, mallee.ID{Type: "t.Entity", Key: "e"}, c); err != nil || textOf(c.Reply.Payload.Value) != "ok" {
		t.Errorf("got %v, %v", c.Reply, err)
	}
}

// Asynchronous effects reach an actor in their order.
func TestOrderOfAsynchronousEffects(t *testing.T) {
	t.Parallel()
	const effects = 50
	got := make(chan string, effects)
	w, _ := inCluster(t, func(_ *world, _ context.Context, _ mallee.Caller, c *command.Command) error {
		got <- c.Payload.TypeURL
		return nil
	})
	w.on("t.Model.Unary", func(c *call) error {
		r := reply("ok")
		for i := range effects {
			e := effect("t.Entity.Get", "e", false)
			e.Payload.TypeUrl = string(rune('A' + i))
			r.SideEffects = append(r.SideEffects, e)
		}
		return c.send(r)
	})
	if _, err := w.texts(w.method("Model", "Unary"), "x"); err != nil {
		t.Fatal(err)
	}
	for i := range effects {
		want(t, "effect", <-got, string(rune('A'+i)))
	}
}

// Who gives up ends the call at the user function, from wherever it came.
func TestCallerOfAnActionGivesUp(t *testing.T) {
	t.Parallel()
	w, client := inCluster(t, nil)
	begun, canceled := make(chan struct{}), make(chan struct{})
	w.on("t.Two.Call", func(c *call) error {
		close(begun)
		<-c.ctx.Done()
		close(canceled)
		return c.ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- client.Invoke(ctx, mallee.ID{Type: "t.Two", Key: "x"}, &command.Command{On: w.method("Two", "Call")})
	}()
	<-begun
	cancel()
	<-canceled
	wantErr(t, <-ended, mallee.ErrCanceled, "")
}
