package activation

import (
	"sync/atomic"

	"github.com/mallee-io/mallee"
)

// Stats are counts since the runtime started, but for Active.
type Stats struct {
	Active        int64                   // activations now
	Activations   int64                   // activations made
	Deactivations map[mallee.Reason]int64 // activations ended, without those that could not start
	FailedStarts  int64                   // activations that could not start
	FailedStops   int64                   // errors of OnDeactivate
	Calls         int64                   // calls that mailboxes have taken; up to a fiftieth of the call timeout late
	FailedCalls   int64                   // calls that ended with an error
	Abandoned     int64                   // calls whose callers did not wait for the end
	LostOneWays   int64                   // one-way calls that no activation could take after theirs had ended
}

const reasons = int(mallee.ReasonFenced) + 1

// counts are what Stats shows. None of them is touched by a call that goes
// well: those an activation counts itself, under its lock, and the watch
// collects them.
type counts struct {
	activations   atomic.Int64
	deactivations [reasons]atomic.Int64
	failedStarts  atomic.Int64
	failedStops   atomic.Int64
	calls         atomic.Int64
	failedCalls   atomic.Int64
	abandoned     atomic.Int64
	lostOneWays   atomic.Int64
}

// Stats may be called at any time.
func (r *Runtime) Stats() Stats {
	c := &r.counts
	s := Stats{
		Active:        r.live.Load(),
		Activations:   c.activations.Load(),
		Deactivations: make(map[mallee.Reason]int64, reasons),
		FailedStarts:  c.failedStarts.Load(),
		FailedStops:   c.failedStops.Load(),
		Calls:         c.calls.Load(),
		FailedCalls:   c.failedCalls.Load(),
		Abandoned:     c.abandoned.Load(),
		LostOneWays:   c.lostOneWays.Load(),
	}
	for reason := mallee.ReasonIdle; int(reason) < reasons; reason++ {
		s.Deactivations[reason] = c.deactivations[reason].Load()
	}
	return s
}

// collect takes over what the activation has counted. It needs the lock.
func (a *Activation) collect() {
	if a.calls > 0 {
		a.table.runtime.counts.calls.Add(int64(a.calls))
		a.calls = 0
	}
}
