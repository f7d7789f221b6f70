// Package crowd has the actors that mallee chaos calls, and those that its
// clients talk to, while it breaks the cluster: simple enough to know what they must answer, and honest about every
// turn that they run.
package crowd

import (
	"github.com/mallee-io/mallee"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Turns notes turns, so that it can be told afterwards whether two processes
// ran turns of one actor at the same time.
type Turns interface {
	// Run notes that a turn for the operation begins, runs it, and notes that
	// it has ended. Where it cannot note the beginning it does not run it.
	Run(id mallee.ID, epoch uint64, op int64, turn func() error) error
}

// Types are the actor types of the crowd, for node.Config.
func Types(turns Turns) []mallee.Type {
	return []mallee.Type{
		CounterType(func(self *mallee.Self) Counter { return newCounter(self, turns) }),
		RegisterType(func(self *mallee.Self) Register { return newRegister(self, turns) }),
		TallyType(func(self *mallee.Self) Tally { return newTally(self, turns) }),
		RelayType(func(self *mallee.Self) Relay { return &relay{self} }),
		PeerType(func(self *mallee.Self) Peer { return newPeer(self, turns) }),
		HallType(newHall),
	}
}
