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

// Reason says why an activation ends.
type Reason uint8

// Reasons of a deactivation.
const (
	ReasonIdle      Reason = iota + 1 // no call for the idle timeout
	ReasonRequested                   // DeactivateNow
	ReasonStopping                    // the node is stopping
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
	case ReasonFailed:
		return "failed"
	case ReasonFenced:
		return "fenced"
	}
	return "unknown"
}
