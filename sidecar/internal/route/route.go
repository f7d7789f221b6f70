// Package route brings commands to the services that answer them, and carries
// out what user functions ask for in their answers: replies, failures, forwards
// and side effects.
package route

import (
	"cmp"
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Config is what a Router needs.
type Config struct {
	Model    *spec.Model
	Function grpc.ClientConnInterface // the user function
	Actors   mallee.Caller            // the node; it hosts the ActionType of each action, and the ReplicatedType of each replicated entity
	Report   func(text string)        // tells the user function's developer; must not block

	// Replicated has the replicated entities on this node; nil: the model has none.
	Replicated *replicated.Server

	// Publish gives a reply to the topic of its method, before it is delivered.
	// It may be nil where no method has a topic.
	Publish func(ctx context.Context, m *spec.Method, r *command.Reply) error

	// EffectTimeout ends side effects for which nobody waits: asynchronous ones of
	// actions and replicated entities, and all of a replicated entity whose caller
	// has gone. Defaults to a minute.
	EffectTimeout time.Duration

	// MaxEffects is how many asynchronous side effects of actions wait for other
	// actions, and calls of replicated entities for the rest that their caller has
	// not waited for, at once. One more is carried out by who has asked for it, before
	// its reply: that slows those who ask for too many. Defaults to 1024.
	MaxEffects int

	Log *slog.Logger
}

// Router is safe for concurrent use.
type Router struct {
	config  Config
	foreign foreign
	slots   *semaphore.Weighted // taken by asynchronous effects
	turn    atomic.Uint32       // spreads calls of actions over keys
}

// New makes a router.
func New(c Config) *Router {
	c.EffectTimeout = cmp.Or(c.EffectTimeout, time.Minute)
	c.MaxEffects = cmp.Or(c.MaxEffects, 1024)
	return &Router{config: c, foreign: foreign{files: c.Model.Files}, slots: semaphore.NewWeighted(int64(c.MaxEffects))}
}

// Call answers a call of one message: c.Reply gets the answer, nil for none. Of
// a streamed method all answers but the first are dropped; it returns after the
// last. From is the node or, inside of an entity, its Self or Activation.
func (r *Router) Call(ctx context.Context, from mallee.Caller, c *command.Command) error {
	once := *c // the runtime uses a call once, and c may be tried again
	return r.run(ctx, from, &once, firstTo(c))
}

// firstTo keeps the first reply in c.
func firstTo(c *command.Command) deliver {
	c.Reply = nil
	return func(reply *command.Reply) error {
		if c.Reply == nil {
			c.Reply = reply
		}
		return nil
	}
}

// deliver takes the replies of a call, one after the other. Its error ends the
// call.
type deliver func(*command.Reply) error

func drop(*command.Reply) error { return nil }

// run answers a call of one message. It returns after the last reply.
func (r *Router) run(ctx context.Context, from mallee.Caller, c *command.Command, to deliver) error {
	if isAction(c.On.Service) && !r.letsOthersIn(from) {
		return r.act(ctx, from, c, to)
	}
	id, err := r.idOf(c)
	if err != nil {
		return err
	}
	if c.On.Service.Kind == spec.Replicated && !r.letsOthersIn(from) {
		return r.converse(ctx, from, c, id.Key, to)
	}
	if err := from.Invoke(ctx, id, c); err != nil {
		return err
	}
	if c.Reply == nil {
		return nil
	}
	if kind := c.On.Service.Kind; kind.HasKey() && kind != spec.Replicated { // others have published theirs where they ran
		to = r.published(ctx, c.On, to)
	}
	return to(c.Reply)
}

// letsOthersIn reports whether from is an entity: while it waits in a call that
// it makes as an actor, but only then, its other turns may run. So it calls also
// the actions and replicated entities of its own user function that way.
func (r *Router) letsOthersIn(from mallee.Caller) bool {
	actor, ok := from.(interface{ ID() mallee.ID })
	if !ok {
		return false
	}
	s := r.config.Model.Service(actor.ID().Type)
	return s != nil && !isAction(s) && s.Kind != spec.Replicated
}

// published makes a deliver that publishes the replies of on first.
func (r *Router) published(ctx context.Context, on *spec.Method, to deliver) deliver {
	if on.Topic == "" || r.config.Publish == nil {
		return to
	}
	return func(reply *command.Reply) error {
		if err := r.config.Publish(ctx, on, reply); err != nil {
			return err
		}
		return to(reply)
	}
}
