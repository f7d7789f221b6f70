// Package sessions is what gateways and the actors of sessions say to each
// other.
//
// A gateway calls actors: MalleeSessions is served by the actors of every type,
// and its calls go the way of all calls, so they find an actor wherever it lives
// and keep their order. To an activation the sessions that are attached to it
// are known; a Message of another one is refused (CodeDetached), and the
// gateway announces it first. So nobody has to know when an actor has moved.
//
// Nodes tell gateways: an Order goes to the node whose ID stands in a session's
// At, in one message for all sessions there.
package sessions

import (
	"context"

	"github.com/mallee-io/mallee"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// MalleeSessions is served by the actors of every type: call them by
// MalleeSessionsAt(Through(node), actor).
//
//mallee:actor
type MalleeSessions interface {
	// Connect attaches a session, or one that is elsewhere now, and runs
	// OnConnect. Sessions of the same user that are attached already are
	// replaced where alone is set.
	Connect(ctx context.Context, s mallee.Session, a mallee.Arrival, alone bool) (Host, error)
	// Message runs OnMessage of an attached session.
	Message(ctx context.Context, session uint64, m mallee.Message) error
	// Disconnect detaches a session and runs OnDisconnect, if what is attached
	// is where s says.
	Disconnect(ctx context.Context, s mallee.Session, reason mallee.DisconnectReason) error
	// Moved tells an actor that has sent to sessions where they are now, or
	// that they have ended.
	//mallee:oneway
	Moved(ctx context.Context, moved []Relocation) error
}

// Host is where the activation lives that a session was announced to.
type Host struct {
	Node  uint64 // placement.NodeID
	Epoch uint64
}

// Relocation of a session.
type Relocation struct {
	From uint64 // where it was
	To   uint64 // where it is; 0: it has ended
}

// ErrDetached refuses a message of a session that the activation does not know.
// The message has not run.
var ErrDetached = mallee.NewError("session_detached", "the session is not attached to the activation")
