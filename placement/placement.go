// Package placement decides which node an actor lives on: who is a member of
// the cluster, and which of them has the grant to activate an ID.
//
// A node takes a Driver: Dial for a cluster whose placement driver runs in
// processes of its own (package placement/pd), Solo for a node that is alone,
// Memory for tests in one process. The decisions are in placement/driver; the
// rules, and what happens in every failure, in docs/placement.md.
package placement

import (
	"context"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement/driver"
)

// The words are those of the state machines in placement/driver.
type (
	// NodeID names one life of a node.
	NodeID = driver.NodeID
	// Member is a node as the others see it.
	Member = driver.Member
	// Type is an actor type that a member can host.
	Type = driver.Type
	// Grant is the right of one node to activate an actor.
	Grant = driver.Grant
	// Status is what a member tells with each renewal.
	Status = driver.Status
)

// Lease is what a member holds. It has lost it once TTL has passed since it
// sent its last successful renewal.
type Lease struct {
	ID  NodeID
	TTL time.Duration // 0: for ever
}

// Driver is what a node needs of the cluster's placement. Its methods are safe
// for concurrent use. Errors are mallee errors; ErrUnavailable may pass.
type Driver interface {
	// Join makes the node a member. Until its lease ends, c is told what the
	// cluster wants of it; this may begin before Join returns.
	Join(ctx context.Context, m Member, c Control) (Lease, error)
	// Renew prolongs a lease; ErrFenced says that it is lost for good.
	Renew(ctx context.Context, node NodeID, s Status) error
	// Leave ends a membership and whatever grants it still has.
	Leave(ctx context.Context, node NodeID) error
	// Members lists the nodes with a live lease.
	Members(ctx context.Context) ([]Member, error)
	// Locate answers a node that asks for the owner of an actor, and gives the
	// grant to a member where it has none.
	Locate(ctx context.Context, from NodeID, id mallee.ID) (Grant, error)
	// Successor names another node that could take an actor over from its
	// owner; it grants nothing. ErrUnavailable: there is none.
	Successor(ctx context.Context, owner NodeID, id mallee.ID) (NodeID, error)
	// Release gives a grant back once its activation has fully stopped. The
	// next grant goes to the node to, when that is a live member other than the
	// owner; 0 leaves the choice to the driver. An older grant than the one in
	// force is ignored.
	Release(ctx context.Context, id mallee.ID, g Grant, to NodeID) error
}

// Resolver is a Driver that knows where members are reached: the network of a
// node asks it.
type Resolver interface {
	// Resolve is the address of a member, host:port; ErrUnavailable says that
	// the node is not a member, or that nobody can tell just now.
	Resolve(ctx context.Context, node NodeID) (string, error)
}

// Control is what the cluster tells a member. Its methods must not block.
type Control interface {
	// Lost says that the lease of another member has ended: it answers nothing
	// any more.
	Lost(node NodeID)
	// Move asks the member to give an actor to another node, if it still has it
	// under the grant.
	Move(id mallee.ID, g Grant, to NodeID)
	// Cordon keeps new actors from the member, or lets them come again.
	Cordon(on bool)
	// Drain cordons the member and moves its actors to others; the process
	// stays.
	Drain()
}
