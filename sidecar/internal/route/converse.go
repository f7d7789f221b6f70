package route

import (
	"context"
	"errors"
	"io"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// converse answers a call of one message by a replicated entity of this node. It
// returns after the last reply or, where the caller does not take more, the first
// answer of the user function.
func (r *Router) converse(ctx context.Context, from mallee.Caller, c *command.Command, id string, to deliver) error {
	call, err := r.config.Replicated.Open(c, id)
	if err != nil {
		return err
	}
	return r.follow(ctx, from, call, c, to)
}

// follow carries out the answers to c. What is left of them when the caller wants
// no more is carried out aside.
func (r *Router) follow(ctx context.Context, from mallee.Caller, call *replicated.Call, c *command.Command, to deliver) error {
	to = r.published(ctx, c.On, to)
	stop := context.AfterFunc(ctx, func() { call.Leave() }) // at once, even if the caller's replies or effects take long
	defer stop()
	for {
		a, err := call.Recv(ctx)
		if err == nil {
			err = r.heed(ctx, from, a, c, to)
		}
		switch {
		case err == nil && (!a.First || c.Many || !c.On.ServerStreams):
			continue
		case call.Leave():
			r.aside(func() { r.drain(call, c) })
		}
		if err == nil || err == io.EOF || errors.Is(err, replicated.ErrCompleted) {
			return nil
		}
		return err
	}
}

// heed does what an answer to c asks for. Its effects belong to a change that has
// been made, so they do not end with their caller.
func (r *Router) heed(ctx context.Context, from mallee.Caller, a *replicated.Answer, c *command.Command, to deliver) error {
	if len(a.Effects) > 0 {
		apart, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.EffectTimeout)
		defer cancel()
		if err := r.effects(apart, from, a.Effects, c); err != nil {
			return err
		}
	}
	return r.carryOut(ctx, from, a.Action, c, to)
}

// drain carries out the answers that nobody wants for the sake of what else they
// ask for.
func (r *Router) drain(call *replicated.Call, c *command.Command) {
	for {
		a, err := call.Recv(context.Background())
		if err != nil { // bounded by what the user function may take
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), r.config.EffectTimeout)
		r.note(c, r.heed(ctx, r.config.Actors, a, c, drop))
		cancel()
	}
}

// startConversation begins an asynchronous effect on a replicated entity, in its
// place among others.
func (r *Router) startConversation(c *command.Command) {
	id, err := r.idOf(c)
	var call *replicated.Call
	if err == nil {
		call, err = r.config.Replicated.Open(c, id.Key)
	}
	if err != nil {
		r.note(c, err)
		return
	}
	r.aside(func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.config.EffectTimeout)
		defer cancel()
		r.note(c, r.follow(ctx, r.config.Actors, call, c, drop))
	})
}

// ReplicatedType is the actor type of a replicated entity, so that all in the
// cluster can call it: as stateless workers on each node that has the user
// function, the entity's id being the key. The caller's own node answers, if it
// is one of them. Of a streamed method callers get the first answer.
func (r *Router) ReplicatedType(s *spec.Service) mallee.Type {
	return mallee.Type{
		Name:        s.Name,
		New:         func(self *mallee.Self) any { return self },
		Interfaces:  []mallee.Interface{command.Interface(s)},
		IdleTimeout: workerIdle,
		MailboxSize: mallee.DefaultMailboxSize,
		Workers:     maxWorkers,
		Answer: func(ctx context.Context, self any, call mallee.Call) error {
			worker := self.(*mallee.Self)
			return command.Answer(call, s, func(c *command.Command) error {
				return r.converse(ctx, worker, c, worker.Key(), firstTo(c))
			})
		},
	}
}
