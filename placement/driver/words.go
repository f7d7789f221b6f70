package driver

import (
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
	ID      NodeID // given by Join
	Name    string // for people
	Addr    string // host:port where other nodes reach it
	Admin   string // host:port of its health and figures; empty: none
	Types   []Type
	Labels  map[string]string
	Foreign bool      // a Koala host: it speaks JSON metas, and the leader keeps its grants for it
	Since   time.Time // when it joined, by the clock of the placement driver
}

// Type is an actor type that a member can host.
type Type struct {
	Name       string
	Interfaces []string // names of the interfaces that it serves
	Stateless  bool     // any member may run it; it has no owner
	Strategy   mallee.Strategy
	Weight     int               // of one activation in a member's load; 0 means 1
	Labels     map[string]string // only members that have all of them may host it
}

// Hosts finds one of the member's types by name.
func (m *Member) Hosts(actorType string) (Type, bool) {
	i := slices.IndexFunc(m.Types, func(t Type) bool { return t.Name == actorType })
	if i < 0 {
		return Type{}, false
	}
	return m.Types[i], true
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
	Load     int  // what it measures beyond the weights of its actors, in their unit
}

// Question asks for the owner of an actor.
type Question struct {
	ID   mallee.ID
	From NodeID // who asks
}

// Move asks a node to give an actor to another one.
type Move struct {
	ID    mallee.ID
	Grant Grant // under which it lives now
	To    NodeID
}
