package sessions

import (
	"context"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// Gateway is what a node gives orders for the sessions of its process to.
type Gateway interface {
	// Order takes what is not answered. It comes in the order in which the
	// other node has sent it, and must not block. It owns the body.
	Order(from placement.NodeID, sender mallee.ID, name string, body []byte)
	// Answer answers a question of another gateway. It may block until ctx ends.
	Answer(ctx context.Context, from placement.NodeID, name string, body []byte) ([]byte, error)
	// Missing says, in its place among the orders of a node, that some of them
	// will not come, and nobody knows which. Any session may have been meant.
	Missing(from placement.NodeID)
	// Lost says that a node is gone, with the activations on it. It may be told
	// twice of one.
	Lost(node placement.NodeID)
	// Renamed says that the node has lost its lease and has a new ID: sessions
	// have to be announced with it.
	Renamed(id placement.NodeID)
}

// Names of questions that a node answers in the place of its gateway, so that
// every member answers them.
const (
	// AskFlush is answered when all orders have been given to the gateway that
	// have come before it from the node which asks. It has no body.
	AskFlush = "flush"
	// AskRelay makes the node give an order to the gateway of a third one, behind
	// all orders that its actors have given there: Relay.
	AskRelay = "relay"
)

// Names of orders. Their bodies are in order.go.
const (
	OrderPush     = "push"     // a message to sessions: Push
	OrderKick     = "kick"     // ends sessions: Kick
	OrderBind     = "bind"     // gives a session to another actor: Bind
	OrderDetached = "detached" // the activation of these sessions has ended: Detached
	OrderGap      = "gap"      // from node to node, orders are missing: Gap
)
