package activation

import (
	"context"

	"github.com/mallee-io/mallee"
)

// Push gives a message to sessions.
func (a *Activation) Push(context.Context, mallee.Message, []uint64) error {
	return mallee.ErrUnavailable.Errorf("this node has no gateways")
}

// Kick closes a session.
func (a *Activation) Kick(context.Context, mallee.Session, string) error {
	return mallee.ErrUnavailable.Errorf("this node has no gateways")
}

// Bind gives a session to another actor.
func (a *Activation) Bind(context.Context, mallee.Session, mallee.ID) error {
	return mallee.ErrUnavailable.Errorf("this node has no gateways")
}
