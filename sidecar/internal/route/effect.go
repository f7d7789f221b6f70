package route

import (
	"context"
	"errors"
	"strings"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/action"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Effect carries out a side effect that the method on has asked for, and waits
// for it, whether it is synchronous or not. The error is one of the way to the
// service: a failure that it answers with counts as an answer.
func (r *Router) Effect(ctx context.Context, from mallee.Caller, e *cloudstatepb.SideEffect, on *spec.Method, trail []command.Step) error {
	c, err := r.effect(e, on, trail)
	if err != nil {
		return err
	}
	if err := r.run(ctx, from, c, drop); !answered(err) {
		return err
	}
	return nil
}

func (r *Router) effect(e *cloudstatepb.SideEffect, on *spec.Method, trail []command.Step) (*command.Command, error) {
	return r.command(e, command.Step{Service: on.Service.Name, Method: on.Name, Effect: true}, trail)
}

// answered reports whether a service has answered, if with a failure: one of
// the user function has no code, one of a Go actor may have one of its own.
func answered(err error) bool {
	var broken *action.Failure
	if err == nil || errors.As(err, &broken) {
		return err == nil
	}
	code := mallee.AsError(err).Code
	return code == mallee.CodeUnknown || strings.Contains(string(code), ".")
}

// effects carries out what an answer to c asks for: synchronous effects before
// it returns, the others are begun in their place.
func (r *Router) effects(ctx context.Context, from mallee.Caller, list []*cloudstatepb.SideEffect, c *command.Command) error {
	for _, e := range list {
		if e.GetSynchronous() {
			if err := r.Effect(ctx, from, e, c.On, c.Trail); err != nil {
				return err
			}
			continue
		}
		asked, err := r.effect(e, c.On, c.Trail)
		if err != nil {
			return err
		}
		r.start(asked)
	}
	return nil
}

// start begins an asynchronous effect, which does not end with the call that it
// is an effect of. An actor's mailbox keeps their order, so nobody has to wait
// for actors unless their replies are published.
func (r *Router) start(c *command.Command) {
	switch {
	case c.On.Service.Kind == spec.Replicated:
		r.startConversation(c)
	case isAction(c.On.Service):
		ctx, cancel := context.WithTimeout(context.Background(), r.config.EffectTimeout)
		call, err := r.begin(ctx, c)
		if err != nil {
			cancel()
			r.note(c, err)
			return
		}
		r.aside(func() {
			defer cancel()
			r.note(c, r.answers(ctx, r.config.Actors, call, c, drop))
		})
	case c.On.Topic != "":
		r.aside(func() {
			ctx, cancel := context.WithTimeout(context.Background(), r.config.EffectTimeout)
			defer cancel()
			r.note(c, r.run(ctx, r.config.Actors, c, drop))
		})
	default:
		r.note(c, r.post(c))
	}
}

// post gives a command to an actor's mailbox.
func (r *Router) post(c *command.Command) error {
	id, err := r.idOf(c)
	if err != nil {
		return err
	}
	c.OneWay = true
	return r.config.Actors.Invoke(context.Background(), id, c)
}

// aside runs fn in a goroutine or, where there are too many, itself. It must not
// wait for one of them to end: they may be waiting here, too.
func (r *Router) aside(fn func()) {
	if !r.slots.TryAcquire(1) {
		fn()
		return
	}
	go func() {
		defer r.slots.Release(1)
		fn()
	}()
}

// note tells of the end of an asynchronous effect, whose caller must not hear
// of it.
func (r *Router) note(c *command.Command, err error) {
	if !answered(err) {
		r.config.Log.Warn("asynchronous side effect failed", "effect", c.On.Service.Name+"."+c.On.Name, "error", err)
	}
}

// Wait returns when the asynchronous effects that have begun have ended, or ctx
// has. Those that begin meanwhile are carried out by who has asked for them.
func (r *Router) Wait(ctx context.Context) error {
	all := int64(r.config.MaxEffects)
	if err := r.slots.Acquire(ctx, all); err != nil {
		return mallee.AsError(err)
	}
	r.slots.Release(all)
	return nil
}
