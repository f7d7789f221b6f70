// Package reminders keeps durable reminders and fires them. They are spread
// over a fixed number of shards, each an actor of a system type that keeps the
// shard's rows: so they have an owner, fencing and failover like any other
// state. A shard reads only what is due; a waker on each node looks at the
// first row of each shard, evenly over time, and wakes the shards that have
// something to do soon. A reminder that sleeps is two rows and nothing else.
package reminders

import (
	"context"

	"github.com/mallee-io/mallee"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// MalleeReminders keeps the reminders of a shard. The shard's number is its key.
//
//mallee:actor
type MalleeReminders interface {
	Set(ctx context.Context, actor mallee.ID, r mallee.Reminder) error
	Cancel(ctx context.Context, actor mallee.ID, name string) error
	List(ctx context.Context, actor mallee.ID) ([]mallee.Reminder, error)
	// Wake makes the shard look for what is due.
	//mallee:oneway
	Wake(ctx context.Context) error
}

// MalleeReminded is served by the actors of every type.
//
//mallee:actor
type MalleeReminded interface {
	// Fire runs a reminder that is due.
	Fire(ctx context.Context, due mallee.Reminder) error
}

// Service sets the reminders of actors.
type Service struct{ Caller mallee.Caller }

// Set makes or replaces a reminder.
func (s Service) Set(ctx context.Context, actor mallee.ID, r mallee.Reminder) error {
	if err := r.Validate(); err != nil {
		return err
	}
	return s.shard(actor).Set(ctx, actor, r)
}

// Cancel removes a reminder.
func (s Service) Cancel(ctx context.Context, actor mallee.ID, name string) error {
	return s.shard(actor).Cancel(ctx, actor, name)
}

// List tells the reminders of an actor.
func (s Service) List(ctx context.Context, actor mallee.ID) ([]mallee.Reminder, error) {
	return s.shard(actor).List(ctx, actor)
}

func (s Service) shard(actor mallee.ID) MalleeRemindersRef {
	return MalleeRemindersOf(s.Caller, shardOf(actor))
}

// Types adds to actor types what reminders need: the shards, and that every
// actor can be reminded. The types that were given stay as they are.
func Types(types []mallee.Type) []mallee.Type {
	if len(types) == 0 {
		return nil // a client keeps nothing
	}
	all := make([]mallee.Type, 0, len(types)+1)
	for _, t := range types {
		t.Interfaces = append(t.Interfaces[:len(t.Interfaces):len(t.Interfaces)], reminded())
		all = append(all, t)
	}
	return append(all, MalleeRemindersType(newShard, mallee.IdleTimeout(shardIdle)))
}

// reminded is MalleeReminded with calls that run what the actor has given to
// NewReminders, as actors do not implement it themselves.
func reminded() mallee.Interface {
	i := MalleeRemindedInterface()
	for n := range i.Methods {
		decode := i.Methods[n].New
		i.Methods[n].New = func() mallee.Call { return fire{decode()} }
	}
	return i
}

// fire is a call of MalleeReminded.
type fire struct{ mallee.Call }

func newFire(due mallee.Reminder) fire {
	return fire{&malleeRemindedFireCall{args: malleeRemindedFireArgs{Due: due}}}
}

// Run makes the activation the target of the call.
func (f fire) Run(ctx context.Context, _ any) error { return f.Call.Run(ctx, hostOf(ctx)) }
