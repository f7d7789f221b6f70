package mallee

import "context"

// Activator is for actors that prepare themselves before their first call.
// Their State is loaded by then. An error fails all calls that wait and ends
// the activation; the next call tries again.
type Activator interface {
	OnActivate(ctx context.Context) error
}

// Deactivator is for actors that tidy up after their last turn. ctx ends when
// the runtime cannot wait longer. Nobody waits for the error: it is logged and
// counted. It does not run after a crash, so it is no place to keep what must
// not be lost.
type Deactivator interface {
	OnDeactivate(ctx context.Context, reason Reason) error
}

// MaxMovedState is how much an actor can take along when it moves, in bytes.
const MaxMovedState = 1 << 20

// Migrator is for actors that have in memory what is worth taking along when
// they move to another node: a cache, a game that is going on. An actor moves
// when its node is drained or stopped, and to balance the load. Its states need
// none of this, since they are in the store; timers end with the activation.
type Migrator interface {
	// SaveForMove is called after the last turn and before OnDeactivate. It
	// returns at most MaxMovedState bytes.
	SaveForMove(ctx context.Context) ([]byte, error)
	// RestoreAfterMove is called on the other node after OnActivate and before
	// the first turn. After an error the actor is made anew, from its
	// constructor on, without the state.
	//
	// It is not called when the hand-over has failed, as with a node that dies:
	// so this is no place for what must not be lost.
	RestoreAfterMove(ctx context.Context, state []byte) error
}

// Reason says why an activation ends.
type Reason uint8

// Reasons of a deactivation.
const (
	ReasonIdle      Reason = iota + 1 // no call for the idle timeout
	ReasonRequested                   // DeactivateNow
	ReasonStopping                    // the node is stopping
	ReasonMigrating                   // another node takes the actor over
	ReasonFailed                      // a panic, or a write that was refused
	ReasonFenced                      // the node has lost its lease
)

func (r Reason) String() string {
	switch r {
	case ReasonIdle:
		return "idle"
	case ReasonRequested:
		return "requested"
	case ReasonStopping:
		return "stopping"
	case ReasonMigrating:
		return "migrating"
	case ReasonFailed:
		return "failed"
	case ReasonFenced:
		return "fenced"
	}
	return "unknown"
}
