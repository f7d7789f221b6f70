// Package placement decides which node an actor lives on: who is a member of
// the cluster, and which of them has the grant to activate an ID.
package placement

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mallee-io/mallee"
)

// NodeID names one life of a node. It is never used again: a node that joins
// anew gets another one.
type NodeID uint64

func (n NodeID) String() string { return fmt.Sprintf("%d", uint64(n)) }

// Member is a node as the others see it.
type Member struct {
	ID    NodeID // given by Join
	Name  string // for people
	Types []Type
}

// Type is an actor type that a member can host.
type Type struct {
	Name       string
	Interfaces []string // names of the interfaces that it serves
	Stateless  bool     // any member may run it; it has no owner
}

// Hosts finds one of the member's types by name.
func (m *Member) Hosts(actorType string) (Type, bool) {
	i := slices.IndexFunc(m.Types, func(t Type) bool { return t.Name == actorType })
	if i < 0 {
		return Type{}, false
	}
	return m.Types[i], true
}

// Lease is what a member holds. It has lost it once TTL has passed since it
// sent its last successful renewal.
type Lease struct {
	ID  NodeID
	TTL time.Duration // 0: for ever
}

// Grant is the right of one node to activate an actor. Epochs of one actor
// grow from grant to grant; a stateless actor has epoch 0 and no owner.
type Grant struct {
	Node  NodeID
	Epoch uint64
}

// Status is what a member tells with each renewal.
type Status struct {
	Cordoned bool // gets no new actors
}

// Driver is what a node needs of the cluster's placement. Its methods are safe
// for concurrent use. Errors are mallee errors; ErrUnavailable may pass.
type Driver interface {
	// Join makes the node a member.
	Join(ctx context.Context, m Member) (Lease, error)
	// Renew prolongs a lease; ErrFenced says that it is lost for good.
	Renew(ctx context.Context, id NodeID, s Status) error
	// Leave ends a membership and whatever grants it still has.
	Leave(ctx context.Context, id NodeID) error
	// Members lists the nodes with a live lease.
	Members(ctx context.Context) ([]Member, error)
	// Locate answers the owner of an actor and gives the grant to a member
	// where it has none.
	Locate(ctx context.Context, id mallee.ID) (Grant, error)
	// Release gives a grant back once its activation has fully stopped. An
	// older grant than the one in force is ignored.
	Release(ctx context.Context, id mallee.ID, g Grant) error
}
