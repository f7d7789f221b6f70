package mallee

import (
	"context"
	"log/slog"
	"time"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/storage"
)

// Self is an actor's view of its own activation: who it is, its timers, its
// log, and the way to call others. The constructor of the actor gets it.
// Its methods are for the actor's turns; Invoke, Replica, Send, Kick, Bind and Log
// for any goroutine.
type Self struct{ activation Activation }

// Activation is what the runtime gives to one activation; Self is its face.
// Only runtimes implement it.
type Activation interface {
	Caller
	ID() ID
	Epoch() uint64
	Log() *slog.Logger
	// Store is for reading.
	Store() storage.Store
	// Write applies a batch under the epoch of the activation. An error ends
	// the activation after the current turn.
	Write(ctx context.Context, ops ...storage.Op) (versions []uint64, err error)
	// OnLoad registers what has to be read before OnActivate.
	OnLoad(load func(context.Context) error)
	// Schedule runs fn as a turn after first and then, if every > 0, at each
	// multiple of every. The function it returns stops that.
	Schedule(first, every time.Duration, fn func(context.Context)) (stop func())
	// OnSignal runs fn as a turn after what the channel gives, once for all that it
	// has given before. When the activation ends, or after stop, it calls end.
	OnSignal(signal <-chan struct{}, end func(), fn func(context.Context)) (stop func())
	// Reminders registers what due reminders run.
	Reminders(fire func(context.Context, Reminder) error) Reminders
	// Send gives a message to sessions, and Push to sessions by where they are,
	// in ascending order.
	Send(ctx context.Context, m Message, to []Session) error
	Push(ctx context.Context, m Message, at []uint64) error
	Kick(ctx context.Context, s Session, why string) error
	Bind(ctx context.Context, s Session, to ID) error
	// OnMoved registers what is told, in turns, that sessions which were from
	// first to last are at another place now; 0: they have ended.
	OnMoved(told func(first, last, to uint64))
	// Replica is the node's copy of a replicated value; nil where the runtime
	// keeps none.
	Replica(id ID) crdt.Replica
	KeepAlive(d time.Duration)
	// Deactivate ends the activation after the current turn.
	Deactivate(reason Reason)
}

// NewSelf is for runtimes; an actor gets its Self from its constructor.
func NewSelf(a Activation) Self { return Self{activation: a} }

// ID is the actor's address.
func (s *Self) ID() ID { return s.activation.ID() }

// Key is the actor's key: ID().Key.
func (s *Self) Key() string { return s.activation.ID().Key }

// Epoch grows with every activation of this actor anywhere in the cluster. It
// fences writes: a store refuses one with an epoch older than it has seen.
func (s *Self) Epoch() uint64 { return s.activation.Epoch() }

// Log carries the actor's type and key.
func (s *Self) Log() *slog.Logger { return s.activation.Log() }

// Invoke makes Self a Caller: PlayerOf(self, key) calls from inside an actor.
// Pass the turn's own ctx: it carries the deadline and the call chain.
func (s *Self) Invoke(ctx context.Context, id ID, call Call) error {
	return s.activation.Invoke(ctx, id, call)
}

// Replica is the node's copy of a replicated value, for NewReplicated and for
// handles of package crdt. It is nil where the runtime keeps none.
func (s *Self) Replica(id ID) crdt.Replica { return s.activation.Replica(id) }

// Activation is what the runtime has given to Self, for runtimes that build on
// it.
func (s *Self) Activation() Activation { return s.activation }

// KeepAlive holds off the idle timeout for at least d from now.
func (s *Self) KeepAlive(d time.Duration) { s.activation.KeepAlive(d) }

// DeactivateNow ends the activation as soon as the current turn has ended;
// calls that wait reach the next activation.
func (s *Self) DeactivateNow() { s.activation.Deactivate(ReasonRequested) }

var _ Caller = (*Self)(nil)
