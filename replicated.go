package mallee

import (
	"context"
	"fmt"
	"iter"

	"github.com/mallee-io/mallee/crdt"
)

// Replicated is a value of which every node has a copy. Reads and changes are of
// the caller's node, at once and without a hop; changes reach the other nodes
// within milliseconds, and all copies become equal, whatever happens at the same
// time elsewhere. It is for what many read and change, and nobody has to decide:
// who is online, counters, flags. What needs a decision belongs to an actor.
//
// Its methods are safe for concurrent use.
type Replicated[T crdt.Handle[T]] struct {
	// Value reads and changes the node's copy: a crdt.PNCounter, crdt.ORSet[string]
	// or another handle of package crdt.
	Value T

	id      ID
	replica crdt.Replica
}

// NewReplicated is the replicated value of an id, which all who use it know by
// that and by T; it comes to be with its first change. Its name is no actor's:
// the type of the id may be any word, and a value and an actor may have the same.
//
// The caller is a node or a *Self. An actor declares its values in its
// constructor, and its turns find them as up to date as its node. With other callers
// everything fails with ErrUnavailable.
func NewReplicated[T crdt.Handle[T]](c Caller, id ID) *Replicated[T] {
	r := &Replicated[T]{id: id, replica: replicaOf(c, id)}
	r.Value = r.Value.On(r.replica)
	if self, ok := c.(*Self); ok {
		self.activation.OnLoad(func(ctx context.Context) error { return r.Wait(ctx, crdt.Local) })
	}
	return r
}

// Wait returns when all changes that this node has made until now, of any value,
// are as safe as asked for: crdt.Majority and crdt.All say how many nodes have them
// in memory, and that the store has them. crdt.Local waits only for a node that has
// just started and has not got yet what the others have.
//
// After an error the changes stay, and still spread: it says how far they have come.
func (r *Replicated[T]) Wait(ctx context.Context, c crdt.Consistency) error {
	if err := r.replica.Wait(ctx, c); err != nil {
		return fmt.Errorf("wait for the copies of %s: %w", r.id, err)
	}
	return nil
}

// Refresh returns when the node's copy has all changes that somebody on any node
// has waited for by crdt.Majority before.
func (r *Replicated[T]) Refresh(ctx context.Context) error {
	if err := r.replica.Refresh(ctx); err != nil {
		return fmt.Errorf("refresh %s: %w", r.id, err)
	}
	return nil
}

// Delete deletes the value everywhere and for ever: later changes of it fail with
// crdt.ErrDeleted, on this node at once.
func (r *Replicated[T]) Delete() error {
	if err := r.replica.Delete(); err != nil {
		return fmt.Errorf("delete %s: %w", r.id, err)
	}
	return nil
}

// Deleted reports whether the value has been deleted, on any node, as far as this
// one knows.
func (r *Replicated[T]) Deleted() bool { return r.replica.Deleted() }

// Changes yields Value at once, and again whenever it has changed since, here or
// elsewhere; changes that come faster than they are taken come as one. It ends with
// ctx, after the value has been deleted, and where no change can come any more.
// It waits, so it is nothing for an actor's turn: see OnChange.
func (r *Replicated[T]) Changes(ctx context.Context) iter.Seq[T] {
	return func(yield func(T) bool) {
		changes, stop := r.replica.Watch()
		defer stop()
		for more := true; more; {
			deleted := r.replica.Deleted()
			if !yield(r.Value) || deleted {
				return
			}
			select {
			case _, more = <-changes:
			case <-ctx.Done():
				return
			}
		}
	}
}

// OnChange runs a function as turns of an actor after Value has changed, here or
// elsewhere, or has been deleted: once for all changes before the turn. It ends with
// the activation, or by stop.
func (r *Replicated[T]) OnChange(self *Self, changed func(context.Context)) (stop func()) {
	changes, end := r.replica.Watch()
	return self.activation.OnSignal(changes, end, changed)
}

func replicaOf(c Caller, id ID) crdt.Replica {
	if at, ok := c.(interface{ Replica(ID) crdt.Replica }); ok {
		if r := at.Replica(id); r != nil {
			return r
		}
	}
	return noReplica{ErrUnavailable.Errorf("replicated value %s: %T keeps no copies; use a node or a *mallee.Self", id, c).BeforeRun()}
}

// noReplica is what callers have that keep no copies.
type noReplica struct{ err error }

func (n noReplica) Read(func(*crdt.Value, crdt.Electorate)) error { return n.err }
func (n noReplica) Change(*crdt.Delta) error                      { return n.err }
func (n noReplica) Count(crdt.Kind, int64) (int64, error)         { return 0, n.err }
func (n noReplica) Delete() error                                 { return n.err }
func (n noReplica) Deleted() bool                                 { return false }
func (n noReplica) Wait(context.Context, crdt.Consistency) error  { return n.err }
func (n noReplica) Refresh(context.Context) error                 { return n.err }

// Watch gives a closed channel: nothing changes.
func (n noReplica) Watch() (changes <-chan struct{}, stop func()) {
	none := make(chan struct{})
	close(none)
	return none, func() {}
}
