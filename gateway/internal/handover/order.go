package handover

import (
	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/placement"
)

// Kind of an order.
type Kind uint8

// Kinds of orders. All keep their place among those of their origin.
const (
	Push    Kind = iota // a message for the client
	Other               // an order of package sessions for this one session: kick, bind, detached
	Missing             // so many messages are left out here
	Unknown             // an unknown number is missing: the epoch is over
	Marker              // the origin sends nothing any more that would come this way
)

// Order is what comes for one session.
type Order struct {
	Kind    Kind
	Origin  placement.NodeID // whose order it is; each node's orders are kept in its order
	Sender  mallee.ID
	Frame   *carrier.Outgoing // Push
	Name    string            // Other
	Body    []byte            // Other
	Missing uint64            // Missing
}

func (o *Order) bytes() int {
	if o.Kind == Push {
		return len(o.Frame.Data)
	}
	return len(o.Body)
}

// Action is what an effect wants.
type Action uint8

// Actions.
const (
	Deliver Action = iota // Order is for the session At, which is here
	Refuse                // Order is for At, which is over: its sender is to be told, as of every order for a session that is nowhere
	Forward               // Order goes to Node, for its session At, which was From here
	Flush                 // Node is to send a Marker behind what it has sent to From, which is At now
	Ended                 // Node need not forward its session From to At any more
	Retire                // Node is to end its forwarding of At, since this gateway is about to stop
	Retired               // Node gets nothing more by this way for its session At
)

// Effect is what has to be done, in the order of effects and before the next
// input, so that nothing overtakes. Effects of one input for one node belong
// into one message.
type Effect struct {
	Do    Action
	Node  placement.NodeID
	At    uint64
	From  uint64 // of Forward, Flush and Ended
	Order Order
}
