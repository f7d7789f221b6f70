package node

import (
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee/internal/activation"
)

// Stats are counts since the node started, and what it is at now. Calls of
// activation.Stats are those that its actors got; Served of them came from other
// nodes.
type Stats struct {
	activation.Stats
	Sent     int64         // calls to other nodes, each try counted
	Served   int64         // calls of other nodes
	Repairs  int64         // calls that found their actor moved
	MovesIn  int64         // actors that have come from other nodes
	MovesOut int64         // actors that have gone to other nodes
	Strays   int64         // actors whose calls wait until it is known where they live
	Cordoned bool          // it gets no new actors
	Draining bool          // its actors are moving away
	LeaseAge time.Duration // since the last renewal that succeeded; 0 without a lease that ends
}

// counts are what Stats shows of the node itself. They are on no path that stays
// within the node.
type counts struct {
	sent, served, repairs, movesIn, movesOut    atomic.Int64
	lookups, renewals, failedRenewals, fencings atomic.Int64
}

// Stats may be called at any time.
func (n *Node) Stats() Stats {
	return Stats{
		Stats:    n.runtime.Stats(),
		Sent:     n.counts.sent.Load(),
		Served:   n.counts.served.Load(),
		Repairs:  n.counts.repairs.Load(),
		MovesIn:  n.counts.movesIn.Load(),
		MovesOut: n.counts.movesOut.Load(),
		Strays:   n.strays.queues.Load(),
		Cordoned: n.leaving(),
		Draining: n.draining.Load(),
		LeaseAge: n.lease.Load().age(),
	}
}

func (l *lease) age() time.Duration {
	if l.TTL == 0 {
		return 0
	}
	return time.Since(l.sent())
}
