package sessions

import (
	"context"
	"slices"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire"
)

// perGateway is how many sessions a life of a gateway's node can number: where a
// session is, its At, is the ID of that node times this, and its number.
const perGateway = 10_000_000_000

// At is where the n-th session of a node's gateway is, for n from 1.
func At(gateway placement.NodeID, n uint64) uint64 { return uint64(gateway)*perGateway + n }

// GatewayOf is the node of the gateway where a session is.
func GatewayOf(at uint64) placement.NodeID { return placement.NodeID(at / perGateway) }

// Span is where the sessions of a node's gateway are, from the first to the last.
func Span(gateway placement.NodeID) (first, last uint64) {
	first = uint64(gateway) * perGateway
	return first, first + perGateway - 1
}

// Node is what the sessions of its actors need of a node.
type Node interface {
	ID() placement.NodeID
	// Tell gives an order to the gateway of a node.
	Tell(ctx context.Context, to placement.NodeID, sender mallee.ID, order string, body []byte) error
	// Ordered counts what it has told gateways until now, and Flush returns when
	// the first of that have arrived, or will not any more.
	Ordered() uint64
	Flush(first uint64)
}

// Service gives the orders of actors to the gateways of their sessions.
type Service struct {
	Of    Node
	Moved *Relocations
}

// Bounds of one order: they keep it far below what a frame can have.
const (
	maxData     = wire.MaxFrameBody / 2 // bytes
	maxSessions = 1 << 17
)

// detachTimeout is how long the end of an activation is told to a gateway that
// cannot be reached: it finds out by itself, with the next message.
const detachTimeout = 5 * time.Second

// Host is the ID of the node.
func (s Service) Host() uint64 { return uint64(s.Of.ID()) }

// Ordered is a point in what the node has told gateways.
func (s Service) Ordered() uint64 { return s.Of.Ordered() }

// Flush returns when what was told until a point has arrived.
func (s Service) Flush(point uint64) { s.Of.Flush(point) }

// Learn says where a session is now.
func (s Service) Learn(from, to uint64) { s.Moved.Learn(from, to) }

// Push gives a message to sessions, which are in ascending order.
func (s Service) Push(ctx context.Context, sender mallee.ID, m mallee.Message, at []uint64) error {
	if len(m.Data) > maxData {
		return mallee.ErrInvalid.Errorf("a message of %d bytes for sessions: at most %d can be sent", len(m.Data), maxData).BeforeRun()
	}
	return s.each(at, func(to placement.NodeID, at []uint64) error {
		push := Push{Sessions: at, Message: m}
		return s.Of.Tell(ctx, to, sender, OrderPush, push.Append(make([]byte, 0, orderRoom(at)+len(m.Data))))
	})
}

// Kick ends sessions, which are in ascending order.
func (s Service) Kick(ctx context.Context, sender mallee.ID, at []uint64, reason mallee.DisconnectReason, why string) error {
	return s.each(at, func(to placement.NodeID, at []uint64) error {
		kick := Kick{Sessions: at, Reason: reason, Why: why}
		return s.Of.Tell(ctx, to, sender, OrderKick, kick.Append(nil))
	})
}

// Bind gives a session to another actor.
func (s Service) Bind(ctx context.Context, sender mallee.ID, at uint64, to mallee.ID) error {
	return s.Moved.Send([]uint64{at}, func(at []uint64) error {
		bind := Bind{Session: at[0], To: to}
		return s.Of.Tell(ctx, GatewayOf(at[0]), sender, OrderBind, bind.Append(nil))
	})
}

// Detached tells gateways that an activation has ended, and with it the
// attachment of sessions, which are in ascending order.
func (s Service) Detached(actor mallee.ID, epoch uint64, at []uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), detachTimeout)
	defer cancel()
	_ = s.each(at, func(to placement.NodeID, at []uint64) error {
		d := Detached{Sessions: at, Epoch: epoch}
		return s.Of.Tell(ctx, to, actor, OrderDetached, d.Append(nil))
	})
}

// orderRoom is what the sessions of an order take at most, and its other fields.
func orderRoom(at []uint64) int { return 24 + 5*len(at) } // they are of one gateway, so less than perGateway apart

// each calls tell for each gateway where sessions are now, and again where a gateway has more sessions
// than fit into one order. It returns the first error.
func (s Service) each(at []uint64, tell func(to placement.NodeID, at []uint64) error) error {
	return s.Moved.Send(at, func(at []uint64) error { return tellAll(at, tell) })
}

func tellAll(at []uint64, tell func(to placement.NodeID, at []uint64) error) (first error) {
	for len(at) > 0 {
		to := GatewayOf(at[0])
		_, last := Span(to)
		n, _ := slices.BinarySearch(at, last+1)
		n = min(n, maxSessions)
		if err := tell(to, at[:n]); err != nil && first == nil {
			first = err
		}
		at = at[n:]
	}
	return first
}

// Return tells the sender of a Push that its sessions have ended.
func Return(ctx context.Context, caller mallee.Caller, sender mallee.ID, body []byte) error {
	var push Push
	if err := push.Parse(body); err != nil {
		return err
	}
	moved := make([]Relocation, len(push.Sessions))
	for i, at := range push.Sessions {
		moved[i].From = at
	}
	return MalleeSessionsAt(Through(caller), sender).Moved(ctx, moved)
}
