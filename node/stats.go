package node

import "github.com/mallee-io/mallee/internal/activation"

// Stats are counts since the node started, and what it is at now.
type Stats struct {
	activation.Stats
	MovesIn  int64 // actors that have come from other nodes
	MovesOut int64 // actors that have gone to other nodes
	Cordoned bool  // it gets no new actors
	Draining bool  // its actors are moving away
}

// Stats may be called at any time.
func (n *Node) Stats() Stats {
	return Stats{
		Stats:    n.runtime.Stats(),
		MovesIn:  n.movesIn.Load(),
		MovesOut: n.movesOut.Load(),
		Cordoned: n.leaving(),
		Draining: n.draining.Load(),
	}
}
