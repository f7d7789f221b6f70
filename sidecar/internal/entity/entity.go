// Package entity makes actors of the event sourced and value entities of a user
// function.
//
// A turn of such an actor sends a command over the entity's stream to the user
// function and takes its answer. What the answer records, events or a value and
// the forwards and effects that it asks for, is one write of the activation.
// Only then the effects are carried out and the caller gets its reply.
//
// When the user function breaks the protocol or the stream, the command fails
// and the next one finds a new stream, to which all that is stored is replayed.
// Commands that wait meanwhile go there too: the original proxy fails them.
//
// A forward or effect is carried out until its target has answered, also after
// a crash, so it may arrive more than once, each time with the same id in its
// metadata. When the way to a synchronous effect fails, the command fails, as
// the protocol has it; the effect, and what was to come after it, is carried out
// nevertheless. Nothing of an answer that asks for a restart is: it is undone as
// a whole.
package entity

import (
	"context"

	"google.golang.org/grpc"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Type is the actor type of a service whose entities are event sourced or
// values.
func Type(s *spec.Service, c Config) mallee.Type {
	k := newKind(s, c.withDefaults())
	create := func(self *mallee.Self) any { return newEntity(k, self) }
	t := mallee.NewType(command.Interface(s), create, mallee.IdleTimeout(k.IdleTimeout))
	t.Answer = k.answer
	t.Interleave = true
	t.Release = func(actor any) { actor.(*entity).release() }
	return t
}

// kind is what all entities of a service have in common.
type kind struct {
	Config
	service *spec.Service
	table   string
	head    string // key2 of the row with the state that a stream begins with
	path    string // of the streams
	options []grpc.CallOption
	texts   *texts
}

func newKind(s *spec.Service, c Config) *kind {
	k := &kind{
		Config:  c,
		service: s,
		table:   rows.Table(s.PersistenceID),
		head:    rows.Value,
		path:    "/" + string(s.Kind) + "/" + handle.StreamName,
		options: []grpc.CallOption{grpc.MaxCallRecvMsgSize(c.MaxMessage)},
		texts:   &valueTexts,
	}
	if s.Kind == spec.EventSourced {
		k.head, k.texts = rows.Snapshot, &eventSourcedTexts
	}
	if s.IdleTimeout > 0 {
		k.IdleTimeout = s.IdleTimeout
	}
	return k
}

func (k *kind) newMachine(id string) machine {
	d := dialog{texts: k.texts, service: k.service.Name, table: k.table, id: id}
	if k.service.Kind == spec.EventSourced {
		return &eventSourced{dialog: d, whole: k.WholeReplay}
	}
	return &value{dialog: d}
}

// entity is one activation of an entity. All is for its turns: they interleave
// only while one of them waits for another actor or an action, which is after
// its command is answered and recorded.
type entity struct {
	kind       *kind
	activation mallee.Activation
	machine    machine
	stream     *stream  // nil: the next command opens one
	closing    *stream  // the last one; the user function may not have ended it yet
	courier    *courier // nil until something goes out
	follower   Follower
	reminders  mallee.Reminders
	reminded   bool // there is a reminder in the store
}

func newEntity(k *kind, self *mallee.Self) *entity {
	e := &entity{kind: k, activation: self.Activation(), machine: k.newMachine(self.Key())}
	e.reminders = mallee.NewReminders(self, e.remember)
	e.activation.OnLoad(e.loadOutbox)
	if k.Follow != nil && k.service.Kind == spec.EventSourced {
		e.follower = k.Follow(e.activation, k.service)
	}
	if e.follower != nil {
		e.activation.OnLoad(e.follower.Load)
	}
	k.Figures.Activated.Add(1)
	return e
}

// OnActivate begins to carry out what is left of earlier activations.
func (e *entity) OnActivate(context.Context) error {
	if e.courier != nil {
		e.courier.sendAside()
	}
	return nil
}

// OnDeactivate lets the user function end the stream, so that the next
// activation does not find it.
func (e *entity) OnDeactivate(ctx context.Context, _ mallee.Reason) error {
	e.kind.Figures.Passivated.Add(1)
	e.hangUp()
	var err error
	if e.courier != nil {
		err = e.courier.close(ctx)
	}
	if e.closing == nil {
		return err
	}
	select {
	case <-e.closing.ended:
	case <-ctx.Done():
		e.closing.cancel(nil)
	}
	return err
}

// release is the Release of the type.
func (e *entity) release() {
	e.hangUp()
	if e.courier != nil {
		e.courier.cancel()
	}
	if e.follower != nil {
		e.follower.Release()
	}
}

// answer is the Answer of the type. What is not a call of the service is one of
// the runtime.
func (k *kind) answer(ctx context.Context, actor any, call mallee.Call) error {
	if call.Interface() != k.service.Name {
		return call.Run(ctx, actor)
	}
	return command.Answer(call, k.service, func(c *command.Command) error { return actor.(*entity).serve(ctx, c) })
}
