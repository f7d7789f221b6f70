// Package transport carries calls between nodes.
package transport

import (
	"slices"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/placement"
)

// Network connects the nodes of a cluster. Its methods are safe for
// concurrent use.
type Network interface {
	// Attach makes a node reachable and gives it what arrives.
	Attach(node placement.NodeID, h Handler)
	// Close keeps what asks for something from a node: its Send fails. When it returns,
	// the node has received what it will; its answers, and orders, still get through.
	Close(node placement.NodeID)
	// Detach ends the node's connections, and the others lose it. After Close,
	// what was sent before still arrives.
	Detach(node placement.NodeID)
	// Send returns an error when the message has certainly not arrived. What
	// asks for something may wait for a connection, up to its Timeout; the
	// other kinds, which a Handler may send, do not block, and need a connection
	// that is there: a Gossip begins to make one, for the next. It keeps nothing of m.
	// Messages between two nodes arrive in the order in which they were sent.
	Send(from, to placement.NodeID, m *Message) error
}

// Handler is a node's end of the network. Its methods must not block.
type Handler interface {
	Receive(from placement.NodeID, m *Message)
	// Lost says that answers from a node will not come any more.
	Lost(node placement.NodeID)
}

// Kind of a message.
type Kind uint8

// Kinds of messages.
const (
	Request Kind = iota + 1
	Reply
	Cancel   // the caller of a Request has given up
	Handoff  // what an actor that moves takes along; Owner is the grant that it had
	Activate // the receiver has a grant; behind earlier Requests for the actor. Owner is the grant that an actor which moves had
	Edge     // a question for the gateway of the receiver's process: Method is its name. Without a Call it is an order that has no number
	Order    // an order for that gateway: Method is its name, Actor who sends it, if it is one, and Call its number among all from this node
	Ack      // of Orders: Call is the number up to which all have arrived
	Gossip   // of replicated values; a Body alone
)

// asks reports whether a message begins an exchange, so that it may dial and
// needs a node that is open.
func (k Kind) asks() bool { return k == Request || k == Handoff || k == Activate || k == Edge }

// validate says why a message cannot be sent, or taken.
func (m *Message) validate() error {
	switch m.Kind {
	case Reply, Cancel, Ack, Gossip:
		return nil
	case Edge, Order:
		if m.Actor == (mallee.ID{}) {
			return nil
		}
	}
	return m.Actor.Validate()
}

// Encoding is how arguments and results are written in a Body.
type Encoding uint8

// Encodings.
const (
	MessagePack Encoding = iota // the one between Mallee nodes
	JSON                        // for tools that have no generated code
	Pickle                      // a body of Koala's RPC, see package plain
)

// Trace names a place in a trace, in the words of W3C Trace Context.
type Trace struct {
	Parent string // traceparent; empty: there is no trace
	State  string // tracestate
}

// Message is one message between two nodes.
type Message struct {
	Kind Kind
	Call uint64 // chosen by the node that asks; 0: no Reply is wanted. Of an Order and an Ack a number

	// Of what asks; Interface and Chain of a Request alone, Method of an Edge and
	// an Order too.
	Actor     mallee.ID
	Interface string
	Method    string
	Timeout   time.Duration
	Chain     []activation.Hop // turns that wait for this call, the nearest first
	Trace     Trace            // that the call belongs to

	// Of a Reply: an error, or the owner that the caller should ask, or neither.
	// A Reply with neither to a Handoff or an Activate says that it is done.
	Error *mallee.Error
	Owner placement.Grant

	Body     []byte // arguments, results or state
	Encoding Encoding
}

// Nested reports whether a turn of a Mallee node waits for the call.
func (m *Message) Nested() bool {
	return slices.ContainsFunc(m.Chain, func(hop activation.Hop) bool { return !isForeign(hop) })
}
